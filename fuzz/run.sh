#!/usr/bin/env bash
# Fuzzes every reader of foreign files with AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   bash fuzz/run.sh [SECONDS] [TARGET...]      60 seconds each, all of them, unless said otherwise
#
# Needs clang-14 and libclang-rt-14-dev, and LibTorch as tools/setup.sh puts it into .deps/. New inputs and crashes are kept in
# build/fuzz/; small seeds lie in fuzz/seeds/ (tests/reference/make_fuzz_seeds.py), crashes that were mended are tests.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-60}"
[ $# -eq 0 ] || shift
out=build/fuzz
torch=.deps/torch
compiler="$(command -v clang++-14 || command -v clang++)" || { echo "clang is missing: apt-get install clang-14 libclang-rt-14-dev"; exit 2; }
[ -d "$torch/include" ] || { echo "$torch is missing: bash tools/setup.sh"; exit 2; }

# The sources a target needs, besides fuzz/TARGET.cpp.
always="src/io/file.cpp src/nearest.cpp src/io/utf8.cpp"
importers=src/data/importers
declare -A sources=(
  [safetensors]="src/io/safetensors.cpp"
  [pickle]="src/io/pickle.cpp src/io/pickle_numpy.cpp src/io/pth.cpp src/io/safetensors.cpp src/io/zip.cpp"
  [config]="src/config/checks.cpp src/config/node.cpp src/config/run_config.cpp src/log.cpp"
  [npz]="src/io/npy.cpp src/io/npz.cpp src/io/zip.cpp"
  [plain_pickle]="src/io/plain_pickle.cpp"
  [word2vec]="src/io/gzip.cpp src/text/word_vectors.cpp src/log.cpp"
  [manifest]="src/data/manifest.cpp src/data/manifest_index.cpp src/data/image_path.cpp src/data/dataset.cpp src/io/file_lock.cpp src/log.cpp src/signals.cpp"
  [csv]="$importers/csv.cpp $importers/files.cpp src/data/picture_name.cpp src/log.cpp"
  [npy]="$importers/npy.cpp $importers/files.cpp src/data/picture_name.cpp src/io/npy.cpp src/log.cpp"
  [jpeg]="src/data/decode_jpeg.cpp src/data/fast_huffman.cpp"
  [tfevents]="src/io/tensorboard_read.cpp"
  [tar]="src/io/tar.cpp src/io/tar_header.cpp"
)
libraries="-lfmt -lspdlog -lyaml-cpp -lsimdjson -ljpeg -lz -L$torch/lib -ltorch_cpu -lc10 -Wl,--allow-shlib-undefined -Wl,-rpath,$PWD/$torch/lib"
for folder in .deps/nvidia/*/lib .deps/nvidia/*/*/lib; do [ ! -d "$folder" ] || libraries+=" -Wl,-rpath-link,$folder -Wl,-rpath,$PWD/$folder"; done
flags="-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=vptr,function
  -DSPDLOG_FMT_EXTERNAL -DSPDLOG_COMPILED_LIB -Iinclude -Isrc/io -Isrc/data -I$importers -Ithird_party -idirafter $torch/include -idirafter $torch/include/torch/csrc/api/include"

build() {
  mkdir -p "$out"
  # shellcheck disable=SC2086
  "$compiler" $flags fuzz/"$1".cpp ${sources[$1]} $always -o "$out/$1" $libraries
}

[ $# -gt 0 ] || mapfile -t all < <(printf '%s\n' "${!sources[@]}" | sort)
[ $# -gt 0 ] || set -- "${all[@]}"
status=0
for target in "$@"; do
  [ -n "${sources[$target]:-}" ] || { echo "no target $target; there are ${!sources[*]}"; exit 2; }
  if ! build "$target"; then echo "$target: does not build"; status=1; continue; fi
  mkdir -p "$out/corpus/$target" "fuzz/seeds/$target"
  # LibTorch was built without the sanitizers: what it keeps until the end is no leak of ours.
  if ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 "$out/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix="$out/$target-" "$out/corpus/$target" "fuzz/seeds/$target" > "$out/$target.log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log") executions, nothing found"
  else
    echo "$target: found something, see $out/$target.log"
    status=1
  fi
done
exit $status
