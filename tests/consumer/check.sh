#!/usr/bin/env bash
# Installs the build below itself, moves the tree, then builds and runs a small project on it:
# check.sh CMAKE BUILD_DIR VERSION COMPILER LIBTORCH_ROOT
set -euo pipefail
cmake="$1" build="$2" version="$3" compiler="$4" torch="$5"
here="$(cd "$(dirname "$0")/project" && pwd)"
work="$build/install_check"
rm -rf "$work"

# predict.cpp is the example of README.md, word for word.
diff <(sed -n '/^```cpp$/,/^```$/p' "$here/../../../README.md" | sed '1d;$d') "$here/predict.cpp" >&2 ||
  { echo "README.md's C++ example is not tests/consumer/project/predict.cpp" >&2; exit 1; }
# With a compiler cache only the first run compiles; a header counts by what it holds, not by when it was installed.
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR="$build" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
fi

"$cmake" --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"  # nothing may depend on where the tree was first
"$cmake" -S "$here" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" "${launcher[@]}" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
"$cmake" --build "$work/build" >/dev/null
printed="$("$work/build/consumer" 2>/dev/null)"
if [ "$printed" != "emotion $version" ]; then
  echo "the consumer printed '$printed', expected 'emotion $version'" >&2
  exit 1
fi
grep -q "^LibTorch_C10_LIBRARY:FILEPATH=$torch/" "$work/build/CMakeCache.txt" || { echo "the consumer took another LibTorch than $torch" >&2; exit 1; }

# Another LibTorch than the library's is refused, with what to do.
other="$work/other"
mkdir -p "$other/include/torch/csrc/api/include/torch" "$other/lib"
touch "$other/include/torch/csrc/api/include/torch/torch.h" "$other/lib/libtorch_cpu.so" "$other/lib/libc10.so"
printf '#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 9\n#define TORCH_VERSION_PATCH 99\n' > "$other/include/torch/csrc/api/include/torch/version.h"
if message="$("$cmake" -S "$here" -B "$work/refused" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix;$other" 2>&1)"; then
  echo "the consumer was configured with LibTorch 2.9.99" >&2
  exit 1
fi
grep -q "libemotion.so was built with LibTorch" <<< "$message" || { echo "no word of the LibTorch that is wanted: $message" >&2; exit 1; }

# The installed commands open the installed library. A folder of the wrong kind is an error of the library, code 3.
if [ -x "$work/prefix/bin/emotion_data" ]; then
  code=0
  message="$("$work/prefix/bin/emotion_data" stats "$work/nothing" 2>&1)" || code=$?
  [ "$code" -eq 3 ] || { echo "the installed emotion_data exits $code, expected 3: $message" >&2; exit 1; }

  # The example says of a picture what emotion_predict says of it: a network of one training step.
  "$work/prefix/bin/emotion_data" synth affect --out "$work/data" --count 20 --size 32 --workers 1 --log-level warning
  cat > "$work/small.yaml" <<END
task: classifier
output: $work/run
device: cpu
data: {train: {dataset: $work/data, split: train}, resize: 32, size: 32, workers: 1}
model: {backbone: resnet18}
train: {epochs: 1, batch: 8, max_steps: 1}
END
  "$work/prefix/bin/emotion_train" --config "$work/small.yaml" --log-level warning
  picture="$work/data/images/000/0000000.jpg"
  answer="$("$work/build/predict" "$work/run" "$picture")"
  awk '{ sum += $2 } END { exit !(NR == 8 && sum > 0.999 && sum < 1.001) }' <<< "$answer" ||
    { echo "README.md's example printed no probabilities of eight classes: $answer" >&2; exit 1; }
  best="$(LC_ALL=C sort -k2,2gr <<< "$answer" | head -n 1 | cut -d ' ' -f 1)"
  expected="$("$work/prefix/bin/emotion_predict" --checkpoint "$work/run" --device cpu "$picture" | awk 'NR == 2 { print $1 }')"
  [ "$best" = "$expected" ] || { echo "README.md's example sees $best in $picture, emotion_predict $expected" >&2; exit 1; }
  code=0
  message="$("$work/build/predict" "$work/run" "$work/nothing.jpg" 2>&1)" || code=$?
  [ "$code" -eq 3 ] || { echo "README.md's example exits $code without its picture, expected 3: $message" >&2; exit 1; }
fi
rm -rf "$work"
