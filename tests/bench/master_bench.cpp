// What the production master does a second: plan, scheduler, journal with group commit, result index, wire
// format, prefetch and back-off, on tasks that do nothing.
//
//   mpirun -n N master_bench DIRECTORY [options]        or with --loopback N instead of mpirun
//     --blocks N    blocks of each step (default 250000)
//     --steps N     steps of the chain (default 4)
//     --halo        each task reads the 27 blocks round its own
//     --work        workers run the real task runner on blocks of 64 voxels; else they answer at once
//     --seconds N   stops then
//     --resume      no workers: writes the journal of a run whose maps are all done, and times the start of a
//                   master from it, then from a snapshot
//
// Columns: tasks, tasks a second, CPU of the master's thread a task, growth of the process a block.

#include "petavox/comm/loopback.hpp"
#include "petavox/comm/mpi_session.hpp"
#include "petavox/run/dispatcher.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/run/wire.hpp"
#include "petavox/stage/map_stage.hpp"
#include "petavox/volume/memory_volume.hpp"

#include "bench_clock.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>

namespace petavox::bench {
namespace {

struct Options {
  std::string directory;
  Index blocks = 250'000;
  int loopback = 0, steps = 4, seconds = 0;
  bool halo = false, work = false, resume = false;
};

double thread_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Private memory of this process in bytes.
double private_bytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;)
    if (word == "RssAnon:") {
      double kib = 0;
      status >> kib;
      return kib * 1024;
    }
  return 0;
}

template <int halo_voxels>
class Nothing final : public MapStage<Nothing<halo_voxels>> {
 public:
  static constexpr std::string_view name = halo_voxels == 0 ? "nothing" : "nothing_with_halo",
                                    summary = "writes zeros";
  explicit Nothing(Params&) {}
  static Halo halo() { return Halo::uniform(halo_voxels); }
  template <Voxel T>
  void apply(View<const T>, View<T>, const BlockContext&) const {}
};

/// Zeros, of any size.
class Zeros final : public Volume {
 public:
  explicit Zeros(const Box& domain) : domain_{domain} {}
  Box domain() const override { return domain_; }
  DType dtype() const override { return DType::u8; }
  int channels() const override { return 1; }
  VoxelSizeNm voxel_size_nm() const override { return {8, 8, 8}; }
  void read(Array&) const override {}

 private:
  Box domain_;
};

struct World {
  StageRegistry stages;
  RunConfig config;
  std::unique_ptr<InputSet> inputs;
  std::unique_ptr<Plan> plan;
};

World make_world(const Options& options) {
  World world;
  world.stages.add<Nothing<0>>();
  world.stages.add<Nothing<1>>();
  const auto edge = static_cast<Index>(std::lround(std::cbrt(static_cast<double>(options.blocks))));
  const Box domain = Box::from({}, {4 * edge, 4 * edge, 4 * (options.blocks / (edge * edge))});
  const std::string stage = options.halo ? "nothing_with_halo" : "nothing";
  std::string text = "petavox: 1\ninput: {path: raw.h5, dataset: /raw}\noutput: {dir: " + options.directory +
                     "/master_bench, final: {chunk_shape: [64, 64, 64], shard_shape: [4096, 4096, 4096]}}\n" +
                     "blocks: {shape: [4, 4, 4]}\nstages:\n";
  for (int i = 1; i <= options.steps; ++i)
    text += "  s" + std::to_string(i) + ": {stage: " + stage +
            ", reads: {image: " + (i == 1 ? "input" : "v" + std::to_string(i - 1)) + "}, writes: {image: v" +
            std::to_string(i) + "}}\n";
  Problems problems;
  world.config = parse_config(text, options.directory + "/bench.yaml", {}, problems);
  problems.throw_if_any();
  world.inputs = InputSet::open(
      world.config, [&](const InputSpec&) { return std::make_unique<Zeros>(domain); }, problems);
  problems.throw_if_any();
  world.plan = make_plan(world.config, world.stages, world.inputs->infos());
  return world;
}

/// A worker that has always just finished.
void echo(Communicator& comm, std::uint32_t generation, int num_steps) {
  std::vector<std::uint32_t> streams(static_cast<std::size_t>(num_steps));
  std::iota(streams.begin(), streams.end(), 0U);
  comm.send(0, wire::hello, {});
  std::uint64_t offset = 16;
  while (true) {
    const auto message = comm.poll(std::chrono::seconds{1});
    if (!message) continue;
    if (message->tag == wire::stop) {
      comm.send(0, wire::stop, {});
      comm.flush();
      return;
    }
    if (message->tag == wire::release)
      for (const Release& release : wire::decode_releases(message->bytes))
        streams.at(static_cast<std::size_t>(release.step)) = static_cast<std::uint32_t>(release.next);
    if (message->tag != wire::work) continue;
    std::vector<TaskOutcome> outcomes;
    std::span<const std::byte> body = message->bytes;
    const WorkerId me = wire::take_address(body);
    for (const Work& work : wire::decode_work(body)) {
      TaskOutcome outcome;
      outcome.task = work.task;
      outcome.attempt = work.attempt;
      const auto writer = writer_of(static_cast<std::uint32_t>(comm.rank()),
                                    streams.at(static_cast<std::size_t>(work.task.step)));
      outcome.location = {generation, writer, offset, 200, mix64(offset)};
      outcome.nanoseconds = 1000;
      offset += 200;
      outcomes.push_back(std::move(outcome));
    }
    Bytes answer = wire::encode(outcomes);
    wire::address(answer, me);
    comm.send(0, wire::outcome, std::move(answer));
  }
}

void lead(Communicator& comm, const Options& options, const World& world) {
  const OutputRoot root = OutputRoot::create(world.config.output_dir.string());
  RunOptions run;
  if (prepare_run_directory(*world.plan, root, run)) throw std::runtime_error{"nothing to do"};
  const double memory = private_bytes();
  Master master{*world.plan, root, run};
  ByteWriter opening;
  opening.put(static_cast<std::uint64_t>(master.generation()));
  (void)comm.broadcast(opening.take(), 0);
  std::thread timer;
  if (options.seconds > 0)
    timer = std::thread{[&] {
      std::this_thread::sleep_for(std::chrono::seconds{options.seconds});
      request_stop(true);
    }};
  Dispatcher dispatcher{comm, master, nullptr};
  const double wall = wall_seconds(), cpu = thread_seconds();
  dispatcher.run();
  const double seconds = wall_seconds() - wall, used = thread_seconds() - cpu;
  const double grown = private_bytes() - memory;
  (void)dispatcher.stop(0);
  if (timer.joinable()) timer.join();
  const Index tasks = master.tasks_run();
  std::printf(
      "%-8s %-5s %-5s workers %d  %9lld tasks  %9.0f tasks/s  master %5.2f us CPU a task  %5.2f bytes a "
      "block\n",
      options.loopback > 0 ? "loopback" : "MPI", options.work ? "work" : "echo", options.halo ? "halo" : "",
      comm.size() - 1, static_cast<long long>(tasks), static_cast<double>(tasks) / seconds,
      1e6 * used / static_cast<double>(tasks), grown / static_cast<double>(world.plan->num_tasks(0)));
}

void write_finished_journal(const OutputRoot& root, const Plan& plan) {
  JournalHeader header;
  header.plan = plan.fingerprint();
  for (const StepPlan& step : plan.steps()) header.steps.push_back(step.fingerprint);
  JournalWriter journal = JournalWriter::acquire(root, header);
  std::uint64_t n = 0;
  for (int s = 0; s < plan.num_steps(); ++s) {
    if (plan.step(s).kind != StepKind::map) continue;
    const std::uint32_t writer = writer_of(0, static_cast<std::uint32_t>(s));
    (void)root.create_new(pack_name(1, writer));
    for (Index k = 0; k < plan.num_tasks(s); ++k, ++n) {
      journal.done({{s, plan.in_order(s, k)}, 1, 0, {1, writer, n * 200, 200, mix64(n)}, {}, 1000, 0, 0});
      if (n % 65536 == 0) journal.commit();
    }
  }
  journal.commit();
}

void resume(const Options& options) {
  const World world = make_world(options);
  const OutputRoot root = OutputRoot::create(world.config.output_dir.string());
  RunOptions run;
  if (prepare_run_directory(*world.plan, root, run)) throw std::runtime_error{"nothing to do"};
  write_finished_journal(root, *world.plan);
  for (const char* from : {"journal", "snapshot"}) {
    const double memory = private_bytes(), wall = wall_seconds(), cpu = thread_seconds();
    Master master{*world.plan, root, run};
    std::printf("start from a %-8s of %lld finished tasks: %7.2f s, %7.2f s CPU, %5.2f bytes a block\n", from,
                static_cast<long long>(master.tasks_resumed()), wall_seconds() - wall, thread_seconds() - cpu,
                (private_bytes() - memory) / static_cast<double>(world.plan->num_tasks(0)));
    const double before = wall_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds{60});
    (void)master.tick();
    if (std::string{from} == "journal")
      std::printf("writing the snapshot: %7.2f s\n", wall_seconds() - before);
    std::fflush(stdout);
  }
}

int run(Communicator& comm, const Options& options) {
  if (comm.size() < 2) {
    std::fprintf(stderr, "master_bench needs at least 2 ranks\n");
    return 2;
  }
  const World world = make_world(options);
  if (comm.rank() == 0) {
    lead(comm, options, world);
    return 0;
  }
  const auto generation = static_cast<std::uint32_t>(ByteReader{comm.broadcast({}, 0)}.get<std::uint64_t>());
  if (!options.work) {
    echo(comm, generation, world.plan->num_steps());
    return 0;
  }
  Workplace place{*world.plan, *world.inputs, OutputRoot::open(world.config.output_dir.string()),
                  generation,  comm.rank(),   1,
                  false};
  WorkerCore core{std::make_unique<TaskRunner>(place, 0)};
  return serve_as_worker(comm, core);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--blocks" && i + 1 < argc)
      options.blocks = std::atoll(argv[++i]);
    else if (word == "--loopback" && i + 1 < argc)
      options.loopback = std::atoi(argv[++i]);
    else if (word == "--steps" && i + 1 < argc)
      options.steps = std::atoi(argv[++i]);
    else if (word == "--seconds" && i + 1 < argc)
      options.seconds = std::atoi(argv[++i]);
    else if (word == "--resume")
      options.resume = true;
    else if (word == "--halo")
      options.halo = true;
    else if (word == "--work")
      options.work = true;
    else
      options.directory = word;
  }
  return options;
}

}  // namespace
}  // namespace petavox::bench

int main(int argc, char** argv) {
  using namespace petavox;
  const bench::Options options = bench::parse(argc, argv);
  if (options.directory.empty()) {
    std::fprintf(stderr,
                 "usage: master_bench DIRECTORY [--loopback N | --resume] [--blocks N] [--steps N] [--halo] "
                 "[--work] [--seconds N]\n");
    return 2;
  }
  if (options.resume) {
    bench::resume(options);
    return 0;
  }
  const auto body = [&](Communicator& comm) { return bench::run(comm, options); };
  if (options.loopback == 0) return run_guarded(argc, argv, body);
  run_loopback(options.loopback, [&](Communicator& comm) { (void)body(comm); }).rethrow();
}
