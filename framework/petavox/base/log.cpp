#include "petavox/base/log.hpp"

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
  logger().set_pattern(origin.empty() ? "%H:%M:%S %l: %v" : "%H:%M:%S " + origin + " %l: %v");
}

void write(Level level, std::string_view text) { logger().log(to_spdlog(level), "{}", text); }

}  // namespace petavox::log
