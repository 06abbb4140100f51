#pragma once
// The one owner of the MPI session: MPI_Init, the way out, and the only MPI_Abort of petavox.

#include "petavox/comm/mpi_communicator.hpp"

#include <functional>

namespace petavox {

/// Collective. Opens MPI, calls `body` on every rank, closes MPI and returns the exit code for main().
/// The ways out:
///  - `body` returns a code: all ranks are expected to return (agree_verdict, or the master's last message).
///    MPI is finalised and the code returned. mpirun exits with the first code that is not 0.
///  - `body` throws on any rank: the error is logged, and all ranks are ended with its exit code
///    (exit_code_of), because the others may be waiting for this one.
///  - a peer was given up for dead (Communicator::forget): MPI is never finalised, which could hang; the
///    process leaves at once with the code that `body` returned. Buffered standard streams are flushed, but
///    destructors of static objects do not run, and control does not return to main().
int run_guarded(int& argc, char**& argv, const std::function<int(Communicator&)>& body,
                const MpiOptions& options = {});

}  // namespace petavox
