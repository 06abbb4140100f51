#pragma once
// The final export by all ranks at once: collective, filtered writes through MPI-IO into one HDF5 file.
// This header names no MPI type, so that nothing else needs mpi.h.

#include "petavox/io/collective_export.hpp"

#include <memory>

namespace petavox {

/// Local. An exporter over all ranks of the MPI session, which must be open with at least MPI_THREAD_FUNNELED
/// when it is used, by the main thread of each rank. Not to be used after a rank has died: a collective would
/// hang.
std::unique_ptr<CollectiveExporter> make_mpi_exporter();

}  // namespace petavox
