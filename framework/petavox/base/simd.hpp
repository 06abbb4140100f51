#pragma once
// Vector instructions, chosen at run time. Kernels in files *_simd.cpp are compiled once for each set of
// instructions (docs/decisions/0002-vector-instructions.md); which copy runs is decided here, for the whole
// process: the best that the processor has, or what the environment variable PETAVOX_SIMD names.
// Promise: every path gives the same bits. Thread safety: path() and paths() may be called at any time,
// use_path() only while no kernel runs.

#include <string>
#include <string_view>
#include <vector>

namespace petavox::simd {

/// The paths that this program has and this machine can run, best first: of "avx512", "avx2", "sse4", "neon",
/// "sve", and last "baseline", what every machine of its kind can run.
std::vector<std::string> paths();

/// The one in use.
std::string path();

/// Uses a path from now on; "best" means the first of paths(). Throws Error{config} for one that is not
/// there.
void use_path(std::string_view name);

/// As PETAVOX_SIMD says, if it is set. Throws Error{config} as use_path() does.
void use_path_of_environment();

}  // namespace petavox::simd
