#pragma once
// What the exporters share: how a volume is cut into pieces that are read and written at a time. Internal to
// petavox/io and petavox/export.

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/collective_export.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"

namespace petavox::hdf5 {

struct ExportPlan {
  ChunkedLayout layout;
  Box domain;
  Tiling pieces;  ///< of the domain: whole chunks, each within the target's buffer
};

/// A function of the volume's shape and the target only. Throws Error{config} for impossible chunks.
ExportPlan plan_export(const Volume& source, const ExportTarget& target);

/// Throws Error{io} if the target exists and may not be overwritten, or is no regular file.
void check_target(const ExportTarget& target);

}  // namespace petavox::hdf5
