#!/usr/bin/env bash
# A project that takes emotion in by add_subdirectory keeps its own choices, and so does a user who gives flags:
# embedded.sh CMAKE SOURCE BUILD_DIR COMPILER LIBTORCH_ROOT
set -euo pipefail
cmake="$1" source="$2" build="$3" compiler="$4" torch="$5"
work="$build/embedded_check"
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
settings=(-G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$torch")

"$cmake" -S "$source/tests/consumer/embedded" -B "$work/embedded" "${settings[@]}" -DEMOTION_SOURCE="$source" > /dev/null
for choice in '^BUILD_TESTING:' '^CCACHE_PROGRAM:' '^MOLD_PROGRAM:'; do
  if grep "$choice" "$work/embedded/CMakeCache.txt"; then echo "emotion decides on that in a project that takes it in" >&2; exit 1; fi
done
if grep -E -m 1 -e '-fuse-ld|ccache|-DNDEBUG' "$work/embedded/build.ninja"; then echo "emotion's linker, compiler cache or build type" >&2; exit 1; fi

"$cmake" -S "$source" -B "$work/flags" "${settings[@]}" -DBUILD_TESTING=OFF -DCMAKE_CXX_FLAGS_RELEASE=-Os > /dev/null
grep -q -e '^  FLAGS = .*-Os' "$work/flags/build.ninja" || { echo "the user's CMAKE_CXX_FLAGS_RELEASE is not taken" >&2; exit 1; }

# A LibTorch under a path with a space, named as torch.utils.cmake_prefix_path does: its headers reach the compiler as one argument.
other="$work/my torch"
mkdir -p "$other/include/torch/csrc/api/include/torch" "$other/lib" "$other/share/cmake"
touch "$other/include/torch/csrc/api/include/torch/torch.h" "$other/lib/libtorch_cpu.so" "$other/lib/libc10.so"
printf '#define TORCH_VERSION_%s\n' 'MAJOR 2' 'MINOR 9' 'PATCH 0' > "$other/include/torch/csrc/api/include/torch/version.h"
"$cmake" -S "$source" -B "$work/space" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DBUILD_TESTING=OFF -DCMAKE_PREFIX_PATH="$other/share/cmake" > /dev/null
grep -q -F -e "-idirafter \"$other/include\"" "$work/space/build.ninja" || { echo "'$other' is not found, or split at its space" >&2; exit 1; }
