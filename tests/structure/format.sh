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
broken=0
for file in "${files[@]}"; do
  if ! "$formatter" --dry-run --Werror "$file" >/dev/null 2>&1; then
    echo "$file is not formatted; run bash tests/structure/format.sh . --fix"
    broken=1
  fi
done
exit $broken
