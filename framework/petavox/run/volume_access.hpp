#pragma once
// Reading the volumes of a plan, whatever made them: inputs, or the results of finished tasks.

#include "petavox/run/inputs.hpp"
#include "petavox/run/object_store.hpp"

#include <atomic>

namespace petavox {

/// Everything that a task of a process needs to read. Thread-safe; outlives the tasks.
struct DataAccess {
  const Plan& plan;
  const InputSet& inputs;
  const ObjectStore& store;
};

/// The voxels of `box`, inside the volume's domain. Labels are read as names (uint64). Throws CorruptInput.
Array read_voxels(const DataAccess& data, const ResultLookup& results, int volume, const Box& box);
/// Local ids with distinct names.
LabelArray read_labels(const DataAccess& data, const ResultLookup& results, int volume, const Box& box);
/// Names, sizes and faces of a block's local ids; empty if the block was skipped.
LabelTable read_label_table(const DataAccess& data, const ResultLookup& results, int volume, Index block);

/// A volume of the plan as a Volume, for writing shards.
class PlanVolume final : public Volume {
 public:
  PlanVolume(const DataAccess& data, const ResultLookup& results, int volume)
      : data_{data}, results_{results}, volume_{volume} {}
  Box domain() const override { return plan().domain; }
  DType dtype() const override { return plan().dtype; }
  int channels() const override { return plan().channels; }
  VoxelSizeNm voxel_size_nm() const override { return plan().voxel_size_nm; }
  void read(Array& into) const override;
  /// Bytes handed out so far.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  const VolumePlan& plan() const { return data_.plan.volume(volume_); }
  const DataAccess& data_;
  const ResultLookup& results_;
  int volume_;
  mutable std::atomic<std::uint64_t> bytes_read_{0};
};

}  // namespace petavox
