#pragma once
// The times of the run layer. steady_now() is that by which it decides: when a lease ends, when to commit,
// who is silent; a simulation puts its own in its place. What is measured for people is not taken from there.

#include <chrono>
#include <cstdint>

namespace petavox {

using TimePoint = std::chrono::steady_clock::time_point;

/// Never goes backwards. Thread-safe.
TimePoint steady_now() noexcept;
/// Nanoseconds since 1970 by the machine's clock, for records and logs. May be called in a signal handler.
std::uint64_t unix_time_ns() noexcept;
/// For simulations, while no other thread asks for the time. nullptr: the machine's clock.
void replace_clock(TimePoint (*clock)() noexcept) noexcept;

}  // namespace petavox
