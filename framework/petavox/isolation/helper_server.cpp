#include "petavox/isolation/helper_server.hpp"

#include "petavox/isolation/confine.hpp"
#include "petavox/isolation/helper.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace petavox::isolation {
namespace {

struct Request {
  std::uint64_t number = 0, memory_bytes = 0;
  std::uint32_t kill = 0, confined = 0;
};
/// Of a spawn: the helper's socket, the pipe for what it prints, and that for its number and its end.
constexpr std::size_t num_passed = 3;

struct Child {
  std::uint64_t number = 0;
  int report = -1;
};

[[noreturn]] void cannot(const char* what) {
  throw Error{ErrorCode::resource, std::string{"no process can be started for plugins: "} + what + ": " +
                                       std::strerror(errno) +
                                       " (run.isolation is process); raise the limits of the "
                                       "process, or use fewer ranks on a node"};
}

/// Signals meant for the program, by a terminal, a launcher or Slurm, are its own business.
void ignore_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP, SIGPIPE, SIGXFSZ})
    std::signal(number, SIG_IGN);
}

/// The working directory is one that does not exist: relative paths lead nowhere.
void enter_void() {
  const char* const temporary = std::getenv("TMPDIR");
  std::string pattern = std::string{temporary != nullptr ? temporary : "/tmp"} + "/petavox-helper-XXXXXX";
  if (::mkdtemp(pattern.data()) != nullptr && ::chdir(pattern.c_str()) == 0)
    ::rmdir(pattern.c_str());
  else if (::chdir("/") != 0)
    std::_Exit(1);
}

[[noreturn]] void become_helper(const Request& request, const std::array<int, num_passed>& passed, int server,
                                const PluginLoader& loader) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != server) std::_Exit(1);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_NAME, "petavox-helper");
  ::dup2(passed[1], 1);
  ::dup2(passed[1], 2);
  close_all_but(&passed[0], 1);
  if (request.confined != 0) {
    limit_resources(static_cast<std::size_t>(request.memory_bytes));
    constexpr std::string_view unfiltered =
        "petavox: this kernel has no system-call filters: an isolated plugin may change files and start "
        "processes\n";
    if (!forbid_side_effects()) static_cast<void>(!::write(2, unfiltered.data(), unfiltered.size()));
  }
  int code = 0;
  try {
    serve_as_helper(Descriptor{passed[0]}, loader);
  } catch (...) {
    code = 1;
  }
  std::_Exit(code);
}

class Server {
 public:
  Server(int control, const PluginLoader& loader) : control_{control}, loader_{loader} {}

  [[noreturn]] void serve() {
    const int self = ::getpid();
    sigset_t child_signals;
    ::sigemptyset(&child_signals);
    ::sigaddset(&child_signals, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child_signals, nullptr);
    const int deaths = ::signalfd(-1, &child_signals, SFD_CLOEXEC | SFD_NONBLOCK);
    while (true) {
      pollfd waits[2] = {{control_, POLLIN, 0}, {deaths, POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0 && errno != EINTR) leave();
      if (waits[1].revents != 0) {
        signalfd_siginfo info{};
        while (::read(deaths, &info, sizeof info) > 0) {
        }
        reap();
      }
      if (waits[0].revents != 0) answer(self);
    }
  }

 private:
  [[noreturn]] void leave() {
    for (const auto& [pid, child] : children_) ::kill(pid, SIGKILL);
    std::_Exit(0);
  }

  void reap() {
    int status = 0;
    rusage usage{};
    pid_t pid = 0;
    while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
      const auto found = children_.find(pid);
      if (found == children_.end()) continue;
      const Ending ending{status, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024};
      static_cast<void>(!::write(found->second.report, &ending, sizeof ending));
      ::close(found->second.report);
      children_.erase(found);
    }
  }

  void answer(int self) {
    Request request;
    std::array<int, num_passed> passed{};
    std::size_t came = 0;
    const auto got = receive_with(control_, std::as_writable_bytes(std::span{&request, 1}), passed, came);
    if (got < 0 && errno == EINTR) return;
    if (got != sizeof request) leave();  // the program has ended
    if (request.kill != 0) {
      for (const auto& [pid, child] : children_)
        if (child.number == request.number) ::kill(pid, SIGKILL);
      return;
    }
    if (came != num_passed) leave();
    const pid_t pid = ::fork();
    if (pid == 0) become_helper(request, passed, self, loader_);
    const int number = pid > 0 ? pid : -errno;
    static_cast<void>(!::write(passed[2], &number, sizeof number));
    ::close(passed[0]);
    ::close(passed[1]);
    if (pid > 0)
      children_[pid] = {request.number, passed[2]};
    else
      ::close(passed[2]);
  }

  int control_;
  const PluginLoader& loader_;
  std::map<pid_t, Child> children_;
};

}  // namespace

std::string to_string(const Ending& ending) {
  const int status = ending.wait_status;
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const char* const name = ::sigabbrev_np(number);
    return std::string{"was ended by SIG"} + (name != nullptr ? name : std::to_string(number)) + " (" +
           ::strsignal(number) + ")";
  }
  return "ended by itself with exit code " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

std::shared_ptr<HelperServer> HelperServer::start(PluginLoader loader) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) cannot("socketpair");
  const pid_t pid = ::fork();
  if (pid < 0) cannot("fork");
  if (pid == 0) {
    // A session of its own: what a terminal sends to the program's group does not come here.
    ::setsid();
    ignore_signals();
    ::prctl(PR_SET_NAME, "petavox-server");
    // A launcher waits until nobody has the streams that it gave to the program.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int stream : {0, 1, 2}) ::dup2(null, stream);
    close_all_but(&ends[1], 1);
    enter_void();
    Server{ends[1], loader}.serve();
  }
  ::close(ends[1]);
  return std::shared_ptr<HelperServer>{new HelperServer{Descriptor{ends[0]}, pid}};
}

HelperServer::~HelperServer() {
  control_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

HelperProcess HelperServer::spawn(const HelperLimits& limits) {
  int socket[2], output[2], report[2];
  HelperProcess helper;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket) != 0) cannot("socketpair");
  helper.socket = Descriptor{socket[0]};
  const Descriptor its_socket{socket[1]};
  if (::pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0) cannot("pipe");
  helper.output = Descriptor{output[0]};
  const Descriptor its_output{output[1]};
  if (::pipe2(report, O_CLOEXEC) != 0) cannot("pipe");
  helper.ending = Descriptor{report[0]};
  Descriptor its_report{report[1]};

  const std::lock_guard lock{mutex_};
  helper.number = next_++;
  const Request request{helper.number, limits.memory_bytes, 0, limits.confined ? 1U : 0U};
  const std::array<int, num_passed> passed{its_socket.get(), its_output.get(), its_report.get()};
  if (send_with(control_.get(), std::as_bytes(std::span{&request, 1}), passed) != sizeof request)
    cannot("the starting process is gone");
  its_report.reset();  // so that the end of the server is seen as the end of the pipe
  int pid = 0;
  if (::read(helper.ending.get(), &pid, sizeof pid) != sizeof pid) cannot("the starting process is gone");
  if (pid < 0) {
    errno = -pid;
    cannot("fork");
  }
  helper.pid = pid;
  return helper;
}

void HelperServer::kill(std::uint64_t number) {
  const Request request{number, 0, 1, 0};
  const std::lock_guard lock{mutex_};
  static_cast<void>(::send(control_.get(), &request, sizeof request, MSG_NOSIGNAL));
}

}  // namespace petavox::isolation
