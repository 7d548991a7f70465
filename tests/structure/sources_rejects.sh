#!/usr/bin/env bash
# sources.sh finds each kind of broken rule, and nothing in a tree that keeps them: sources_rejects.sh SOURCES_SH
set -euo pipefail
check="$1"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/include/emotion/{data,model} "$root"/src/{data,model,commands} "$root"/tools "$root"/tests/data "$root"/fuzz

echo '#include "emotion/data/batch.h"' > "$root/include/emotion/model/net.h"
echo '#include "emotion/error.h"' > "$root/include/emotion/data/batch.h"
echo '#include "emotion/model/net.h"' > "$root/src/model/net.cpp"
echo 'emotion_sources(net.cpp)' > "$root/src/model/CMakeLists.txt"
echo '#include "emotion/error.h"' > "$root/src/base.cpp"
echo 'emotion_sources(PLAIN base.cpp)' > "$root/src/CMakeLists.txt"
echo '#include "emotion/commands/train.h"' > "$root/tools/emotion_train.cpp"
touch "$root/tools/command_line.h"
bash "$check" "$root" || { echo "a tree that keeps the rules is refused" >&2; exit 1; }

# expect FILE TEXT COMPLAINT: with TEXT in FILE the complaint is printed; FILE is put back as it was.
expect() {
  local file="$root/$1" before="" existed=no output
  if [ -e "$file" ]; then existed=yes; before="$(cat "$file")"; fi
  printf '%b\n' "$2" > "$file"
  if output="$(bash "$check" "$root")"; then echo "not refused: $1 with '${2:0:60}'" >&2; exit 1; fi
  if [ "$output" != "$3" ]; then printf 'expected: %s\nprinted:  %s\n' "$3" "$output" >&2; exit 1; fi
  if [ $existed = yes ]; then printf '%s\n' "$before" > "$file"; else rm "$file"; fi
}

expect include/emotion/data/batch.h '#include <string>\n#include "emotion/model/net.h"' \
  'include/emotion/data/batch.h:2: "emotion/model/net.h": data may not include model/, which comes later'
expect include/emotion/data/batch.h '#include "emotion/commands/train.h"' \
  'include/emotion/data/batch.h:1: "emotion/commands/train.h": data may not include commands/, which comes later'
expect include/emotion/error.h '#include "emotion/data/batch.h"' \
  'include/emotion/error.h:1: "emotion/data/batch.h": a file of no stage may not include data/, which comes later'
expect src/model/net.cpp '#include "../data/batch.h"' \
  'src/model/net.cpp:1: "../data/batch.h" leaves its folder; write "emotion/STAGE/..."'
expect src/model/other.cpp '' 'src/model/other.cpp: not named in src/model/CMakeLists.txt, so it is never built'
expect tests/data/net_test.cpp '' 'tests/data/net_test.cpp: not named in tests/data/CMakeLists.txt, so it is never run'
expect src/other.cpp '' 'src/other.cpp: not named in src/CMakeLists.txt, so it is never built'
expect src/base.cpp '#include "emotion/data/batch.h"' \
  'src/base.cpp:1: "emotion/data/batch.h": a file of no stage may not include data/, which comes later'
expect tools/emotion_train.cpp '#include "emotion/model/net.h"' \
  'tools/emotion_train.cpp:1: tools/ may include emotion/commands/, emotion/error.h and emotion/nearest.h alone, or --help would load LibTorch'
for print in 'fmt::print("x");' 'fmt::print(stdout, "x");' '  fmt::print(' 'std::puts("x");' 'std::fputs("x", stdout);' 'std::cout << "x";'; do
  expect src/model/net.cpp "$print" \
    'src/model/net.cpp:1: results go to stdout by print_out or print_text (emotion/print.h); others throw when a pipe closes, or say nothing'
done
expect tests/long.h "$(printf '//\\n%.0s' {1..500})" 'tests/long.h: 501 lines, at most 500; part it by subject'
bash "$check" "$root"
