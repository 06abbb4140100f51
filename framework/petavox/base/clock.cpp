#include "petavox/base/clock.hpp"

#include <atomic>
#include <ctime>

namespace petavox {
namespace {

std::atomic<TimePoint (*)() noexcept> source{nullptr};

}  // namespace

TimePoint steady_now() noexcept {
  const auto clock = source.load(std::memory_order_relaxed);
  return clock == nullptr ? std::chrono::steady_clock::now() : clock();
}

std::uint64_t unix_time_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

void replace_clock(TimePoint (*clock)() noexcept) noexcept { source.store(clock); }

}  // namespace petavox
