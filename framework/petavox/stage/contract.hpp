#pragma once
// What a stage reads and writes, declared before any data is touched: the planner derives the schedule, the
// memory and the I/O from it, and a stage cannot reach anything else.

#include "petavox/geometry/box.hpp"
#include "petavox/stage/table.hpp"
#include "petavox/volume/volume.hpp"

#include <optional>
#include <string>
#include <vector>

namespace petavox {

enum class PortKind {
  image,    ///< voxels of any type and number of channels
  labels,   ///< objects: local ids and names (LabelArray)
  table,    ///< rows that belong to a block
  summary,  ///< the result of a reduction over the whole volume: one byte string
};
const char* name_of(PortKind kind) noexcept;

/// From the core that a block writes to the box that it reads: coarse core x factor, then the halo.
struct Reads {
  Extent factor{1, 1, 1};  ///< voxels read per voxel written, per axis
  Halo halo;               ///< in voxels of what is read
  Box box(const Box& core) const { return refined(core, factor).grow(halo); }
};

struct InPort {
  std::string name;
  PortKind kind = PortKind::image;
  DTypeSet accepts = DTypeSet::any();  ///< of an image
  int channels = 1;                    ///< of an image; 0: any number
  Reads reads{};
  std::string volume{};           ///< what it is connected to unless the config says otherwise; empty: `name`
  std::vector<Column> columns{};  ///< of a table
  bool optional = false;          ///< may stay unconnected
};

struct OutPort {
  std::string name;
  PortKind kind = PortKind::image;
  std::optional<DType> dtype{};   ///< of an image; nothing: that of the first image read
  int channels = 1;               ///< of an image; 0: as many as the first image read
  Extent factor{1, 1, 1};         ///< the output's domain is the input's, coarsened by this
  Halo window{};                  ///< labels are written over the core grown by this (for `stitch`)
  std::vector<Column> columns{};  ///< of a table
};

struct Contract {
  std::vector<InPort> reads;
  std::vector<OutPort> writes;
  /// Working memory beyond inputs and outputs, in bytes per voxel of the box that is read.
  double scratch_bytes_per_voxel = 0;
  /// The lattice on which the stage works instead of `blocks.shape`, fixed in the domain; zero: blocks.shape.
  /// For stages that are not decomposition-free.
  Extent subvolume{0, 0, 0};
};

/// What is known of the volume that the first image or label port reads, when a contract is asked for.
/// The names and kinds of ports must not depend on it; halos and lattices may.
struct Setup {
  Box domain{{0, 0, 0}, {1, 1, 1}};
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  DType dtype = DType::u8;
  int channels = 1;
};

}  // namespace petavox
