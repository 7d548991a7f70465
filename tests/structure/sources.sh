#!/usr/bin/env bash
# The folders follow the data: a stage includes the stages to its left, config/ and io/, and nothing to its right.
#
#   sources.sh ROOT     lists every file that breaks a rule; exit 1 if there is any
#
# Also: tools/ knows the commands' option structs alone (a stage's header would make --help load LibTorch), no include leaves its
# folder by "..", every source and test is named in its folder's CMakeLists.txt, what goes to stdout does so at one place, and no
# file is longer than 500 lines.
set -euo pipefail
cd "$1"
stages=(data text model stimuli loss train eval report)
longest=500
broken=0

complain() {
  echo "$1"
  broken=1
}

# A stage's place in the order of the data; the parts of every stage come first, the commands last.
declare -A rank=([config]=0 [io]=0 [commands]=99)
for i in "${!stages[@]}"; do rank[${stages[$i]}]=$((i + 1)); done

# check_includes FILE STAGE: STAGE is empty for what belongs to none: the headers and sources of what every stage uses (error.h, log.cpp).
check_includes() {
  local own=-1 line number name stage
  [ -z "$2" ] || own="${rank[$2]:-none}"
  if [ "$own" = none ]; then
    complain "$1: '$2' is no stage; the order is config io | ${stages[*]} | commands"
    return
  fi
  while IFS=: read -r number line; do
    name="${line#*\"}"
    name="${name%%\"*}"
    case "$name" in
      ../* | */../*) complain "$1:$number: \"$name\" leaves its folder; write \"emotion/STAGE/...\"" ;;
      emotion/*/*)
        stage="${name#emotion/}"
        stage="${stage%%/*}"
        if [ -z "${rank[$stage]:-}" ]; then
          complain "$1:$number: \"$name\": '$stage' is no stage"
        elif [ "${rank[$stage]}" -gt "$own" ]; then
          complain "$1:$number: \"$name\": ${2:-a file of no stage} may not include $stage/, which comes later"
        fi ;;
    esac
  done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1" || true)
}

for file in $(find include/emotion src -name '*.h' -o -name '*.cpp' | sort); do
  inner="${file#include/emotion/}"
  inner="${inner#src/}"
  case "$inner" in
    */*) check_includes "$file" "${inner%%/*}" ;;
    *) check_includes "$file" "" ;;
  esac
  case "$file" in
    src/*/*.cpp)
      list="src/${inner%%/*}/CMakeLists.txt"
      grep -qE "(^|[ (])${inner#*/}([ )]|\$)" "$list" || complain "$file: not named in $list, so it is never built" ;;
    src/*.cpp)
      list=src/CMakeLists.txt
      grep -qE "(^|[ (])$inner([ )]|\$)" "$list" || complain "$file: not named in $list, so it is never built" ;;
  esac
done

for file in $(find tests -mindepth 2 -name '*_test.cpp' | sort); do
  list="${file%/*}/CMakeLists.txt"
  grep -qsE "(^|[ (])${file##*/}([ )]|\$)" "$list" || complain "$file: not named in $list, so it is never run"
done

while IFS=: read -r file number line; do
  case "$line" in
    *'"emotion/commands/'* | *'"emotion/error.h"'* | *'"emotion/nearest.h"'*) ;;
    *) complain "$file:$number: tools/ may include emotion/commands/, emotion/error.h and emotion/nearest.h alone, or --help would load LibTorch" ;;
  esac
done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"emotion/' tools/*.cpp tools/*.h || true)

while IFS=: read -r file number line; do
  complain "$file:$number: results go to stdout by print_out or print_text (emotion/print.h); others throw when a pipe closes, or say nothing"
done < <(grep -rnE --include='*.cpp' --include='*.h' \
  'fmt::print\((stdout|"|$)|(^|[^a-z_])(printf|puts|putchar)\(|, ?stdout\)|std::cout <<' src include tools | grep -v '^src/print.cpp:' || true)

while read -r lines file; do
  [ "$lines" -le "$longest" ] || complain "$file: $lines lines, at most $longest; part it by subject"
done < <(find include src tools tests fuzz \( -name '*.h' -o -name '*.cpp' -o -name '*.sh' -o -name '*.py' \) -exec wc -l {} + |
  awk '$2 != "total"' | sort -k 2)
exit $broken
