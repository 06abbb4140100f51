#pragma once
// The log of a process of a run, for programs: "logs/<generation>.<rank>.jsonl", one JSON object a line, in
// the order of time. Merged by read_logs(). docs/formats.md has the keys. A log that cannot be written is
// given up with a warning; the run goes on.

#include "petavox/base/log.hpp"
#include "petavox/io/output_root.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace petavox {

/// While it lives, what petavox/base/log.hpp prints goes to the file too. Of several in a process (loopback
/// ranks) the first one writes.
class RankLog {
 public:
  RankLog(const OutputRoot& root, std::uint32_t generation, int rank);
  ~RankLog();
  RankLog(const RankLog&) = delete;
  RankLog& operator=(const RankLog&) = delete;

 private:
  struct Writer;
  std::shared_ptr<Writer> writer_;  // nothing: another one writes
};

struct LogLine {
  std::uint64_t unix_ns = 0;
  std::uint32_t generation = 0;
  int rank = 0;
  std::string host, level, text;
};
/// Of all ranks and launches, by time. Lines that are cut or damaged are left out.
std::vector<LogLine> read_logs(const OutputRoot& root);
/// As a line of the files.
std::string log_line_json(const LogLine& line);

}  // namespace petavox
