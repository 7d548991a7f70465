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
