#pragma once
// Peak resident memory of this process between two moments, for several overlapping intervals at once: the
// kernel keeps one peak, which is passed on to all open intervals whenever it is read and set back.
// Thread-safe.

#include <cstdint>

namespace petavox::peak_watch {

/// Begins an interval. At most 1024 at once; beyond, -1, whose peak is unknown (0).
int begin() noexcept;
/// Ends it: its peak in bytes. Where the kernel cannot set its peak back, that since the start of the
/// process.
std::uint64_t end(int interval) noexcept;
/// Resident memory now.
std::uint64_t resident_bytes() noexcept;

}  // namespace petavox::peak_watch
