#pragma once
// The interface of everything that holds voxels: memory, HDF5 files, image stacks, a run's shard sets and
// packs.

#include "petavox/volume/array.hpp"

#include <array>

namespace petavox {

/// Physical size of a voxel, z,y,x, in nanometres.
using VoxelSizeNm = std::array<double, 3>;

class Volume {
 public:
  virtual ~Volume() = default;
  virtual Box domain() const = 0;
  virtual DType dtype() const = 0;
  virtual int channels() const { return 1; }
  /// Unknown sizes are 1,1,1.
  virtual VoxelSizeNm voxel_size_nm() const { return {1, 1, 1}; }

  /// Fills into.box(), which must be inside the domain, with this volume's type and channels.
  /// Thread-safe. Throws Error{io} naming the object and the box; Error{contract} on a wrong type or box.
  virtual void read(Array& into) const = 0;

  /// Reads a box into a new array whose domain is this volume's.
  Array read_box(const Box& box) const {
    Array array{dtype(), box, domain(), channels()};
    read(array);
    return array;
  }
};

/// A volume that can be written. Disjoint, chunk-aligned boxes may be written at once.
class WritableVolume : public Volume {
 public:
  virtual void write(const Array& core) = 0;
};

}  // namespace petavox
