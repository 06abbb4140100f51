#include "petavox/run/peak_watch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <unistd.h>

namespace petavox::peak_watch {
namespace {

struct Interval {
  bool open = false;
  std::uint64_t peak = 0;
};
std::mutex mutex;
std::array<Interval, 1024> intervals;

/// The number of kB behind `key` in /proc/self/status, in bytes; 0 if it is not there.
std::uint64_t status_bytes(const char* key) noexcept {
  const int fd = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::array<char, 4096> text;
  const ssize_t size = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  if (size <= 0) return 0;
  text[static_cast<std::size_t>(size)] = '\0';
  const char* at = std::strstr(text.data(), key);
  unsigned long long kilobytes = 0;
  if (at == nullptr || std::sscanf(at + std::strlen(key), ": %llu kB", &kilobytes) != 1) return 0;
  return kilobytes * 1024;
}

/// Sets the kernel's peak back to what is resident now.
void reset() noexcept {
  const int fd = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = ::write(fd, "5", 1);
  ::close(fd);
}

/// Expects the mutex.
void share_peak() noexcept {
  const std::uint64_t peak = status_bytes("VmHWM");
  reset();
  for (Interval& interval : intervals)
    if (interval.open) interval.peak = std::max(interval.peak, peak);
}

}  // namespace

int begin() noexcept {
  const std::lock_guard lock{mutex};
  share_peak();
  for (std::size_t i = 0; i < intervals.size(); ++i)
    if (!intervals[i].open) {
      intervals[i] = {true, 0};
      return static_cast<int>(i);
    }
  return -1;
}

std::uint64_t end(int interval) noexcept {
  if (interval < 0) return 0;
  const std::lock_guard lock{mutex};
  share_peak();
  Interval& ended = intervals[static_cast<std::size_t>(interval)];
  ended.open = false;
  return ended.peak;
}

std::uint64_t resident_bytes() noexcept { return status_bytes("VmRSS"); }

}  // namespace petavox::peak_watch
