#include "apps/petavox/slurm_script.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace petavox::app {
namespace {

constexpr double mib = 1024 * 1024;

/// Numbers between colons, at most three; empty if there is anything else.
std::vector<std::int64_t> fields_of(std::string_view text) {
  std::vector<std::int64_t> fields;
  for (;;) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + colon, value);
    constexpr std::int64_t most = 10'000'000;
    if (error != std::errc{} || end != text.data() + colon || value < 0 || value > most || fields.size() == 3)
      return {};
    fields.push_back(value);
    if (colon == text.size()) return fields;
    text.remove_prefix(colon + 1);
  }
}

}  // namespace

std::optional<std::int64_t> parse_slurm_time(std::string_view text) {
  std::int64_t days = 0;
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto head = fields_of(text.substr(0, dash));
    if (head.size() != 1) return std::nullopt;
    days = head.front();
    text.remove_prefix(dash + 1);
  }
  const auto fields = fields_of(text);
  if (fields.empty()) return std::nullopt;
  // Without days a single number is minutes and a pair is minutes and seconds; with days they begin with
  // hours.
  std::array<std::int64_t, 3> hms{0, 0, 0};
  const std::size_t from = dash != std::string_view::npos || fields.size() == 3 ? 0 : 1;
  for (std::size_t i = 0; i < fields.size(); ++i) hms[from + i] = fields[i];
  return ((days * 24 + hms[0]) * 60 + hms[1]) * 60 + hms[2];
}

std::int64_t node_memory_mib(const JobMemory& memory, int ranks_per_node) {
  const double bytes = ranks_per_node * (memory.base + memory.worker) + memory.master;
  return static_cast<std::int64_t>(std::ceil(1.2 * bytes / mib / 64)) * 64;
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view{"_-+=./:,@%"}.find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return quoted + "'";
}

std::string slurm_script(const SlurmJob& job) {
  std::string out =
      "#!/bin/bash\n# Made by `petavox slurm submit`. It may be edited and given to sbatch again.\n";
  const auto option = [&](const std::string& text) { out += "#SBATCH " + text + "\n"; };
  option("--job-name=" + job.name);
  option(fmt::format("--nodes={} --ntasks-per-node={} --cpus-per-task={}", job.nodes, job.ranks_per_node,
                     job.threads));
  if (job.mem.empty()) {
    out += fmt::format(
        "# Of a node, from the plan: {} ranks x ({:.0f} MiB program and MPI + {:.0f} MiB blocks and "
        "caches) + "
        "{:.0f} MiB master,\n# and a fifth on top.\n",
        job.ranks_per_node, job.memory.base / mib, job.memory.worker / mib, job.memory.master / mib);
    option(fmt::format("--mem={}M", node_memory_mib(job.memory, job.ranks_per_node)));
  } else {
    option("--mem=" + job.mem);
  }
  option("--time=" + job.time);
  out += fmt::format(
      "# {} s before the limit the run is told to stop (Slurm may be a minute early), and asks to be run "
      "again.\n",
      job.warn_s);
  option(fmt::format("--signal=B:USR1@{}", job.warn_s));
  option("--requeue --open-mode=append");
  option("--output=" + job.run_dir + "/slurm/%j.log");
  if (!job.partition.empty()) option("--partition=" + job.partition);
  if (!job.account.empty()) option("--account=" + job.account);
  if (!job.after.empty()) option("--dependency=afterok:" + job.after + " --kill-on-invalid-dep=yes");
  for (const std::string& extra : job.extra) option(extra);
  out += "cd " + shell_word(job.working_dir) + " || exit 3\n";
  out += "# exec: the signal is for the supervisor, which is to take the place of this shell.\n";
  out += "exec " + shell_word(job.petavox) + " supervise --requeue --dir " + shell_word(job.run_dir) +
         " -- \\\n  ";
  if (job.srun)
    out += fmt::format("srun --mpi=pmix --cpus-per-task={} ", job.threads);
  else
    out += job.threads > 1 ? "mpirun --bind-to none " : "mpirun ";
  out += shell_word(job.petavox) + " run";
  for (const std::string& word : job.run_words) out += " " + shell_word(word);
  return out + "\n";
}

}  // namespace petavox::app
