#pragma once
// What a stage reads and writes, declared before any data is touched: the planner derives the schedule, the
// memory and the I/O from it, and a stage cannot reach anything else.

#include "petavox/geometry/box.hpp"
#include "petavox/stage/table.hpp"
#include "petavox/volume/volume.hpp"

#include <array>
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

/// From the core that a block writes to the box that it may read: the core in the coordinates of what is
/// read, then the halo. Where the place of what is read is only known from data (an alignment), `whole` axes
/// give the upper bound, and `held_voxels` keeps memory known before the run.
struct Reads {
  Extent factor{1, 1, 1};       ///< voxels read per voxel written, per axis
  Halo halo{};                  ///< in voxels of what is read
  Extent divisor{1, 1, 1};      ///< voxels written per voxel read, per axis: of a coarser volume
  std::array<bool, 3> whole{};  ///< axes that are read over the whole volume, wherever the core is
  Index held_voxels = 0;        ///< the stage asks for at most so many voxels at once; 0: for any box
  /// `domain` is that of the volume read. Not clipped to it.
  Box box(const Box& core, const Box& domain) const {
    Box read = refined(coarsened(core, divisor), factor).grow(halo);
    return over_whole_axes(read, domain);
  }
  /// The inverse: the cores whose box() touches `region` of what is read are those that touch this box.
  /// `domain` is that of what is written.
  Box readers(const Box& region, const Box& domain) const {
    const Box grown = region.grow({halo.high, halo.low});
    return over_whole_axes(refined(coarsened(grown, factor), divisor), domain);
  }

 private:
  Box over_whole_axes(Box box, const Box& domain) const {
    for (int axis = 0; axis < 3; ++axis)
      if (whole[static_cast<std::size_t>(axis)]) {
        box.begin[axis] = domain.begin[axis];
        box.end[axis] = domain.end[axis];
      }
    return box;
  }
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
  bool masked = true;             ///< set to 0 outside the run's mask; false: not in the input's frame
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
  /// The domain of what is written, if it is not that of the first volume read, coarsened by OutPort::factor.
  std::optional<Box> domain{};
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
