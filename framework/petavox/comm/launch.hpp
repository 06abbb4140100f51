#pragma once
// How this process was started, found from its environment without touching MPI: initialising MPI as a
// singleton costs half a second, and a program without mpirun does not need it.

namespace petavox {

enum class Launch {
  alone,            ///< no launcher: run without MPI
  mpi,              ///< mpirun, or srun with PMIx: open an MPI session
  srun_without_mpi  ///< one of several srun tasks that MPI cannot connect: they would all do the same work
};

/// Local. Does not initialise MPI.
Launch detect_launch();

/// Local. The error to report for Launch::srun_without_mpi. Throws Error{config} then, else does nothing.
void require_connected_launch(Launch launch);

}  // namespace petavox
