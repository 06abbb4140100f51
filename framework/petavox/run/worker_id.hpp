#pragma once
// Which rank a worker belongs to. A rank of T threads has T workers, numbered rank by rank: with one thread a
// worker has the number of its rank.

#include "petavox/schedule/scheduler.hpp"

namespace petavox {

constexpr WorkerId worker_of(int rank, int thread, int threads) {
  return WorkerId{std::int64_t{rank} * threads + thread};
}
constexpr int rank_of(WorkerId worker, int threads) { return static_cast<int>(worker.value / threads); }
constexpr int thread_of(WorkerId worker, int threads) { return static_cast<int>(worker.value % threads); }

}  // namespace petavox
