// petavox slurm: a batch job from a configuration and its plan, and how the jobs of a run stand.

#include "petavox/run/peak_watch.hpp"
#include "petavox/run/run_status.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/setup.hpp"
#include "apps/petavox/slurm_script.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/wait.h>

namespace petavox::app {
namespace {

constexpr const char* submit_footer =
    "Memory comes from the plan; the run directory holds the script (slurm/job.sbatch), the log of each job\n"
    "and the list of jobs. The job supervises its run: it goes on after a rank or node has died, stops "
    "cleanly\n"
    "before the time limit, and is queued again until the run is complete. docs/slurm.md has more.\n"
    "\n"
    "Examples:\n"
    "  petavox slurm submit my.yaml --nodes 4 --ranks-per-node 32 --time 12:00:00\n"
    "  petavox slurm submit my.yaml --nodes 2 --ranks-per-node 8 --threads 4 --time 1-0 --partition long\n"
    "  petavox slurm submit my.yaml --time 30 --dry-run          print the script, submit nothing\n"
    "  petavox slurm submit b.yaml --time 60 --mem 16G --after $(petavox slurm submit a.yaml --time 60 --id)";
constexpr const char* status_footer =
    "Examples:\n"
    "  petavox slurm status runs/mine\n"
    "  petavox slurm status runs/*/";

/// Of each rank, for MPI's libraries and buffers, which this process has not loaded: 12 MiB on one node, more
/// on networks.
constexpr double mpi_bytes = 32.0 * 1024 * 1024;

struct SubmitOptions {
  ConfigOptions config;
  SlurmJob job;
  std::string launcher = "mpirun";
  bool dry_run = false, id_only = false;
};

struct Captured {
  int code = 0;
  std::string text;
};

/// Runs a command of Slurm; what it prints, on either stream.
Captured capture(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += shell_word(word) + " ";
  FILE* pipe = ::popen((line + "2>&1 </dev/null").c_str(), "r");
  if (pipe == nullptr) throw Error{ErrorCode::resource, "cannot start a process for " + words.front()};
  Captured captured;
  std::array<char, 4096> piece{};
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe))
    captured.text.append(piece.data(), got);
  const int status = ::pclose(pipe);
  captured.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  while (!captured.text.empty() && captured.text.back() == '\n') captured.text.pop_back();
  if (captured.code == 127)
    throw Error{ErrorCode::config, "there is no " + words.front() +
                                       " here (this is no machine of a Slurm cluster); use a login node, or "
                                       "`petavox supervise` without Slurm"};
  return captured;
}

std::string own_program() {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return path.empty() ? "petavox" : path.string();
}

/// What `petavox run` needs to do in the job what was planned here. Paths are made absolute by the job's
/// directory.
std::vector<std::string> run_words(const ConfigOptions& options, const std::string& run_dir) {
  std::vector<std::string> words{std::filesystem::absolute(options.config).string()};
  for (const std::string& text : options.overrides) words.insert(words.end(), {"--set", text});
  for (const std::string& plugin : options.plugins)
    words.insert(words.end(), {"--plugin", std::filesystem::absolute(plugin).string()});
  if (options.threads > 0) words.insert(words.end(), {"--threads", std::to_string(options.threads)});
  if (!options.isolation.empty()) words.insert(words.end(), {"--isolation", options.isolation});
  words.insert(words.end(), {"--out", run_dir});
  return words;
}

/// Of a rank's helpers, each with a base of its own: at most what this program has without MPI.
double helpers_bytes(const Plan& plan) {
  return plan.helper_bytes() + plan.num_helpers() * static_cast<double>(peak_watch::resident_bytes());
}

void fill_in(SubmitOptions& options) {
  SlurmJob& job = options.job;
  const auto seconds = parse_slurm_time(job.time);
  if (!seconds || *seconds == 0)
    throw Error{ErrorCode::config, "--time: '" + job.time +
                                       "' is no time limit (minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s); for "
                                       "example --time 12:00:00"};
  // A short job is told to stop when two thirds of its time are over.
  job.warn_s = std::min(job.warn_s, *seconds / 3);
  job.srun = options.launcher == "srun";
  job.petavox = own_program();
  job.working_dir = std::filesystem::current_path().string();
  StageRegistry registry;
  if (job.mem.empty()) {
    const Pipeline pipeline{options.config};
    job.run_dir = pipeline.config().output_dir.string();
    job.threads = pipeline.config().threads;
    job.memory = {static_cast<double>(peak_watch::resident_bytes()) + mpi_bytes,
                  pipeline.plan().worker_bytes() + helpers_bytes(pipeline.plan()),
                  pipeline.plan().master_bytes()};
  } else {
    // The input may be what an earlier job of a chain has still to make: nothing of it is opened.
    const RunConfig config = load_run_config(options.config, registry);
    job.run_dir = config.output_dir.string();
    job.threads = config.threads;
  }
  if (job.name.empty()) job.name = "petavox-" + std::filesystem::path{job.run_dir}.filename().string();
  job.run_words = run_words(options.config, job.run_dir);
  // Slurm reads these lines, not a shell: what would end a line or an option is not written.
  for (const std::string* text : {&job.run_dir, &job.name})
    if (text->find_first_of(" \t\n\"'\\%") != std::string::npos)
      throw Error{ErrorCode::config,
                  "'" + *text +
                      "' cannot be written in a batch script (it holds a space, a quote or %); "
                      "give another --out or --job-name"};
}

int submit(SubmitOptions& options) {
  fill_in(options);
  const std::string script = slurm_script(options.job);
  if (options.dry_run) {
    std::cout << script;
    return 0;
  }
  const OutputRoot root = OutputRoot::create(options.job.run_dir);
  root.make_directories("slurm");
  root.atomically_replace("slurm/job.sbatch", bytes_of(script));
  const Captured sbatch = capture({"sbatch", "--parsable", root.path() + "/slurm/job.sbatch"});
  if (sbatch.code != 0)
    throw Error{ErrorCode::config, "sbatch refused the job: " + sbatch.text +
                                       "; correct the options, or edit " + root.path() +
                                       "/slurm/job.sbatch and submit it by hand"};
  const std::string id = sbatch.text.substr(0, sbatch.text.find_first_of(";\n"));
  File jobs = root.open_or_create("slurm/jobs");
  const std::string line = id + "\n";
  jobs.write_all_at(bytes_of(line), jobs.size_bytes());
  if (options.id_only)
    std::cout << line;
  else
    std::cout << fmt::format("job {} submitted: {}\nlook at it with `petavox slurm status {}`\n", id,
                             root.path() + "/slurm/job.sbatch", root.path());
  return 0;
}

/// "RUNNING on pv[1-2], 3:20 of 12:00:00, 1 restart", as far as Slurm still knows the job.
std::string job_text(const std::string& id) {
  const Captured queue = capture({"squeue", "-h", "-o", "%T, %M used, %L left, %D nodes, %R", "-j", id});
  if (queue.code == 0 && !queue.text.empty()) return queue.text;
  const Captured show = capture({"scontrol", "-o", "show", "job", id});
  if (show.code != 0) return "ended; Slurm knows no more of it";
  std::string text;
  std::istringstream words{show.text};
  for (std::string word; words >> word;)
    for (const char* key : {"JobState=", "Reason=", "ExitCode=", "Restarts=", "RunTime="})
      if (word.starts_with(key) && word != "Reason=None") text += (text.empty() ? "" : ", ") + word;
  return text;
}

int status(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const OutputRoot root = OutputRoot::open(directory);
    std::cout << directory << "\n";
    try {
      const RunStatus run = StatusReader{root}.read();
      const StepStatus sum = run.sum();
      std::cout << fmt::format("  run: {}, {} of {} tasks, {} quarantined, {} launches; {}\n",
                               name_of(run.state), sum.done, sum.total, sum.quarantined, run.launches,
                               run.why);
    } catch (const Error&) {
      std::cout << "  run: not begun\n";
    }
    if (!root.exists("slurm/jobs")) {
      std::cout << "  no job was submitted by `petavox slurm submit`\n";
      continue;
    }
    const Bytes bytes = root.read_file("slurm/jobs", 1 << 20);
    std::istringstream ids{text_of(bytes)};
    for (std::string id; std::getline(ids, id);)
      if (!id.empty() && id.find_first_not_of("0123456789_") == std::string::npos)
        std::cout << "  job " << id << ": " << job_text(id) << "\n";
  }
  return 0;
}

void add_submit(CLI::App& slurm, Command& command) {
  const auto options = std::make_shared<SubmitOptions>();
  SlurmJob& job = options->job;
  CLI::App* sub = slurm.add_subcommand("submit", "Write a batch script from the plan and submit it");
  sub->footer(submit_footer);
  add_config_options(*sub, options->config, true);
  sub->add_option("--nodes", job.nodes, "Nodes")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 100000));
  sub->add_option("--ranks-per-node", job.ranks_per_node, "Ranks on each node; rank 0 is the master")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  sub->add_option("--time", job.time, "Time limit of the job; the run may take many such jobs")
      ->required()
      ->type_name("T");
  sub->add_option("--mem", job.mem,
                  "Memory of a node, instead of what the plan says (the inputs are not opened then)")
      ->type_name("SIZE");
  sub->add_option("--warn", job.warn_s, "Seconds before the limit when the run is told to stop")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(10, 86400));
  sub->add_option("--launcher", options->launcher, "What starts the ranks")
      ->capture_default_str()
      ->check(CLI::IsMember({"mpirun", "srun"}));
  sub->add_option("--partition", job.partition, "Partition")->type_name("NAME");
  sub->add_option("--account", job.account, "Account")->type_name("NAME");
  sub->add_option("--job-name", job.name, "Name of the job")->type_name("NAME");
  sub->add_option("--after", job.after, "Begin when this job has ended well")->type_name("JOB");
  sub->add_option("--sbatch", job.extra, "A further option of sbatch; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  sub->add_flag("--dry-run", options->dry_run, "Print the script, submit nothing");
  sub->add_flag("--id", options->id_only, "Print the number of the job only");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) { return submit(*options); };
  });
}

}  // namespace

void add_slurm_command(CLI::App& app, Command& command) {
  CLI::App* slurm = app.add_subcommand("slurm", "Submit a run to Slurm, and look at its jobs");
  slurm->require_subcommand(1);
  add_submit(*slurm, command);
  const auto directories = std::make_shared<std::vector<std::string>>();
  CLI::App* sub = slurm->add_subcommand("status", "Print how runs and their jobs stand");
  sub->footer(status_footer);
  sub->add_option("directories", *directories, "Directories of runs")->required()->type_name("RUN_DIR…");
  sub->callback([directories, &command] {
    command.run = [directories](const Session&) { return status(*directories); };
  });
}

}  // namespace petavox::app
