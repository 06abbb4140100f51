#include "failing_calls.hpp"

#include <cerrno>
#include <cstddef>

#include <sys/syscall.h>
#include <unistd.h>

namespace petavox::storage_test {
namespace {

bool active = false;
FailurePlan plan;
std::vector<std::string> calls;

/// True if this call fails; errno is set.
bool fails(const char* name) {
  if (!active) return false;
  const auto number = static_cast<int>(calls.size());
  calls.emplace_back(name);
  if (plan.fail_at < 0 || number < plan.fail_at || (number > plan.fail_at && !plan.for_ever)) return false;
  errno = plan.error_number;
  return true;
}

std::size_t shortened(std::size_t n) { return active && plan.short_transfer && n > 1 ? (n + 1) / 2 : n; }

}  // namespace

void begin_failures(const FailurePlan& wanted) {
  plan = wanted;
  calls.clear();
  active = true;
}

std::vector<std::string> end_failures() {
  active = false;
  return calls;
}

}  // namespace petavox::storage_test

using petavox::storage_test::fails;
using petavox::storage_test::shortened;

// The linker prefers these to libc's for all code of the program.
extern "C" {

ssize_t write(int fd, const void* data, size_t n) {
  if (fails("write")) return -1;
  return ::syscall(SYS_write, fd, data, shortened(n));
}
ssize_t pwrite(int fd, const void* data, size_t n, off_t offset) {
  if (fails("pwrite")) return -1;
  return ::syscall(SYS_pwrite64, fd, data, shortened(n), offset);
}
ssize_t pread(int fd, void* data, size_t n, off_t offset) {
  if (fails("pread")) return -1;
  return ::syscall(SYS_pread64, fd, data, shortened(n), offset);
}
// Nothing is synced: no power fails here, and thousands of launches would wait for the disk.
int fsync(int) { return fails("fsync") ? -1 : 0; }
int fdatasync(int) { return fails("fdatasync") ? -1 : 0; }
int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) noexcept {
  if (fails("linkat")) return -1;
  return static_cast<int>(::syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}
int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  if (fails("renameat")) return -1;
  return static_cast<int>(::syscall(SYS_renameat2, from_fd, from, to_fd, to, 0));
}
int mkdirat(int fd, const char* path, mode_t mode) noexcept {
  if (fails("mkdirat")) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, fd, path, mode));
}
}
