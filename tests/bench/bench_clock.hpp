#pragma once
// Time for benchmarks.

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

namespace petavox::bench {

/// Of this process, all threads: what a shared machine does not disturb.
inline double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The least of `repeats` runs, in CPU seconds.
template <class F>
double least_cpu_seconds(int repeats, F&& f) {
  double least = std::numeric_limits<double>::max();
  for (int i = 0; i < repeats; ++i) {
    const double begin = cpu_seconds();
    f();
    least = std::min(least, cpu_seconds() - begin);
  }
  return least;
}

}  // namespace petavox::bench
