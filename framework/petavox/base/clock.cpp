#include "petavox/base/clock.hpp"

#include <atomic>

namespace petavox {
namespace {

std::atomic<TimePoint (*)() noexcept> source{nullptr};

}  // namespace

TimePoint steady_now() noexcept {
  const auto clock = source.load(std::memory_order_relaxed);
  return clock == nullptr ? std::chrono::steady_clock::now() : clock();
}

void replace_clock(TimePoint (*clock)() noexcept) noexcept { source.store(clock); }

}  // namespace petavox
