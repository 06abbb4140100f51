// Leaves an MPI session in the way that its argument says: see CMakeLists.txt for the exit codes expected.

#include "petavox/base/error.hpp"
#include "petavox/comm/mpi_session.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

using namespace petavox;

namespace {

// Waits for a message that never comes, as a worker does whose master has failed.
int wait_for_ever(Communicator& comm) {
  while (true) comm.poll(std::chrono::seconds{10});
}

int leave(Communicator& comm, const std::string& how) {
  const bool last = comm.rank() == comm.size() - 1;
  if (how == "all_done") return 0;
  if (how == "agreed") return agree_verdict(comm, last ? 2 : 0);
  if (how == "master_only") return comm.rank() == 0 ? 4 : 0;
  if (how == "config_on_one") {
    if (last) throw Error{ErrorCode::config, "planned (a test); do nothing"};
    return wait_for_ever(comm);
  }
  if (how == "io_on_master") {
    if (comm.rank() == 0) throw Error{ErrorCode::io, "planned (a test); do nothing"};
    return wait_for_ever(comm);
  }
  if (how == "out_of_memory_on_one") {
    if (last) throw std::bad_alloc{};
    return wait_for_ever(comm);
  }
  if (how == "unknown_on_one") {
    if (last) throw std::runtime_error{"planned"};
    return wait_for_ever(comm);
  }
  if (how == "no_exception_on_one") {
    if (last) throw 7;
    return wait_for_ever(comm);
  }
  if (how == "abort_on_one") {
    if (last) comm.abort(75);
    return wait_for_ever(comm);
  }
  // The last rank is killed; the others go on, and leave without MPI_Finalize.
  if (how == "one_dies") {
    comm.barrier();
    if (last) std::raise(SIGKILL);
    comm.forget(comm.size() - 1);
    if (comm.rank() == 0) {
      for (int from = 1; from < comm.size() - 1; ++from)
        if (!comm.poll(std::chrono::seconds{30})) return 1;
      std::puts("the survivors have talked");
    } else {
      comm.send(0, 0, {});
      comm.flush();
    }
    return 0;
  }
  throw Error{ErrorCode::config, "unknown way out " + how + " (this is a test program); read its source"};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  return run_guarded(argc, argv, [&](Communicator& comm) { return leave(comm, how); });
}
