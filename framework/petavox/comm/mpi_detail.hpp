#pragma once
// Between mpi_session.cpp and mpi_communicator.cpp.

#include "petavox/comm/communicator.hpp"

namespace petavox::detail {

enum class Reach { all_ranks, this_rank };

/// Local. The one MPI_Abort of petavox: ends all ranks, or this one where MPI_Finalize would hang.
[[noreturn]] void end_without_finalize(int code, Reach reach);

/// Local. Has forget() been called? Expects a communicator of make_mpi_communicator.
bool lost_peer(const Communicator& comm);

}  // namespace petavox::detail
