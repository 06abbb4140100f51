// Round trips between a master and its workers through the MPI communicator, without scheduler, journal or
// work: what one task costs in messages. Run it under mpirun with 2 to 5 ranks.

#include "petavox/base/task_id.hpp"
#include "petavox/comm/mpi_session.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace petavox {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
enum Tag { work, result, stop };

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A task and its attempt, as a real assignment has.
void put_tasks(ByteWriter& writer, std::int64_t first, std::int64_t count) {
  for (std::int64_t i = first; i < first + count; ++i) {
    writer.put(TaskId{0, i});
    writer.put(std::int64_t{1});
  }
}
constexpr std::size_t task_bytes = sizeof(TaskId) + sizeof(std::int64_t);

// Hands out `total` tasks in messages of `batch`, two messages in flight for each worker.
void master(Communicator& comm, std::int64_t total, std::int64_t batch) {
  const auto start = Clock::now();
  const double cpu = cpu_seconds();
  std::int64_t given = 0, back = 0;
  const auto give = [&](int worker) {
    const std::int64_t count = std::min(batch, total - given);
    if (count == 0) return;
    ByteWriter writer;
    put_tasks(writer, given, count);
    comm.send(worker, work, writer.bytes());
    given += count;
  };
  for (int round = 0; round < 2; ++round)
    for (int worker = 1; worker < comm.size(); ++worker) give(worker);
  while (back < total) {
    const auto message = comm.poll(1s);
    if (!message) continue;
    back += static_cast<std::int64_t>(message->bytes.size() / task_bytes);
    give(message->from);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double per_task = 1e6 * (cpu_seconds() - cpu) / static_cast<double>(total);
  std::printf("workers %d  batch %2d  %9.0f tasks/s  master %.2f us CPU a task\n", comm.size() - 1,
              static_cast<int>(batch), static_cast<double>(total) / seconds, per_task);
  std::fflush(stdout);
}

int run(Communicator& comm) {
  if (comm.size() < 2) {
    std::puts("run this under mpirun with at least 2 ranks");
    return 2;
  }
  for (const std::int64_t batch : {1, 16}) {
    comm.barrier();
    if (comm.rank() == 0) {
      master(comm, 200'000, batch);
      for (int worker = 1; worker < comm.size(); ++worker) comm.send(worker, stop, {});
      comm.flush();
      continue;
    }
    while (true) {
      const auto message = comm.poll(1s);
      if (!message) continue;
      if (message->tag == stop) break;
      comm.send(0, result, message->bytes);
    }
    comm.flush();
  }
  return 0;
}

}  // namespace
}  // namespace petavox

int main(int argc, char** argv) { return petavox::run_guarded(argc, argv, petavox::run); }
