#include "stages/coarse_align/sought.hpp"

namespace petavox::coarse_align {

Sought::Sought(const Section& section) : section_{section} {
  check(section);
  content_ = content_of(section);
}

const Prepared& Sought::planes(Index factor) {
  const auto [at, is_new] = planes_.try_emplace(factor);
  if (is_new) at->second = prepared(section_, content_, factor);
  return at->second;
}

const Features& Sought::features(Index factor, int count, bool doubled) {
  const auto [at, is_new] = features_.try_emplace({factor, {count, doubled}});
  if (is_new) {
    const Prepared& p = planes(factor);
    at->second = features_of(p.image, p.inside, count, doubled);
  }
  return at->second;
}

}  // namespace petavox::coarse_align
