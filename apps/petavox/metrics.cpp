#include "apps/petavox/metrics.hpp"

#include "petavox/base/error.hpp"
#include "petavox/base/log.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace petavox::app {
namespace {

constexpr int io_timeout_ms = 1000;
constexpr std::size_t max_request_bytes = 8192;

/// Names of steps are safe as file names, but a label may hold anything once it is escaped.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

struct Address {
  std::string host = "127.0.0.1";
  int port = 0;
};

Address parse(const std::string& where) {
  Address address;
  const auto colon = where.rfind(':');
  if (colon != std::string::npos) address.host = where.substr(0, colon);
  const char* begin = where.data() + (colon == std::string::npos ? 0 : colon + 1);
  const char* end = where.data() + where.size();
  const auto [last, error] = std::from_chars(begin, end, address.port);
  in_addr ignored{};
  if (error != std::errc{} || last != end || address.port < 0 || address.port > 65535 ||
      ::inet_pton(AF_INET, address.host.c_str(), &ignored) != 1)
    throw Error{ErrorCode::config,
                "--metrics: '" + where +
                    "' is no [ADDR:]PORT (ADDR an IPv4 address, PORT up to 65535); for example "
                    "--metrics 9464 or --metrics 0.0.0.0:9464"};
  return address;
}

/// Reads until the empty line that ends a request's head; empty if it does not come in time.
std::string read_head(int connection) {
  std::string head;
  std::array<char, 1024> piece{};
  while (head.size() < max_request_bytes && head.find("\r\n\r\n") == std::string::npos) {
    pollfd ready{connection, POLLIN, 0};
    if (::poll(&ready, 1, io_timeout_ms) != 1) return {};
    const ssize_t got = ::recv(connection, piece.data(), piece.size(), 0);
    if (got <= 0) return {};
    head.append(piece.data(), static_cast<std::size_t>(got));
  }
  return head;
}

void send_all(int connection, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    pollfd ready{connection, POLLOUT, 0};
    if (::poll(&ready, 1, io_timeout_ms) != 1) return;
    const ssize_t sent = ::send(connection, text.data() + at, text.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    at += static_cast<std::size_t>(sent);
  }
}

std::string answer(const std::string& head, const std::string& metrics) {
  const bool get = head.starts_with("GET /metrics ") || head.starts_with("GET / ");
  const std::string body = get ? metrics : "only GET /metrics is here\n";
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: "
      "{}\r\nConnection: "
      "close\r\n\r\n{}",
      get ? "200 OK" : "404 Not Found", body.size(), body);
}

}  // namespace

std::string metrics_text(const Progress& p) {
  std::string out;
  const auto family = [&](const char* name, const char* type, const char* help) {
    out += fmt::format("# HELP petavox_{} {}\n# TYPE petavox_{} {}\n", name, help, name, type);
  };
  const auto value = [&](const char* name, const char* type, const char* help, double v) {
    family(name, type, help);
    out += fmt::format("petavox_{} {}\n", name, v);
  };
  family("tasks", "gauge", "Tasks of a step by state.");
  for (const StepProgress& s : p.steps) {
    const Index waiting = s.total - s.resolved() - s.running;
    for (const auto& [state, count] : {std::pair{"done", s.done},
                                       {"running", s.running},
                                       {"waiting", waiting},
                                       {"quarantined", s.quarantined},
                                       {"blocked", s.blocked}})
      out += fmt::format("petavox_tasks{{step=\"{}\",state=\"{}\"}} {}\n", escaped(s.name), state, count);
  }
  family("task_seconds_total", "counter", "Time that workers spent on finished tasks in this launch.");
  for (const StepProgress& s : p.steps)
    out += fmt::format("petavox_task_seconds_total{{step=\"{}\"}} {}\n", escaped(s.name), s.seconds);
  value("bytes_total", "counter", "Bytes read and written in this launch, before compression.",
        static_cast<double>(p.bytes));
  value("failed_attempts_total", "counter", "Attempts that failed or killed their worker in this launch.",
        static_cast<double>(p.failed));
  value("resumed_tasks", "gauge", "Tasks that earlier launches had done.", static_cast<double>(p.resumed));
  value("workers", "gauge", "Workers that the master knows.", p.workers);
  value("launch", "gauge", "Number of this launch of the run.", p.generation);
  value("elapsed_seconds", "gauge", "Age of this launch.", p.elapsed_s);
  value("tasks_per_second", "gauge", "Rate of the last half minute.", p.tasks_per_s);
  value("bytes_per_second", "gauge", "Rate of the last half minute.", p.bytes_per_s);
  value("slowest_task_seconds", "gauge", "For how long the slowest worker has been at its task.",
        p.slowest_s);
  if (p.left_s >= 0) value("left_seconds", "gauge", "Estimated time until the end.", p.left_s);
  return out;
}

struct MetricsServer::State {
  int listener = -1, port = 0;
  std::array<int, 2> wake{-1, -1};  // a pipe: written to when the thread must end
  std::mutex mutex;
  std::string text = "# the run has not begun\n";
  std::thread thread;

  ~State() {
    for (const int descriptor : {listener, wake[0], wake[1]})
      if (descriptor >= 0) ::close(descriptor);
  }

  void serve() {
    for (;;) {
      std::array<pollfd, 2> ready{pollfd{listener, POLLIN, 0}, pollfd{wake[0], POLLIN, 0}};
      if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return;
      if (ready[1].revents != 0) return;
      if (ready[0].revents == 0) continue;
      const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      const std::string head = read_head(connection);
      if (!head.empty()) {
        std::string body;
        {
          const std::lock_guard lock{mutex};
          body = text;
        }
        send_all(connection, answer(head, body));
      }
      ::close(connection);
    }
  }
};

MetricsServer::MetricsServer(const std::string& where) : state_{std::make_unique<State>()} {
  const Address wanted = parse(where);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(wanted.port));
  ::inet_pton(AF_INET, wanted.host.c_str(), &address.sin_addr);
  const auto fail = [&] {
    throw Error{ErrorCode::io, fmt::format("--metrics: cannot listen on {}:{}: {}; give another port",
                                           wanted.host, wanted.port, std::strerror(errno))};
  };
  state_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (state_->listener < 0) fail();
  const int on = 1;
  ::setsockopt(state_->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(state_->listener, generic, size) != 0 || ::listen(state_->listener, 8) != 0 ||
      ::getsockname(state_->listener, generic, &size) != 0 || ::pipe2(state_->wake.data(), O_CLOEXEC) != 0)
    fail();
  state_->port = ntohs(address.sin_port);
  // Signals are for the thread of the run.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread{[state = state_.get()] { state->serve(); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  log::info(fmt::format("metrics at http://{}:{}/metrics", wanted.host, state_->port));
}

MetricsServer::~MetricsServer() {
  [[maybe_unused]] const ssize_t written = ::write(state_->wake[1], "", 1);
  state_->thread.join();
}

int MetricsServer::port() const { return state_->port; }

void MetricsServer::show(const Progress& progress) {
  std::string text = metrics_text(progress);
  const std::lock_guard lock{state_->mutex};
  state_->text = std::move(text);
}

}  // namespace petavox::app
