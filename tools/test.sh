#!/usr/bin/env bash
# Installs, builds and runs every test: bash tools/test.sh [--cuda] [--preset release|debug|asan|tsan] [ctest's flags, such as -L data]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
cuda=()
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset="${2:?--preset needs a name}"; shift ;;
    --cuda) cuda=(--cuda) ;;
    --help) sed -n '2s/^# //p' "$0"; exit 0 ;;
    *) break ;;
  esac
  shift
done
bash tools/setup.sh --preset "$preset" "${cuda[@]}"
ctest --preset "$preset" --parallel "$(nproc)" --output-on-failure "$@"
echo "test: all passed in ${SECONDS} s, set-up and build included"
