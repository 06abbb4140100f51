#pragma once
// Log lines for people, on standard error. Levels: debug < info < warning < error < off.
// Thread safety: all functions may be called from any thread. The log never influences a result.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace petavox::log {

enum class Level { debug, info, warning, error, off };

void set_level(Level level);
Level level();
/// Prefix of every line, for example "rank 3"; empty for none.
void set_origin(std::string origin);

/// Put before every line: what clears a live view off the terminal. Empty for nothing.
void set_line_start(std::string escape);

struct Line {
  Level level = Level::info;
  std::uint64_t unix_ns = 0;
  std::string text;
};
/// From now on every line that passes the level goes there too, and first the last few that were written so
/// far; nullptr: nowhere. False, and nothing changed, if another listener is set. It is called by one thread
/// at a time and must not log.
bool set_listener(std::function<void(const Line&)> listener);
/// "debug", "info", "warning", "error", "off".
const char* name_of(Level level) noexcept;

void write(Level level, std::string_view text);
inline void debug(std::string_view text) { write(Level::debug, text); }
inline void info(std::string_view text) { write(Level::info, text); }
inline void warning(std::string_view text) { write(Level::warning, text); }
inline void error(std::string_view text) { write(Level::error, text); }

}  // namespace petavox::log
