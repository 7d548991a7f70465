#!/usr/bin/env bash
# Every command explains itself without loading LibTorch, and README.md and docs/ name what exists and nothing else: commands,
# subcommands, flags, paths. commands.sh ROOT BIN VERSION
set -euo pipefail
root="$1" bin="$2" version="$3"
broken=0

complain() {
  echo "$1" >&2
  broken=1
}

# explain COMMAND [SUBCOMMAND]: its --help; the dynamic linker's own log says which libraries that opened.
explain() {
  local help loaded
  loaded="$(mktemp)"
  if ! help="$(LD_DEBUG=files LD_DEBUG_OUTPUT="$loaded" "$bin/$1" ${2:+"$2"} --help)" || [ -z "$help" ]; then
    complain "$*: --help fails or prints nothing"
  elif ! grep -q 'libstdc++' "$loaded".*; then
    complain "$*: the linker's log names no library; this test sees nothing"
  elif grep -qE 'lib(torch|c10|emotion)[a-z_]*\.so' "$loaded".*; then
    complain "$*: --help loads $(grep -ohE 'lib(torch|c10|emotion)[a-z_]*\.so' "$loaded".* | sort -u | tr '\n' ' ')"
  fi
  rm -f "$loaded" "$loaded".*
  printf '%s\n' "$help"
}

commands=()
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
known="$work/known"  # "COMMAND" and "COMMAND SUBCOMMAND", a line each
mkdir "$work/help"   # a file each, of the same names
for source in "$root"/tools/emotion_*.cpp; do
  name="$(basename "$source" .cpp)"
  commands+=("$name")
  if [ ! -x "$bin/$name" ]; then complain "$name: not built; is it in tools/CMakeLists.txt?"; continue; fi
  explain "$name" > "$work/help/$name"
  [ "$("$bin/$name" --version)" = "$version" ] || complain "$name: --version does not print $version"
  echo "$name" >> "$known"
  for sub in $(sed -n '/^Subcommands:/,/^[^ S]/s/^  \([a-z0-9][a-z0-9-]*\) .*/\1/p' "$work/help/$name"); do
    echo "$name $sub" >> "$known"
    explain "$name" "$sub" > "$work/help/$name $sub"
  done
done

# Flags of every command may stand behind a subcommand's own.
code=0
"$bin/emotion_data" verify /nowhere --log-level error 2>/dev/null || code=$?
[ "$code" = 3 ] || complain "emotion_data verify /nowhere --log-level error: exit code $code, 3 is wanted"

# explains COMMAND [SUBCOMMAND] FLAG: the flag stands in its help, or in the command's own; of a command with subcommands alone, in
# that of any.
explains() {
  local flag="${*: -1}" name="${*:1:$#-1}" helps=()
  helps=("$work/help/$1" "$work/help/$name")
  [ $# -gt 2 ] || helps+=("$work/help/$1 "*)
  grep -qsE -- "(^|[ ,])$flag([ ,=[]|\$)" "${helps[@]}"
}

# check_flags FILE: every flag behind a command, as far as the line goes (a line that ends in a backslash goes on). Other programs
# have flags of their own.
check_flags() {
  local line token number=0 command=""
  while IFS= read -r line; do
    number=$((number + 1))
    while read -r token; do
      case "$token" in
        --*) [ -z "$command" ] || explains $command "$token" || complain "${1#"$root"/}:$number: '$command' has no $token" ;;
        emotion_*)
          command="$token"
          grep -qx "$command" "$known" || command="${token%% *}"
          grep -qx "$command" "$known" || command="" ;;
        *) command="" ;;
      esac
    done < <(grep -oE '\bemotion_[a-z0-9]+( [a-z][a-z0-9-]*)?|--([a-z][a-z0-9-]*|[A-Z]\b)|\b(tools/[a-z]+\.sh|cmake|ctest|srun|torchrun)\b' <<< "$line" || true)
    case "$line" in *\\) ;; *) command="" ;; esac
  done < "$1"
}

for name in "${commands[@]}"; do
  grep -qw "$name" "$root/README.md" || complain "README.md does not name $name"
done
for text in "$root/README.md" "$root"/docs/*.md; do
  file="${text#"$root"/}"
  for name in $(grep -ohE '\bemotion_[a-z0-9_]+' "$text" | sort -u); do
    grep -qx "$name" "$known" || complain "$file names $name, which is no command"
  done
  # Where a command has subcommands, the word behind it must be one of them.
  while read -r name sub; do
    if grep -q "^$name " "$known" && ! grep -qx "$name $sub" "$known"; then complain "$file names '$name $sub', which is no subcommand"; fi
  done < <(grep -ohE '\bemotion_[a-z0-9]+ [a-z][a-z0-9-]*' "$text" | sort -u)
  for path in $(grep -ohE '\b(configs|docs|include|src|tests|third_party|tools)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]' "$text" | sort -u); do
    [ -e "$root/$path" ] || complain "$file names $path, which does not exist"
  done
  check_flags "$text"
done
exit $broken
