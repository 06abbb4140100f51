#pragma once
// The inputs of a run, opened once in each process: volumes, and the mask.
// Promises: what is read lies inside `box:`, and is 0 where the mask says so. Thread-safe after open().

#include "petavox/pipeline/plan.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace petavox {

/// Opens what an InputSpec names (HDF5, images, a phantom). Given by the program, so that the framework need
/// not know every source. Throws Error{io} or Error{config}.
using InputOpener = std::function<std::unique_ptr<Volume>(const InputSpec&)>;

class InputSet {
 public:
  /// Local. Opens every input and the mask. Problems go to `problems`, all of them.
  static std::unique_ptr<InputSet> open(const RunConfig& config, const InputOpener& opener,
                                        Problems& problems);

  const std::vector<InputInfo>& infos() const { return infos_; }

  /// The voxels of `box` of input i, with the run's domain of that input as array domain; masked.
  Array read(int input, const Box& box) const;

  bool masked() const { return mask_ != nullptr; }
  /// uint8, 1 inside: for voxels of a volume that has `factor` voxels of the main input per voxel and the
  /// given domain. Nothing if the run has no mask.
  std::optional<Array> mask(const Box& box, const Box& domain, Extent factor) const;

 private:
  std::vector<std::unique_ptr<Volume>> volumes_;
  std::vector<InputInfo> infos_;
  std::unique_ptr<Volume> mask_;
  bool invert_mask_ = false;
  Extent mask_factor_{1, 1, 1};  // voxels of the main input per voxel of the mask
};

/// Sets the voxels of all channels to 0 where `mask` (same box, uint8) is 0.
void apply_mask(Array& array, const Array& mask);

}  // namespace petavox
