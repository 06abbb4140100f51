#pragma once
// What *_simd.cpp are compiled for; comes before any header of Highway. The plain copy stays plain whatever
// -march says, and instruction sets between those that matter are left out: each is one more compilation.
// (docs/decisions/0002-vector-instructions.md)

#if defined(__x86_64__)
#define HWY_BASELINE_TARGETS HWY_SCALAR
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif
