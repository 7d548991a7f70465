#!/usr/bin/env bash
# blas.sh LIBRARY: LibTorch comes before BLAS among what the library needs. Otherwise the process takes Debian's reference sgemm_ instead of
# the MKL in LibTorch's wheel, and every matrix product is many times slower.
set -euo pipefail
needed="$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
first="$(grep -m 1 -E '^lib(torch_cpu|blas|openblas|lapack|mkl)' <<<"$needed" || true)"
case "$first" in
  libtorch_cpu*) ;;
  *) echo "$1: needs ${first:-no LibTorch} before libtorch_cpu; see emotion_dependencies in third_party/cmake/Dependencies.cmake"; exit 1 ;;
esac
