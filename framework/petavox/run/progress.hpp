#pragma once
// How far a run has come, as its master sees it; and the file "live/<generation>" in which the master says so
// about once a second, for `petavox status` on other nodes. The file is no record of anything: it is written
// in place without fsync, may be torn or missing, and nothing but a view depends on it.

#include "petavox/geometry/coord.hpp"
#include "petavox/io/output_root.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox {

struct StepProgress {
  std::string name;
  Index total = 0, done = 0, running = 0, quarantined = 0, blocked = 0;
  Index run = 0;       ///< done in this launch
  double seconds = 0;  ///< … of which all workers together took so long
  double weight = 1;   ///< of a task: bytes read and written, to guess at steps that have not begun

  /// Done, given up, or waiting for what was given up.
  Index resolved() const { return done + quarantined + blocked; }
};

struct Progress {
  std::uint32_t generation = 0;
  std::uint64_t unix_time_ns = 0;  ///< when this was true
  double elapsed_s = 0;            ///< of this launch
  std::vector<StepProgress> steps;
  Index resumed = 0;        ///< tasks that earlier launches had done
  Index failed = 0;         ///< attempts that failed or killed their worker, in this launch
  std::uint64_t bytes = 0;  ///< read and written in this launch, before compression
  int workers = 0;          ///< that hold work
  std::string slowest;      ///< which worker has been at one task for longest, and at which; or empty
  double slowest_s = 0;     ///< … for how long
  double tasks_per_s =
      0;  ///< over the last half minute; this and the following are filled in by ProgressMeter
  double bytes_per_s = 0;
  double left_s = -1;  ///< until the end; negative: not known yet
  bool last = false;   ///< the launch is over

  /// Of all steps together.
  StepProgress sum() const;
};

/// Rates and time left, from a series of states. Not synchronised.
class ProgressMeter {
 public:
  /// Fills in what is computed. Expects states of one launch, in order of time.
  void update(Progress& progress);

 private:
  struct Sample {
    double elapsed_s, tasks, bytes, seconds;
  };
  std::deque<Sample> samples_;
};

/// "  42 % | 17 of 40 tasks | 3/s | 12.5 MB/s | 4 running | 0 failed | 7 s left", for logs.
std::string progress_line(const Progress& progress);

std::string progress_to_json(const Progress& progress);
/// Nothing if the text is not what progress_to_json() makes.
std::optional<Progress> progress_from_json(std::string_view text);

/// Writes "live/<generation>". A file that cannot be written is given up silently; the run goes on.
class LiveFile {
 public:
  LiveFile(const OutputRoot& root, std::uint32_t generation) : root_{root}, generation_{generation} {}
  void write(const Progress& progress);

 private:
  OutputRoot root_;
  std::uint32_t generation_;
  File file_;
  bool given_up_ = false;
};

/// Nothing if the file is missing or torn.
std::optional<Progress> read_live_file(const OutputRoot& root, std::uint32_t generation);

}  // namespace petavox
