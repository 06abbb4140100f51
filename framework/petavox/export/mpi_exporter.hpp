#pragma once
// The final export by all ranks at once: collective, filtered writes through MPI-IO into one HDF5 file.
// The only place of petavox with both mpi.h and hdf5.h.

#include "petavox/io/collective_export.hpp"

#include <memory>

#include <mpi.h>

namespace petavox {

/// The exporter of the ranks of `comm`, which must outlive it. Collective. One thread of each rank uses it at a time;
/// MPI_THREAD_SERIALIZED suffices. Do not use it after a rank has died.
std::unique_ptr<CollectiveExporter> make_mpi_exporter(MPI_Comm comm);

}  // namespace petavox
