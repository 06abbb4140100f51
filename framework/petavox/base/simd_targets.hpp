#pragma once
// What *_simd.cpp are compiled for; comes before any header of Highway. The plain copy stays plain whatever
// -march says, and instruction sets between those that matter are left out: each is one more compilation.
// (docs/decisions/0002-vector-instructions.md)

#if defined(__x86_64__)
#define HWY_BASELINE_TARGETS HWY_SCALAR
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#elif defined(__aarch64__)
// Vectors of SVE have no size that a compiler knows: arrays of them cannot be. NEON is there on every arm64.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
