#pragma once

namespace emotion {

inline bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0;
  return has;
}
inline bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return has;
}

/// Of a function compiled for AVX-512, for AVX2 with FMA and for every x86-64 the first that this processor can run. Chosen by
/// feature: GCC's target_clones("arch=haswell") asks for Intel's processor of that name, and AMD's run the slow form.
template <class Function>
Function* best_for_processor(Function* avx512, Function* avx2, Function* any) {
  return has_avx512() ? avx512 : has_avx2() ? avx2 : any;
}

}  // namespace emotion
