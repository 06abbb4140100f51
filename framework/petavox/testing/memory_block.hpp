#pragma once
// One block in memory: for tests that call a stage's run() directly, and for the kits.
// MemoryInputs hands out what the contract declares and nothing else; MemoryOutputs checks what a stage
// wrote.

#include "petavox/stage/tree_reduction.hpp"
#include "petavox/testing/memory_values.hpp"

#include <map>
#include <string>

namespace petavox::testing {

/// The inputs of the block that writes `core`. Ports are connected by name.
class MemoryInputs final : public BlockInputs {
 public:
  MemoryInputs(Contract contract, const Box& core) : contract_{std::move(contract)}, core_{core} {}
  /// Throws Error{contract} if the stage has no such port, or one of another kind, type or channel count.
  void connect(const std::string& port, MemoryValue value);
  /// uint8 over the whole domain of the inputs; nothing is hidden without.
  void set_mask(std::shared_ptr<const Array> mask) { mask_ = std::move(mask); }

  Box core() const override { return core_; }
  bool has(std::string_view port) const override { return values_.contains(std::string{port}); }
  Box readable(std::string_view port) const override;
  using BlockInputs::image;
  using BlockInputs::labels;
  Array image(std::string_view port, const Box& box) const override;
  LabelArray labels(std::string_view port, const Box& box) const override;
  LabelTable label_table(std::string_view port) const override;
  Table table(std::string_view port) const override;
  Bytes summary(std::string_view port) const override;
  std::optional<LabelArray> window(std::string_view port, Coord offset, const Box& box) const override;
  std::optional<Array> mask(const Box& box) const override;

 private:
  const InPort& declared(std::string_view port, PortKind kind) const;
  const MemoryValue& value(std::string_view port, PortKind kind) const;
  void check_box(std::string_view port, const Box& box) const;

  Contract contract_;
  Box core_;
  std::map<std::string, MemoryValue> values_;
  std::shared_ptr<const Array> mask_;
};

/// The outputs of the block that writes `core`, zero-filled.
class MemoryOutputs final : public BlockOutputs {
 public:
  /// `domain` is that of the outputs; `setup` describes the first image or labels read.
  MemoryOutputs(const Contract& contract, const Box& core, const Box& domain, const Setup& setup);

  Array& image(std::string_view port) override;
  LabelArray& labels(std::string_view port) override;
  Table& table(std::string_view port) override;
  /// Throws Error{contract} if a stage replaced an output by one of another box or type, gave an id without a
  /// name, or a name that is 0.
  void check() const;

 private:
  [[noreturn]] static void no_such(std::string_view port);
  struct Expected {
    DType dtype;
    Box box;
    int channels;
  };
  std::map<std::string, Array, std::less<>> images_;
  std::map<std::string, LabelArray, std::less<>> labels_;
  std::map<std::string, Table, std::less<>> tables_;
  std::map<std::string, Expected, std::less<>> expected_;
};

/// Sets the voxels outside the mask to zero, in an array on the mask's own grid.
void apply_mask(const Array& mask, Array& voxels);

}  // namespace petavox::testing
