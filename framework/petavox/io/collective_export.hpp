#pragma once
// The final export of a volume into one HDF5 file: the interface, and the exporter of a single process. The
// one that writes with all ranks at once through MPI-IO is in petavox/export.
// The file is re-creatable and never the record of truth: it is written under a temporary name and renamed
// when it is complete.

#include "petavox/io/hdf5_codec.hpp"
#include "petavox/volume/digest.hpp"
#include "petavox/volume/volume.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace petavox {

struct ExportTarget {
  std::filesystem::path file;
  std::string dataset = "/data";
  Extent chunk_shape{64, 64, 64};  ///< z,y,x; clipped to the volume
  Hdf5Codec codec;
  bool overwrite = false;  ///< else an existing file is an error
  std::size_t buffer_bytes = std::size_t{64}
                             << 20;  ///< voxels held by each rank at a time (at least one chunk)
};

struct ExportReport {
  std::uint64_t file_bytes = 0;
  DigestSum digest;  ///< of all voxels written: finish_digest() gives the digest of the volume
};

class CollectiveExporter {
 public:
  virtual ~CollectiveExporter() = default;
  /// Collective: every rank calls it with a source of its own that shows the same voxels, and the same
  /// target. All ranks return the same report, or all throw: Error{io} or {resource} with the text of the
  /// lowest rank that failed.
  virtual ExportReport export_volume(const Volume& source, const ExportTarget& target) = 0;
};

/// Writes alone, with the default file driver. Collective over one rank.
std::unique_ptr<CollectiveExporter> make_serial_exporter();

}  // namespace petavox
