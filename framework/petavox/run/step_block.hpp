#pragma once
// The world as one block of a map, or one leaf of a reduction, sees it: BlockInputs and BlockOutputs over the
// volumes of the plan. Promises: nothing outside the declared boxes can be read; outputs are masked.

#include "petavox/run/volume_access.hpp"

#include <map>

namespace petavox {

class StepInputs final : public BlockInputs {
 public:
  StepInputs(const DataAccess& data, const ResultLookup& results, const StepPlan& step, Index block);

  Box core() const override { return core_; }
  bool has(std::string_view port) const override;
  Box readable(std::string_view port) const override;
  Array image(std::string_view port, const Box& box) const override;
  LabelArray labels(std::string_view port, const Box& box) const override;
  LabelTable label_table(std::string_view port) const override;
  Table table(std::string_view port) const override;
  Bytes summary(std::string_view port) const override;
  std::optional<LabelArray> window(std::string_view port, Coord offset, const Box& box) const override;
  std::optional<Array> mask(const Box& box) const override;

  /// Logical bytes that the stage asked for.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  const ReadEdge& edge(std::string_view port, PortKind kind) const;
  const VolumePlan& volume(const ReadEdge& read) const { return data_.plan.volume(read.volume); }
  void check(const ReadEdge& read, const Box& box) const;

  const DataAccess& data_;
  const ResultLookup& results_;
  const StepPlan& step_;
  Index block_;
  Box core_;
  mutable std::atomic<std::uint64_t> bytes_read_{0};
};

class StepOutputs final : public BlockOutputs {
 public:
  StepOutputs(const Plan& plan, const StepPlan& step, Index block);

  Array& image(std::string_view port) override;
  LabelArray& labels(std::string_view port) override;
  Table& table(std::string_view port) override;

  /// Checks what the stage wrote, applies the mask and packs everything. Throws Error{contract}.
  Bytes pack(std::uint64_t key, const InputSet& inputs, const CodecOptions& image_codec,
             const CodecOptions& label_codec);
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  const WriteEdge& edge(std::string_view port, PortKind kind, std::size_t& number) const;
  const Plan& plan_;
  const StepPlan& step_;
  Box core_;
  std::map<std::size_t, Array> images_;
  std::map<std::size_t, LabelArray> labels_;
  std::map<std::size_t, Table> tables_;
  std::uint64_t bytes_written_ = 0;
};

/// Voxels and touched faces of each local id over `core`, a part of the array's box.
LabelTable make_label_table(const LabelArray& labels, const Box& core);

}  // namespace petavox
