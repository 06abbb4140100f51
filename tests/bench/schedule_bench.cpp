// How fast the scheduler alone hands out and takes back tasks, on one core: no messages, no journal.

#include "petavox/schedule/scheduler.hpp"

#include "unit/schedule/graphs.hpp"

#include <deque>
#include <utility>

#include <benchmark/benchmark.h>

namespace petavox {
namespace {

using testing::ChainGraph;

// A whole run with `workers` workers that answer in turn. Counts tasks, not calls.
void run_all(benchmark::State& state, const ChainGraph& graph, int workers, const SchedulerOptions& options) {
  Index tasks = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    Scheduler scheduler{graph, options};
    std::vector<std::deque<Assignment>> held(static_cast<std::size_t>(workers));
    for (int w = 0; w < workers; ++w) scheduler.add_worker(WorkerId{w});
    for (int turn = 0; !scheduler.finished(); turn = (turn + 1) % workers) {
      auto& mine = held[static_cast<std::size_t>(turn)];
      const WorkerId id{turn};
      if (!mine.empty()) {
        scheduler.succeeded(id, mine.front().task, mine.front().attempt);
        mine.pop_front();
      }
      for (const Assignment& a : scheduler.next(id, Instant{})) mine.push_back(a);
    }
    tasks += scheduler.counts().done;
    bytes = scheduler.memory_bytes();
  }
  state.SetItemsProcessed(tasks);
  state.counters["bytes/block"] = static_cast<double>(bytes) / static_cast<double>(graph.tiling(0).count());
}

std::vector<ChainGraph::MapStep> chain(int length, Halo halo) {
  return std::vector<ChainGraph::MapStep>(static_cast<std::size_t>(length), {Extent::cube(1), halo});
}

void map_chain(benchmark::State& state) {
  const ChainGraph graph{Box{{}, {40, 50, 50}}, chain(4, Halo::none()), false};
  run_all(state, graph, static_cast<int>(state.range(0)), {});
}
BENCHMARK(map_chain)->Arg(1)->Arg(4)->Arg(64)->Arg(1000)->Unit(benchmark::kMillisecond);

void map_chain_with_halos(benchmark::State& state) {
  const ChainGraph graph{Box{{}, {40, 50, 50}}, chain(4, Halo::uniform(1)), false};
  run_all(state, graph, static_cast<int>(state.range(0)), {});
}
BENCHMARK(map_chain_with_halos)->Arg(4)->Arg(64)->Arg(1000)->Unit(benchmark::kMillisecond);

void chain_and_tree(benchmark::State& state) {
  const ChainGraph graph{Box{{}, {40, 50, 50}}, chain(2, Halo::uniform(1)), true};
  run_all(state, graph, static_cast<int>(state.range(0)), {});
}
BENCHMARK(chain_and_tree)->Arg(4)->Arg(64)->Unit(benchmark::kMillisecond);

// One round of the master at the end of a run: half of the workers are busy, the others ask in vain.
void idle_round(benchmark::State& state) {
  const auto workers = static_cast<int>(state.range(0));
  const ChainGraph graph{Box{{}, {1, 1, workers / 2}}, chain(1, Halo::none()), false};
  SchedulerOptions options;
  options.prefetch = 1;
  Scheduler scheduler{graph, options};
  for (int w = 0; w < workers; ++w) scheduler.add_worker(WorkerId{w});
  for (int w = 0; w < workers; ++w) scheduler.next(WorkerId{w}, Instant{});
  Index asked = 0;
  Instant now{};
  for (auto _ : state) {
    now += std::chrono::microseconds{200};
    if (now > std::chrono::seconds{9}) now = Instant{};
    for (const WorkerId w : scheduler.hungry()) {
      benchmark::DoNotOptimize(scheduler.next(w, now));
      benchmark::DoNotOptimize(scheduler.straggler(w, now));
      ++asked;
    }
  }
  state.SetItemsProcessed(asked);
}
BENCHMARK(idle_round)->Arg(1000)->Arg(4000)->Arg(10000)->Arg(100000)->Unit(benchmark::kMillisecond);

// Restoring a half-done run of ten million blocks, up to the first tasks handed out.
void resume(benchmark::State& state) {
  const ChainGraph graph{Box{{}, {26, 500, 800}}, chain(8, Halo::uniform(1)), false};
  const Index half = graph.tiling(0).count() / 2;
  Index restored = 0;
  for (auto _ : state) {
    Scheduler scheduler{graph};
    for (int step = 0; step < graph.num_steps(); ++step)
      for (Index k = 0; k < half; ++k) scheduler.restore({step, k}, TaskState::done);
    restored += scheduler.counts().done;
    scheduler.add_worker(WorkerId{1});
    while (scheduler.next(WorkerId{1}, Instant{}).empty()) {
    }
    benchmark::DoNotOptimize(scheduler.memory_bytes());
  }
  state.SetItemsProcessed(restored);
}
BENCHMARK(resume)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace petavox
