#pragma once
// A batch script for Slurm from what a plan knows. Text only: nothing is run here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace petavox::app {

/// Memory of a job, from the plan. All in bytes.
struct JobMemory {
  double base = 0;    ///< program, libraries and MPI, of each rank
  double worker = 0;  ///< blocks and caches of a rank with all its threads
  double master = 0;  ///< what rank 0 holds besides
};

struct SlurmJob {
  std::string name, run_dir, working_dir;
  std::string petavox;                 ///< the program
  std::vector<std::string> run_words;  ///< behind `petavox run`
  int nodes = 1, ranks_per_node = 1, threads = 1;
  std::string time;           ///< as Slurm reads it
  std::int64_t warn_s = 300;  ///< before the limit: when the run is told to stop
  std::string mem;            ///< of a node, as Slurm reads it; empty: from `memory`
  JobMemory memory;
  bool srun = false;  ///< instead of mpirun
  std::string partition, account, after;
  std::vector<std::string> extra;  ///< further options of sbatch, as they are
};

/// Memory of a node, in MiB: its ranks and the master, with a fifth on top for what libraries and the file
/// system take, rounded up to 64.
std::int64_t node_memory_mib(const JobMemory& memory, int ranks_per_node);
/// The script.
std::string slurm_script(const SlurmJob& job);
/// Seconds of "90", "90:00", "1:30:00", "2-0", "2-0:30", "2-0:30:00" (minutes, m:s, h:m:s, d-h, d-h:m,
/// d-h:m:s); nothing for other text.
std::optional<std::int64_t> parse_slurm_time(std::string_view text);
/// A word as a shell reads it back.
std::string shell_word(const std::string& word);

}  // namespace petavox::app
