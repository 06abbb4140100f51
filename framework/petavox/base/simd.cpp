#include "petavox/base/simd.hpp"

#include "petavox/base/error.hpp"
#include "petavox/base/simd_targets.hpp"

#include <cstdlib>

#include <hwy/highway.h>

namespace petavox::simd {
namespace {

std::string name_of_target(std::int64_t target) {
  switch (target) {
    case HWY_SCALAR:
      return "baseline";
#if HWY_ARCH_X86
    case HWY_AVX3:
      return "avx512";
    case HWY_AVX2:
      return "avx2";
    case HWY_SSE4:
      return "sse4";
#elif HWY_ARCH_ARM
    case HWY_NEON:
      return "neon";
#endif
    default:
      return hwy::TargetName(target);
  }
}

/// The targets that are compiled in and that the machine has, best (the lowest bit) first.
std::vector<std::int64_t> targets() {
  static const std::int64_t supported = hwy::SupportedTargets();
  std::vector<std::int64_t> found;
  for (std::int64_t rest = supported & HWY_TARGETS; rest != 0; rest &= rest - 1)
    found.push_back(rest & -rest);
  if (found.empty() || found.back() != HWY_STATIC_TARGET) found.push_back(HWY_STATIC_TARGET);
  return found;
}

}  // namespace

std::vector<std::string> paths() {
  std::vector<std::string> names;
  for (const std::int64_t target : targets()) names.push_back(name_of_target(target));
  return names;
}

std::string path() {
  if (!hwy::GetChosenTarget().IsInitialized()) use_path("best");
  // Bit i + 1 of the mask is target i, best first; the lowest one that is set runs.
  for (const std::int64_t target : targets())
    if ((hwy::SupportedTargets() & target) != 0) return name_of_target(target);
  return name_of_target(HWY_STATIC_TARGET);
}

void use_path(std::string_view name) {
  std::string known;
  bool best = name == "best";
  for (const std::int64_t target : targets()) {
    const std::string candidate = name_of_target(target);
    known += (known.empty() ? "" : ", ") + candidate;
    if (!best && candidate != name) continue;
    // Never zero: that would mean "what the machine has".
    hwy::SetSupportedTargetsForTest(target | HWY_STATIC_TARGET);
    hwy::GetChosenTarget().Update(target | HWY_STATIC_TARGET);
    return;
  }
  throw Error{ErrorCode::config, "there is no vector path '" + std::string{name} +
                                     "' on this machine (its processor or this build lacks it); use one of " +
                                     known + " or best"};
}

void use_path_of_environment() {
  if (const char* name = std::getenv("PETAVOX_SIMD")) use_path(name);
}

}  // namespace petavox::simd
