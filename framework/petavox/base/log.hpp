#pragma once
// Log lines for people, on standard error. Levels: debug < info < warning < error < off.
// Thread safety: all functions may be called from any thread. The log never influences a result.

#include <string>
#include <string_view>

namespace petavox::log {

enum class Level { debug, info, warning, error, off };

void set_level(Level level);
Level level();
/// Prefix of every line, for example "rank 3"; empty for none.
void set_origin(std::string origin);

void write(Level level, std::string_view text);
inline void debug(std::string_view text) { write(Level::debug, text); }
inline void info(std::string_view text) { write(Level::info, text); }
inline void warning(std::string_view text) { write(Level::warning, text); }
inline void error(std::string_view text) { write(Level::error, text); }

}  // namespace petavox::log
