#!/usr/bin/env bash
# Every command explains itself without loading LibTorch, and README.md names what exists and nothing else:
# commands.sh ROOT BIN VERSION
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
known="$(mktemp)"  # "COMMAND" and "COMMAND SUBCOMMAND", a line each
trap 'rm -f "$known" "$known".help' EXIT
for source in "$root"/tools/emotion_*.cpp; do
  name="$(basename "$source" .cpp)"
  commands+=("$name")
  if [ ! -x "$bin/$name" ]; then complain "$name: not built; is it in tools/CMakeLists.txt?"; continue; fi
  explain "$name" > "$known.help"
  [ "$("$bin/$name" --version)" = "$version" ] || complain "$name: --version does not print $version"
  echo "$name" >> "$known"
  for sub in $(sed -n '/^Subcommands:/,/^[^ S]/s/^  \([a-z0-9][a-z0-9-]*\) .*/\1/p' "$known.help"); do
    echo "$name $sub" >> "$known"
    explain "$name" "$sub" > /dev/null
  done
done

# Flags of every command may stand behind a subcommand's own.
code=0
"$bin/emotion_data" verify /nowhere --log-level error 2>/dev/null || code=$?
[ "$code" = 3 ] || complain "emotion_data verify /nowhere --log-level error: exit code $code, 3 is wanted"

readme="$root/README.md"
for name in "${commands[@]}"; do
  grep -qw "$name" "$readme" || complain "README.md does not name $name"
done
for name in $(grep -ohE '\bemotion_[a-z0-9_]+' "$readme" | sort -u); do
  grep -qx "$name" "$known" || complain "README.md names $name, which is no command"
done
# Where a command has subcommands, the word behind it must be one of them.
while read -r name sub; do
  if grep -q "^$name " "$known" && ! grep -qx "$name $sub" "$known"; then complain "README.md names '$name $sub', which is no subcommand"; fi
done < <(grep -ohE '\bemotion_[a-z0-9]+ [a-z][a-z0-9-]*' "$readme" | sort -u)
for path in $(grep -ohE '\b(configs|docs|include|src|tests|third_party|tools)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]' "$readme" | sort -u); do
  [ -e "$root/$path" ] || complain "README.md names $path, which does not exist"
done
exit $broken
