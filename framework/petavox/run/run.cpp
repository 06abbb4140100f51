// The three executors: serial, loopback and distributed.

#include "petavox/run/run.hpp"

#include "petavox/comm/loopback.hpp"
#include "petavox/run/dispatcher.hpp"
#include "petavox/run/rank_log.hpp"
#include "petavox/run/run_directory.hpp"

namespace petavox {
namespace {

constexpr int master_rank = 0;
/// Up to so many ranks the master computes too: beyond, one more worker is no gain and the master stays
/// responsive.
constexpr int max_ranks_with_working_master = 8;

/// What rank 0 tells the others before the work begins.
struct Opening {
  std::int64_t code = 0;   ///< not 0: leave with this exit code
  std::int64_t begin = 0;  ///< 1: there is work
  std::uint64_t generation = 0;
  std::int64_t threads = 0;  ///< of each rank
  Hash128 plan;
};

Opening announce(Communicator& comm, const Opening& mine) {
  ByteWriter out;
  out.put(mine);
  const Bytes bytes = comm.broadcast(out.take(), master_rank);
  return ByteReader{bytes}.get<Opening>();
}

/// The log of the master's own thread, which runs no tasks.
std::unique_ptr<ProfileLog> master_profile(const Workplace& place) {
  if (!place.profile) return nullptr;
  return std::make_unique<ProfileLog>(place.root, place.generation, "master",
                                      static_cast<std::uint32_t>(place.rank), profile_master_thread,
                                      place.plan);
}

RunReport lead(const Plan& plan, const InputSet& inputs, Communicator& comm, const RunOptions& options) {
  const OutputRoot root = OutputRoot::create(plan.config().output_dir.string());
  const bool works = options.master_works && comm.size() <= max_ranks_with_working_master;
  std::unique_ptr<Master> master;
  try {
    if (auto finished = prepare_run_directory(plan, root, options)) {
      announce(comm, {});
      return *finished;
    }
    master = std::make_unique<Master>(plan, root, options, works ? comm.size() : comm.size() - 1);
  } catch (const Error& error) {
    announce(comm, {static_cast<std::int64_t>(exit_code_of(error.code())), 0, 0, 0, {}});
    throw;
  }
  const RankLog log{root, master->generation(), master_rank};
  announce(comm, {0, 1, master->generation(), plan.config().threads, plan.fingerprint()});
  auto place = std::make_unique<Workplace>(plan, inputs, root, master->generation(), master_rank,
                                           plan.config().threads, options.profile);
  const auto profile = master_profile(*place);
  master->profile_to(profile.get());
  std::unique_ptr<WorkerTeam> local;
  if (works) local = std::make_unique<WorkerTeam>(*place);
  Dispatcher dispatcher{comm, *master, local.get()};
  dispatcher.run();
  // The code is not known before the results are collected; workers only need to know that they may leave.
  const bool all_left = dispatcher.stop(0);
  RunReport report = master->conclude(inputs, stop_requested());
  if (!all_left) {
    // A stage that never returns holds the thread, the plan and the inputs: they live until the process ends.
    report.must_exit_at_once = true;
    static_cast<void>(local.release());
    static_cast<void>(master.release());
    static_cast<void>(place.release());
  }
  return report;
}

}  // namespace

RunReport run_serial(const Plan& plan, const InputSet& inputs, const RunOptions& options) {
  const OutputRoot root = OutputRoot::create(plan.config().output_dir.string());
  if (auto finished = prepare_run_directory(plan, root, options)) return *finished;
  Master master{plan, root, options};
  const RankLog log{root, master.generation(), master_rank};
  constexpr WorkerId me{master_rank};
  {
    Workplace place{plan, inputs, root, master.generation(), master_rank, 1, options.profile};
    TaskRunner runner{place, 0};
    master.profile_to(runner.profile());
    master.before_commit([&] { runner.sync(); });
    master.commit_sparingly();
    master.add_worker(me);
    while (!master.finished() && !master.must_stop()) {
      const std::vector<Work> work = master.work_for(me);
      if (work.empty() && !master.finished() && !master.searching())
        throw Error{ErrorCode::internal,
                    "no task can run though the run is not finished (a bug in petavox); please report it"};
      for (const Work& w : work) {
        if (master.must_stop()) break;
        master.report(me, runner.run(w));
        master.alive(me);
        master.tick();
        for (const Release& release : master.take_releases()) runner.release(release);
      }
    }
    master.commit();
    master.before_commit({});
    master.profile_to(nullptr);
  }
  return master.conclude(inputs, stop_requested());
}

RunReport run_distributed(const Plan& plan, const InputSet& inputs, Communicator& comm,
                          const RunOptions& options) {
  if (comm.rank() == master_rank) return lead(plan, inputs, comm, options);
  RunReport report;
  const Opening opening = announce(comm, {});
  report.exit_code = static_cast<ExitCode>(opening.code);
  if (opening.begin == 0) return report;
  if (!(opening.plan == plan.fingerprint()) || opening.threads != plan.config().threads)
    throw Error{
        ErrorCode::config,
        "rank " + std::to_string(comm.rank()) +
            " has another plan than rank 0 (the config, run.threads or an input differs between hosts); "
            "use one shared file system"};
  const OutputRoot root = OutputRoot::open(plan.config().output_dir.string());
  const RankLog log{root, static_cast<std::uint32_t>(opening.generation), comm.rank()};
  auto place = std::make_unique<Workplace>(plan, inputs, root, static_cast<std::uint32_t>(opening.generation),
                                           comm.rank(), plan.config().threads, options.profile);
  if (place->threads == 1) {
    WorkerCore core{std::make_unique<TaskRunner>(*place, 0)};
    report.exit_code = static_cast<ExitCode>(serve_as_worker(comm, core));
  } else {
    auto team = std::make_unique<WorkerTeam>(*place);
    const TeamOutcome outcome =
        serve_as_team(comm, *team, std::chrono::duration<double>{plan.config().lease_s});
    report.exit_code = static_cast<ExitCode>(outcome.code);
    if (!outcome.all_left) {
      report.must_exit_at_once = true;
      static_cast<void>(team.release());
      static_cast<void>(place.release());
    }
  }
  return report;
}

RunReport run_loopback(const Plan& plan, const InputSet& inputs, int ranks, const RunOptions& options) {
  RunReport report;
  const LoopbackOutcome outcome = petavox::run_loopback(ranks, [&](Communicator& comm) {
    RunReport mine = run_distributed(plan, inputs, comm, options);
    if (comm.rank() == master_rank) report = std::move(mine);
  });
  outcome.rethrow();
  return report;
}

}  // namespace petavox
