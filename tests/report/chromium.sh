#!/usr/bin/env bash
# Pictures of pages at a telephone's and a desktop's width, light and dark, and as printed; checks that nothing is wider than the
# window: chromium.sh OUT PAGE...
#
# Exit 77 (skipped) where there is no chromium.
set -euo pipefail
out="$1"
shift
browser="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
[ -n "$browser" ] || { echo "no chromium; skipped"; exit 77; }
mkdir -p "$out"
profile="$(mktemp -d)"
trap 'rm -rf "$profile"' EXIT
# Anything that the page asks the network for fails at once.
run() {
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --no-first-run \
    --host-resolver-rules='MAP * ~NOTFOUND' --virtual-time-budget=5000 "$@" 2>"$profile/errors" || { cat "$profile/errors" >&2; return 1; }
}

broken=0
for page in "$@"; do
  name="$(basename "$(dirname "$(realpath "$page")")")-$(basename "$page" .html)"
  for width in 390 1280; do
    # The page's own widths, measured by the browser in a frame of that width: what sticks out must scroll by itself.
    cat > "$profile/frame.html" <<HTML
<!doctype html><iframe id="f" style="width:${width}px;height:900px;border:0" src="file://$(realpath "$page")"></iframe><pre id="r"></pre>
<script>onload = () => { const d = f.contentDocument.documentElement; r.textContent = 'WIDTH ' + d.scrollWidth + ' ' + d.clientWidth; }</script>
HTML
    measured="$(run --allow-file-access-from-files --dump-dom "file://$profile/frame.html" | sed -n 's/.*WIDTH \([0-9]*\) \([0-9]*\).*/\1 \2/p' | head -1)"
    if [ -z "$measured" ]; then echo "$page: the browser has not shown it at $width pixels"; broken=1; fi
    read -r scroll client <<< "${measured:-0 0}"
    if [ "$scroll" -gt "$client" ]; then echo "$page: $scroll pixels wide in a window of $client"; broken=1; fi
    for scheme in light dark; do
      flags=()
      [ "$scheme" = light ] || flags=(--blink-settings=preferredColorScheme=0)
      run --window-size="$width,2400" "${flags[@]}" --screenshot="$out/$name-$width-$scheme.png" "file://$(realpath "$page")" >/dev/null
      [ -s "$out/$name-$width-$scheme.png" ] || { echo "$page: no picture at $width pixels, $scheme"; broken=1; }
    done
  done
  run --no-pdf-header-footer --print-to-pdf="$out/$name.pdf" "file://$(realpath "$page")" >/dev/null
  [ -s "$out/$name.pdf" ] || { echo "$page: cannot be printed"; broken=1; }
done
exit $broken
