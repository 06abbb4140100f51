#pragma once
// How often results are committed. Twenty times a second, beside the work of others. An executor whose work
// stands still meanwhile commits so seldom that commits take a thirtieth of the time at most, but once a
// second.

#include "petavox/base/clock.hpp"

#include <algorithm>

namespace petavox {

constexpr TimePoint::duration shortest_commit_interval = std::chrono::milliseconds{50};

/// After a commit that took so long.
inline TimePoint::duration sparing_interval(TimePoint::duration commit) {
  constexpr TimePoint::duration longest = std::chrono::seconds{1};
  return std::clamp(30 * commit, shortest_commit_interval, longest);
}

}  // namespace petavox
