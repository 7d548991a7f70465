#!/usr/bin/env bash
# Installs, builds and runs every test: bash tools/test.sh [--preset release|debug|asan|tsan] [ctest's flags, such as -L data]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
if [ "${1:-}" = --preset ]; then
  preset="${2:?--preset needs a name}"
  shift 2
fi
bash tools/setup.sh --preset "$preset"
ctest --preset "$preset" --parallel "$(nproc)" --output-on-failure "$@"
echo "test: all passed in ${SECONDS} s, set-up and build included"
