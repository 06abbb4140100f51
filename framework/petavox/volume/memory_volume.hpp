#pragma once
// A volume in memory, for tests, small inputs and the oracle.
// Thread safety: concurrent reads, and writes to disjoint boxes.

#include "petavox/volume/volume.hpp"

namespace petavox {

class MemoryVolume final : public WritableVolume {
 public:
  MemoryVolume(DType type, const Box& domain, int channels = 1, VoxelSizeNm voxel_size = {1, 1, 1})
      : array_{type, domain, domain, channels}, voxel_size_{voxel_size} {}
  explicit MemoryVolume(Array array) : array_{std::move(array)} {}

  Box domain() const override { return array_.box(); }
  DType dtype() const override { return array_.dtype(); }
  int channels() const override { return array_.channels(); }
  VoxelSizeNm voxel_size_nm() const override { return voxel_size_; }
  void read(Array& into) const override { copy_box(array_, into, into.box()); }
  void write(const Array& core) override { copy_box(core, array_, core.box()); }
  Array& array() { return array_; }
  const Array& array() const { return array_; }

 private:
  Array array_;
  VoxelSizeNm voxel_size_{1, 1, 1};
};

}  // namespace petavox
