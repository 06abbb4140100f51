#include "petavox/base/log.hpp"

#include "petavox/base/clock.hpp"

#include <chrono>
#include <deque>
#include <mutex>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace petavox::log {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("petavox", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%H:%M:%S %l: %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

constexpr std::size_t max_recent = 100;

/// What the functions below share, apart from the logger itself.
struct Shared {
  std::mutex mutex;
  std::string origin, line_start;
  std::function<void(const Line&)> listener;
  std::deque<Line> recent;  // while nobody listens
};
Shared& shared() {
  static Shared instance;
  return instance;
}

void set_pattern() {
  const std::string& origin = shared().origin;
  logger().set_pattern(shared().line_start + "%H:%M:%S " + (origin.empty() ? "" : origin + " ") + "%l: %v");
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

Level level() {
  for (const Level l : {Level::debug, Level::info, Level::warning, Level::error})
    if (logger().level() == to_spdlog(l)) return l;
  return Level::off;
}

void set_origin(std::string origin) {
  const std::lock_guard lock{shared().mutex};
  shared().origin = std::move(origin);
  set_pattern();
}

void set_line_start(std::string escape) {
  const std::lock_guard lock{shared().mutex};
  shared().line_start = std::move(escape);
  set_pattern();
}

bool set_listener(std::function<void(const Line&)> listener) {
  Shared& all = shared();
  const std::lock_guard lock{all.mutex};
  if (listener && all.listener) return false;
  all.listener = std::move(listener);
  if (all.listener) {
    for (const Line& line : all.recent) all.listener(line);
    all.recent.clear();
  }
  return true;
}

const char* name_of(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
    case Level::off:
      break;
  }
  return "off";
}

void write(Level level, std::string_view text) {
  if (!logger().should_log(to_spdlog(level))) return;
  logger().log(to_spdlog(level), "{}", text);
  Shared& all = shared();
  const std::lock_guard lock{all.mutex};
  Line line{level, unix_time_ns(), std::string{text}};
  if (all.listener) {
    all.listener(line);
  } else {
    if (all.recent.size() == max_recent) all.recent.pop_front();
    all.recent.push_back(std::move(line));
  }
}

}  // namespace petavox::log
