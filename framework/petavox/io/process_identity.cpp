#include "petavox/io/process_identity.hpp"

#include "petavox/base/hash.hpp"

#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

#include <unistd.h>

namespace petavox {
namespace {

struct ProcessStatus {
  char state = '?';
  std::uint64_t start_ticks = 0;
};

/// Nothing if there is no such process.
std::optional<ProcessStatus> status_of(std::uint32_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  // The second field is the program's name in brackets, which may hold anything: count from the last one.
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields{text.substr(bracket + 1)};
  ProcessStatus status;
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 3) status.state = field[0];
    if (number == 22) {
      std::from_chars(field.data(), field.data() + field.size(), status.start_ticks);
      return status;
    }
  }
  return std::nullopt;
}

std::uint64_t identify_host() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string boot;
  if (!std::getline(file, boot) || boot.empty()) return 0;
  std::array<char, 64> space{};
  const ssize_t n = ::readlink("/proc/self/ns/pid", space.data(), space.size());
  if (n <= 0) return 0;
  return hash128(boot + std::string{space.data(), static_cast<std::size_t>(n)}).low;
}

}  // namespace

ProcessIdentity this_process() {
  ProcessIdentity identity;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) identity.host = name.data();
  identity.host_id = identify_host();
  identity.pid = static_cast<std::uint32_t>(::getpid());
  if (const auto status = status_of(identity.pid)) identity.start_ticks = status->start_ticks;
  return identity;
}

ProcessState state_of(const ProcessIdentity& process) {
  const ProcessIdentity self = this_process();
  if (process.host_id == 0 || process.host_id != self.host_id) return ProcessState::unknown;
  if (process.pid == self.pid && process.start_ticks == self.start_ticks) return ProcessState::this_process;
  const auto status = status_of(process.pid);
  if (!status || status->start_ticks != process.start_ticks || status->state == 'Z' || status->state == 'X')
    return ProcessState::dead;
  return ProcessState::alive;
}

}  // namespace petavox
