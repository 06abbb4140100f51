#pragma once
// Quantities as people read them.

#include <cstdint>
#include <string>

namespace petavox {

/// "1.5 GB", in powers of 1000.
std::string bytes_text(double bytes);
/// "1 h 02 min", "3 min 20 s", "4.2 s".
std::string duration_text(double seconds);
/// Short, with three digits: "350 ms", "3.2 s", "4 min", "2.5 h".
std::string seconds_text(double seconds);
/// "2026-03-01T12:00:00.123Z".
std::string utc_text(std::uint64_t unix_ns);

}  // namespace petavox
