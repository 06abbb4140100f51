#pragma once
// What the memory of this machine gives to one thread, measured in the process whose kernels are compared
// with it.

#include "bench_clock.hpp"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

namespace petavox::bench {

struct MachineLimit {
  double copied_bytes_per_s = 0;  ///< memcpy of 256 MiB: each byte is read once and written once
  double read_bytes_per_s = 0;    ///< the sum of 256 MiB

  /// The least time of a kernel that must read and write so many bytes.
  double seconds(double read_bytes, double written_bytes) const {
    const double copied = std::min(read_bytes, written_bytes);
    return (copied + std::max(0.0, written_bytes - read_bytes)) / copied_bytes_per_s +
           (read_bytes - copied) / read_bytes_per_s;
  }
};

inline MachineLimit measured_limit() {
  std::vector<std::uint64_t> from(std::size_t{32} << 20, 1), to(from.size(), 2);
  const double bytes = static_cast<double>(from.size() * 8);
  MachineLimit limit;
  limit.copied_bytes_per_s =
      bytes / least_cpu_seconds(5, [&] { std::memcpy(to.data(), from.data(), from.size() * 8); });
  volatile std::uint64_t sum = 0;
  limit.read_bytes_per_s = bytes / least_cpu_seconds(5, [&] {
                             sum = std::accumulate(from.begin(), from.end(), std::uint64_t{0});
                           });
  return limit;
}

}  // namespace petavox::bench
