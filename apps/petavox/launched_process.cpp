#include "apps/petavox/launched_process.hpp"

#include "petavox/base/error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace petavox::app {
namespace {

constexpr std::string_view shared_memory = "/dev/shm/";

sigset_t watched_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD}) sigaddset(&set, number);
  return set;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc", ignored}) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

struct ProcessStat {
  pid_t parent = 0;  ///< 0 if there is no such process
  bool ended = true;
};

ProcessStat stat_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos || text.size() < bracket + 5) return {};
  ProcessStat stat;
  const char state = text[bracket + 2];
  stat.ended = state == 'Z' || state == 'X';
  std::from_chars(text.data() + bracket + 4, text.data() + text.size(), stat.parent);
  return stat;
}

/// Files in /dev/shm that the process has mapped. Those in directories there, such as a run's own, are no
/// segments.
std::set<std::string> segments_of(pid_t pid) {
  std::set<std::string> found;
  std::ifstream file{"/proc/" + std::to_string(pid) + "/maps"};
  for (std::string line; std::getline(file, line);)
    if (const auto at = line.find(shared_memory); at != std::string::npos && !line.ends_with("(deleted)") &&
                                                  line.rfind('/') == at + shared_memory.size() - 1)
      found.insert(line.substr(at));
  return found;
}

bool is_ours(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::getuid();
}

int code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/// In the child. Only calls that are allowed between fork and exec.
[[noreturn]] void become(char* const* arguments, pid_t parent, int report) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (const int null = ::open("/dev/null", O_RDONLY); null > 0) {
    ::dup2(null, STDIN_FILENO);
    ::close(null);
  }
  ::execvp(arguments[0], arguments);
  const int reason = errno;
  [[maybe_unused]] const ssize_t written = ::write(report, &reason, sizeof reason);
  ::_exit(127);
}

}  // namespace

WatchedSignals::WatchedSignals() {
  const sigset_t set = watched_set();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

WatchedSignals::~WatchedSignals() {
  const sigset_t set = watched_set();
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

std::optional<int> WatchedSignals::wait(std::chrono::milliseconds timeout) const {
  const sigset_t set = watched_set();
  const timespec time{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
  const int number = ::sigtimedwait(&set, nullptr, &time);
  if (number <= 0 || number == SIGCHLD) return std::nullopt;
  return number;
}

std::vector<pid_t> family_of(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : all_processes()) children.emplace(stat_of(pid).parent, pid);
  std::vector<pid_t> family{root};
  for (std::size_t i = 0; i < family.size(); ++i) {
    const auto [begin, end] = children.equal_range(family[i]);
    for (auto child = begin; child != end; ++child) family.push_back(child->second);
  }
  return family;
}

bool has_living_below(pid_t root) {
  return std::ranges::any_of(family_of(root), [&](pid_t pid) { return pid != root && !stat_of(pid).ended; });
}

SharedSegments::SharedSegments() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{shared_memory, ignored})
    before_.insert(entry.path().string());
}

void SharedSegments::note(pid_t root) {
  for (const pid_t pid : family_of(root))
    for (const std::string& path : segments_of(pid))
      if (!before_.contains(path) && is_ours(path)) noted_.insert(path);
}

std::vector<std::string> SharedSegments::remove_leaked() {
  std::vector<std::string> removed;
  std::erase_if(noted_, [](const std::string& path) { return !is_ours(path); });
  if (noted_.empty()) return removed;
  std::set<std::string> in_use;
  for (const pid_t pid : all_processes()) in_use.merge(segments_of(pid));
  for (const std::string& path : noted_)
    if (!in_use.contains(path) && ::unlink(path.c_str()) == 0) removed.push_back(path);
  noted_.clear();
  return removed;
}

LaunchedProcess::LaunchedProcess(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0)
    throw Error{ErrorCode::resource, std::string{"cannot make a pipe: "} + std::strerror(errno)};
  const pid_t self = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments.data(), self, report[1]);
  const int fork_error = errno;
  ::close(report[1]);
  int reason = 0;
  const ssize_t got = pid_ > 0 ? ::read(report[0], &reason, sizeof reason) : 0;
  ::close(report[0]);
  if (pid_ < 0)
    throw Error{ErrorCode::resource, std::string{"cannot start a process: "} + std::strerror(fork_error)};
  ::setpgid(pid_, pid_);
  if (got == static_cast<ssize_t>(sizeof reason)) {
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    throw Error{ErrorCode::config, "cannot execute '" + command.front() + "': " + std::strerror(reason) +
                                       "; give a command that is installed here, or its whole path"};
  }
}

LaunchedProcess::~LaunchedProcess() {
  if (pid_ <= 0 || code_) return;
  signal_all(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> LaunchedProcess::poll() {
  if (code_) return code_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) code_ = code_of(status);
  return code_;
}

void LaunchedProcess::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

void LaunchedProcess::signal_all(int number) const {
  std::vector<pid_t> family = family_of(code_ ? ::getpid() : pid_);
  for (const pid_t pid : family)
    if (pid != ::getpid()) ::kill(pid, number);
}

// As their subreaper this process inherits all that the command leaves, whatever groups they are in.
void LaunchedProcess::reap(std::chrono::milliseconds grace) {
  const auto begin = std::chrono::steady_clock::now();
  bool killed = false;
  for (;;) {
    const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
    if (ended > 0) continue;
    if (ended < 0 && errno == ECHILD) return;
    if (!killed && std::chrono::steady_clock::now() - begin > grace) {
      signal_all(SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

}  // namespace petavox::app
