#!/usr/bin/env bash
# Installs what the project needs and builds it: bash tools/setup.sh [--cuda] [--preset release|debug|asan|tsan] [--no-build]
#
# Debian or Ubuntu packages by apt (with sudo when not root), LibTorch's wheel into .deps/ (checked against its SHA-256, kept in
# ~/.cache/emotion for the next checkout). A LibTorch of your own, 2.9 or later, is taken through CMAKE_PREFIX_PATH instead.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
cuda=no
build=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --cuda) cuda=yes ;;
    --preset) preset="${2:?--preset needs a name}"; shift ;;
    --no-build) build=no ;;
    --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown flag $1; see --help" >&2; exit 2 ;;
  esac
  shift
done

install_packages() {
  local missing=() name
  for name in $(sed 's/#.*//' tools/packages.txt); do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  echo "setup: installing ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# fetch_wheel NAME VERSION SHA256: the wheel's path, downloaded at most once.
fetch_wheel() {
  local cache="${XDG_CACHE_HOME:-$HOME/.cache}/emotion" platforms=() tag
  local wheel="$cache/$1-$2.whl"
  if ! echo "$3  $wheel" | sha256sum --check --status 2>/dev/null; then
    mkdir -p "$cache" || exit 1
    local folder
    folder="$(mktemp -d "$cache/download.XXXXXX")" || exit 1
    for tag in 2_17 2_25 2_27 2_28; do platforms+=(--platform "manylinux_${tag}_x86_64"); done
    echo "setup: downloading $1 $2" >&2
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
      --platform manylinux2014_x86_64 "${platforms[@]}" --dest "$folder" "$1==$2" >&2; then
      rmdir "$folder"
      echo "setup: $1 $2 cannot be downloaded, see above; nothing was unpacked" >&2
      exit 1
    fi
    if ! echo "$3  $(ls "$folder"/*.whl)" | sha256sum --check --status; then
      echo "setup: $1 $2 as downloaded has another SHA-256 than third_party/wheels.txt says; nothing was unpacked" >&2
      exit 3
    fi
    mv "$folder"/*.whl "$wheel"
    rmdir "$folder"
  fi
  echo "$wheel"
}

install_libtorch() {
  local stamp=.deps/wheels.txt
  cmp -s third_party/wheels.txt "$stamp" && return
  local unpacked=.deps.new name version hash wheel
  rm -rf "$unpacked"
  mkdir "$unpacked"
  while read -r name version hash; do
    wheel="$(fetch_wheel "$name" "$version" "$hash")" || exit
    unzip -q -o "$wheel" -d "$unpacked"
  done < <(grep -v '^#' third_party/wheels.txt)
  cp third_party/wheels.txt "$unpacked/"
  rm -rf .deps
  mv "$unpacked" .deps
}

# The CUDA libraries libtorch_cuda.so links, in the versions the torch wheel itself asks for, and the compiler's part of the headers.
install_cuda() {
  [ -e .deps/cuda.done ] && return
  local requirements
  requirements="$(sed -n 's/^Requires-Dist: \(nvidia-[^;]*\);.*/\1/p; s/^Requires-Dist: \(cuda-[^;]*\);.*/\1/p' .deps/torch-*.dist-info/METADATA | tr -d ' ')"
  requirements+=" $(echo "$requirements" | sed -n 's/^cuda-toolkit.*==\([0-9]*\.[0-9]*\).*/nvidia-cuda-crt==\1.*/p')"
  echo "setup: downloading the CUDA libraries: $(echo "$requirements" | tr '\n' ' ')"
  # shellcheck disable=SC2086
  python3 -m pip install --quiet --disable-pip-version-check --upgrade --target .deps/cuda.new $requirements
  cp -r .deps/cuda.new/nvidia/. .deps/nvidia/
  rm -rf .deps/cuda.new
  touch .deps/cuda.done
}

# Whether a folder of CMAKE_PREFIX_PATH, which other tools set for packages of their own, has a LibTorch (as FindLibTorch.cmake looks).
names_libtorch() {
  local prefix header=torch/csrc/api/include/torch/torch.h
  while IFS= read -r prefix; do
    [ -n "$prefix" ] || continue
    for folder in include torch/include ../../include; do
      [ -e "$prefix/$folder/$header" ] && return
    done
  done < <(printf '%s' "${CMAKE_PREFIX_PATH:-}" | tr ':;' '\n\n'; echo)
  return 1
}

install_packages
if ! names_libtorch; then
  [ -z "${CMAKE_PREFIX_PATH:-}" ] || echo "setup: CMAKE_PREFIX_PATH names no LibTorch; the pinned wheel is taken"
  install_libtorch
  if [ "$cuda" = yes ]; then install_cuda; fi
elif [ "$cuda" = yes ]; then
  echo "setup: --cuda is for the wheel; the LibTorch that CMAKE_PREFIX_PATH names brings its own CUDA libraries" >&2
fi
if [ "$build" = yes ]; then
  # Once more when the CUDA libraries have come since, or another LibTorch is named: CMake keeps the place of the one it found.
  named="build/$preset/prefix_path.txt"
  if [ ! -e "build/$preset/build.ninja" ] || [ .deps/cuda.done -nt "build/$preset/build.ninja" ] ||
    [ "$(cat "$named" 2>/dev/null)" != "${CMAKE_PREFIX_PATH:-}" ]; then
    # Clang takes half of GCC's time for LibTorch's headers; CXX=g++ takes GCC all the same.
    if [ -z "${CC:-}${CXX:-}" ] && command -v clang++ >/dev/null; then export CC=clang CXX=clang++; fi
    cmake --preset "$preset" -U 'LibTorch_*' -U NCCL_INCLUDE_DIR -U CUDA_RUNTIME_INCLUDE_DIR >/dev/null
    printf '%s\n' "${CMAKE_PREFIX_PATH:-}" > "$named"
  fi
  cmake --build --preset "$preset"
  echo "setup: the commands are in build/$preset/bin/"
fi
