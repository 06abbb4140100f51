#pragma once
// How far a run has come, for people: bars on a terminal that are drawn anew, or plain lines in a log.

#include "petavox/run/progress.hpp"

#include <functional>
#include <string>
#include <vector>

namespace petavox::app {

/// The lines of the view: what all comes to, a bar for each stage, the slowest worker. None is longer than
/// `columns`, and there are at most `rows`.
std::vector<std::string> progress_view(const Progress& progress, std::size_t columns, std::size_t rows);

/// What `petavox run` gives to the master: bars if standard error is a terminal, else a line every tenth of
/// the way and every five minutes.
std::function<void(const Progress&)> progress_printer();

/// Draws lines on a terminal and leaves the cursor above them, so that what else is printed takes their
/// place.
void draw(const std::vector<std::string>& lines, bool last);

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};
TerminalSize terminal_size();

}  // namespace petavox::app
