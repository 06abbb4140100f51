#pragma once
// What a stage sees of the world while it works on one block: its declared inputs, its outputs, and a context
// without rank, block number or clock.

#include "petavox/base/hash.hpp"
#include "petavox/stage/contract.hpp"
#include "petavox/volume/label_array.hpp"
#include "petavox/volume/label_table.hpp"

#include <optional>
#include <string_view>

namespace petavox {

/// The declared inputs of a block. Reads are lazy: ask for slabs where a slab is enough. All boxes are
/// absolute and must lie inside what the contract declared, clipped to the domain; beyond it Error{contract}
/// is thrown.
class BlockInputs {
 public:
  virtual ~BlockInputs() = default;

  /// The voxels that this block writes (in the coordinates of the output).
  virtual Box core() const = 0;
  /// True if the port is connected.
  virtual bool has(std::string_view port) const = 0;
  /// The box that the port declared for this core, clipped to the domain of what it reads.
  virtual Box readable(std::string_view port) const = 0;

  virtual Array image(std::string_view port, const Box& box) const = 0;
  Array image(std::string_view port) const { return image(port, readable(port)); }
  /// Names are distinct and never 0.
  virtual LabelArray labels(std::string_view port, const Box& box) const = 0;
  LabelArray labels(std::string_view port) const { return labels(port, readable(port)); }
  /// Of the block at the same place, whose core is core().
  virtual LabelTable label_table(std::string_view port) const = 0;
  virtual Table table(std::string_view port) const = 0;
  virtual Bytes summary(std::string_view port) const = 0;
  /// For windowed labels (OutPort::window): the version of `box` that the block `offset` grid steps away
  /// wrote. Nothing if there is no such block or it does not reach into `box`.
  virtual std::optional<LabelArray> window(std::string_view port, Coord offset, const Box& box) const = 0;
  /// 1 inside the run's mask, 0 outside, over any box of the domain read; nothing if the run has no mask.
  /// Outputs are masked by the framework: a stage needs this only where voxels outside could connect others.
  virtual std::optional<Array> mask(const Box& box) const = 0;
};

/// The outputs of a block, one for each declared port, over the core (or window).
class BlockOutputs {
 public:
  virtual ~BlockOutputs() = default;
  /// Zero-filled, to be filled in place.
  virtual Array& image(std::string_view port) = 0;
  /// ids are zero-filled over the core (or window); names are empty.
  virtual LabelArray& labels(std::string_view port) = 0;
  virtual Table& table(std::string_view port) = 0;
};

/// The same for every block of a run.
class BlockContext {
 public:
  BlockContext(const Box& domain, VoxelSizeNm voxel_size_nm, std::uint64_t seed)
      : domain_{domain}, voxel_size_nm_{voxel_size_nm}, seed_{seed} {}
  /// The whole volume that the first image or label port reads.
  const Box& domain() const { return domain_; }
  const VoxelSizeNm& voxel_size_nm() const { return voxel_size_nm_; }
  /// Of the run: for those who pass a context on. Stages ask for random().
  std::uint64_t seed() const { return seed_; }
  /// 64 random bits of a voxel: a function of the run's seed and the absolute coordinate only.
  std::uint64_t random(Coord p) const {
    return mix64(seed_ ^ mix64(static_cast<std::uint64_t>(p.z) * 0x9e3779b97f4a7c15ULL +
                               mix64(static_cast<std::uint64_t>(p.y) * 0xc2b2ae3d27d4eb4fULL +
                                     mix64(static_cast<std::uint64_t>(p.x)))));
  }

 private:
  Box domain_;
  VoxelSizeNm voxel_size_nm_;
  std::uint64_t seed_;
};

}  // namespace petavox
