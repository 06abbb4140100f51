#pragma once
// The time by which the run layer decides: when a lease ends, when to commit, who is silent. A simulation puts
// its own in its place; what is measured for people is not taken from here.

#include <chrono>

namespace petavox {

using TimePoint = std::chrono::steady_clock::time_point;

/// Never goes backwards. Thread-safe.
TimePoint steady_now() noexcept;
/// For simulations, while no other thread asks for the time. nullptr: the machine's clock.
void replace_clock(TimePoint (*clock)() noexcept) noexcept;

}  // namespace petavox
