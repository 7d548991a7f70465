#!/usr/bin/env bash
# The sources are as clang-format leaves them: format.sh ROOT lists those that are not; `format.sh ROOT --fix` formats them.
#
# Other versions of clang-format break lines elsewhere, so that only the version CONTRIBUTING.md names is asked.
set -euo pipefail
cd "$1"
version=14
formatter="$(command -v "clang-format-$version" || command -v clang-format || true)"
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q "version $version\."; then
  echo "clang-format $version is not installed: nothing checked"
  exit 77  # ctest: skipped
fi
mapfile -t files < <(find include src tools tests fuzz -name '*.h' -o -name '*.cpp' | sort)
if [ "${2:-}" = --fix ]; then exec "$formatter" -i "${files[@]}"; fi
# Its complaints are lines `FILE:LINE:COLUMN: error: code should be clang-formatted`.
if told="$(printf '%s\0' "${files[@]}" | xargs -0 -n 32 -P "$(nproc)" "$formatter" --dry-run --Werror 2>&1)"; then exit 0; fi
broken="$(sed -nE 's/^([^:]+):[0-9]+:[0-9]+: error: .*/\1/p' <<< "$told" | sort -u)"
[ -n "$broken" ] || { echo "$formatter failed: $told"; exit 1; }
sed 's|$| is not formatted; run bash tests/structure/format.sh . --fix|' <<< "$broken"
exit 1
