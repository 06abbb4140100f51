#pragma once
// The Communicator over MPI. This header names no MPI type, so that nothing else needs mpi.h.

#include "petavox/comm/communicator.hpp"

#include <memory>

namespace petavox {

struct MpiOptions {
  /// Longer messages are sent in parts of this size, each below the 2 GiB limit of MPI counts. >= 32.
  std::size_t part_bytes = std::size_t{1} << 28;
  /// Parts handed to MPI and not yet gone, for each receiver; the rest waits in the sender's queue.
  int max_in_flight = 64;
};

/// Collective. A communicator over all ranks, with a context of its own (MPI_Comm_dup). Expects an open MPI
/// session (mpi_session.hpp) with at least MPI_THREAD_FUNNELED, and that only one thread calls it.
/// Its destructor does not communicate and must run before the session ends.
std::unique_ptr<Communicator> make_mpi_communicator(const MpiOptions& options = {});

}  // namespace petavox
