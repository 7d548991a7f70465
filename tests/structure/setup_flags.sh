#!/usr/bin/env bash
# What the set-up scripts pass on, with stand-ins for CMake, CTest and pip: setup_flags.sh ROOT
set -euo pipefail
root="$1"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{bin,tools,third_party,.deps,build/release}
cp "$root"/tools/{setup,test,demo}.sh "$scratch/tools/"
: > "$scratch/tools/packages.txt"
echo "# none" | tee "$scratch/third_party/wheels.txt" > "$scratch/.deps/wheels.txt"
mkdir "$scratch/.deps/torch-1.dist-info"
echo "Requires-Dist: nvidia-runtime==1; extra" > "$scratch/.deps/torch-1.dist-info/METADATA"
stand_in() { printf '#!/bin/bash\ncd "%s"; echo "%s $*" >> log\n%s\n' "$scratch" "$1" "$2" > "$scratch/bin/$1"; chmod +x "$scratch/bin/$1"; }
stand_in cmake 'case "$1" in --preset) touch build/release/build.ninja ;; esac'
stand_in ctest ''
stand_in python3 'mkdir -p .deps/cuda.new/nvidia .deps/nvidia'
export PATH="$scratch/bin:$PATH"
unset CMAKE_PREFIX_PATH

# expect WHAT FILE PATTERN: a line of the log matches; expect_not: none does.
failed=0
expect() { grep -q "$2" "$scratch/log" || { echo "$1: no line '$2' in:"; cat "$scratch/log"; failed=1; } >&2; }
expect_not() { ! grep -q "$2" "$scratch/log" || { echo "$1: there is a line '$2'"; failed=1; } >&2; }
run() { : > "$scratch/log"; bash "$scratch/tools/$@" > /dev/null 2>&1; }

run setup.sh
expect "first set-up" '^cmake --preset release'
run setup.sh
expect_not "second set-up" '^cmake --preset release'
expect "second set-up" '^cmake --build --preset release'
CMAKE_PREFIX_PATH=/opt/other run setup.sh
expect "another LibTorch" '^cmake --preset release -U LibTorch_\* -U NCCL_INCLUDE_DIR -U CUDA_RUNTIME_INCLUDE_DIR$'
CMAKE_PREFIX_PATH=/opt/other run setup.sh
expect_not "the same LibTorch" '^cmake --preset release'
run setup.sh
expect "the wheel again" '^cmake --preset release'

run test.sh --cuda -L data
expect "test.sh --cuda" '^python3 -m pip install .* nvidia-runtime==1'
expect "test.sh --cuda" '^ctest --preset release .* -L data$'
expect_not "test.sh --cuda" '^ctest.*--cuda'
rm "$scratch/.deps/cuda.done"
run demo.sh --cuda || true  # there is no emotion_data here
expect "demo.sh --cuda" '^python3 -m pip install .* nvidia-runtime==1'
if run demo.sh --cdua; then echo "demo.sh takes an unknown flag" >&2; failed=1; fi

# The wheel is needed where CMAKE_PREFIX_PATH names other packages alone, and what pip cannot download is told as that.
echo "torch 1 00" > "$scratch/third_party/wheels.txt"
stand_in python3 'exit 1'
needs_wheel() {
  : > "$scratch/log"
  code=0
  said="$(XDG_CACHE_HOME="$scratch/cache" CMAKE_PREFIX_PATH="$1" bash "$scratch/tools/setup.sh" --no-build 2>&1)" || code=$?
  [ "$code" -eq 1 ] && [[ "$said" == *"torch 1 cannot be downloaded"* ]]
}
mkdir -p "$scratch/my torch/include/torch/csrc/api/include/torch" "$scratch/my torch/share/cmake"
touch "$scratch/my torch/include/torch/csrc/api/include/torch/torch.h"
for prefix in "" /opt/ros "/opt/ros:/opt/qt"; do
  needs_wheel "$prefix" || { echo "CMAKE_PREFIX_PATH='$prefix': code $code: $said"; failed=1; } >&2
done
for prefix in "$scratch/my torch" "/opt/ros:$scratch/my torch/share/cmake"; do
  if needs_wheel "$prefix" || [ "$code" -ne 0 ]; then echo "CMAKE_PREFIX_PATH='$prefix': code $code: $said" >&2; failed=1; fi
done
exit $failed
