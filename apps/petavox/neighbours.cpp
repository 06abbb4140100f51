#include "apps/petavox/neighbours.hpp"

#include "petavox/base/error.hpp"
#include "petavox/io/file.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace petavox::app {
namespace {

constexpr std::chrono::seconds longest_start{60};

/// In the new process. Only what is allowed after fork.
[[noreturn]] void become(char* const* arguments, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {0, 1, 2}) ::dup2(nothing, stream);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

pid_t started(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw system_error("start", command.front(), errno);
  if (pid == 0) become(arguments.data(), parent);
  return pid;
}

}  // namespace

std::vector<std::string> own_command() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  std::vector<std::string> command;
  for (std::string argument; std::getline(file, argument, '\0');) command.push_back(argument);
  return command;
}

Neighbours::Neighbours(const std::vector<std::string>& command, int count,
                       const std::filesystem::path& parent) {
  try {
    std::vector<std::filesystem::path> places;
    for (int i = 0; i < count; ++i) {
      places.push_back(parent / ("neighbour" + std::to_string(i)));
      std::vector<std::string> whole = command;
      whole.push_back(places.back().string());
      processes_.push_back(started(std::move(whole)));
    }
    const auto deadline = std::chrono::steady_clock::now() + longest_start;
    for (const auto& place : places)
      while (!std::filesystem::exists(place) && std::chrono::steady_clock::now() < deadline) {
        check();
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
      }
  } catch (...) {
    end();
    throw;
  }
}

Neighbours::~Neighbours() { end(); }

void Neighbours::check() const {
  for (const pid_t pid : processes_) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0)
      throw Error{ErrorCode::stage,
                  "a neighbour of the measurement has ended (the machine was not as busy as it should be); "
                  "look whether there is memory and disk for all of them, or choose a smaller --at-once"};
  }
}

void Neighbours::end() {
  for (const pid_t pid : processes_) ::kill(pid, SIGKILL);
  for (const pid_t pid : processes_) ::waitpid(pid, nullptr, 0);
  processes_.clear();
}

}  // namespace petavox::app
