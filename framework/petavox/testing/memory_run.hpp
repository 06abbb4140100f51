#pragma once
// A whole stage in memory, step by step, on any cutting of the domain: the oracle of the kits, and the
// shortest way to run a chain of stages in a test. Executes map, up, down and resolve exactly as a run does
// (docs/decisions/0001-execution-model.md), without files, ranks or journal, and checks what the interfaces
// promise on the way.

#include "petavox/reduce/reduction.hpp"
#include "petavox/stage/registry.hpp"
#include "petavox/testing/memory_values.hpp"

#include <memory>
#include <optional>

namespace petavox::testing {

struct MemoryRunOptions {
  Extent block_shape{64, 64, 64};
  /// Instead of block_shape: a random guillotine cutting (not for steps on a lattice of their own).
  std::optional<std::uint64_t> guillotine_seed{};
  std::size_t guillotine_blocks = 12;
  /// Blocks and tree nodes run in an order shuffled by this; 0: in order.
  std::uint64_t order_seed = 0;
  TunableReduction::Tuning tuning{};
  std::size_t reduction_memory_bytes = std::size_t{1} << 30;
  std::string scratch_dir{};
  /// uint8 over the domain of the inputs; blocks wholly outside are skipped.
  std::shared_ptr<const Array> mask{};
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::uint64_t seed = 0;  ///< of BlockContext::random
};

/// Runs the steps. A port is connected to what an earlier step wrote under its name, else to the input called
/// InPort::volume, else to the input of its own name. Returns what the program exports.
/// Throws whatever a stage throws; Error{config} for an unconnected port; Error{contract} or Error{internal}
/// where a step breaks a promise of its interface.
MemoryValues run_in_memory(const StageProgram& program, const MemoryValues& inputs,
                           const MemoryRunOptions& options = {});

/// Makes the program of a stage from parameters written as in a configuration; lists in brackets.
/// Throws Error{config}.
using ParamTexts = std::vector<std::pair<std::string, std::string>>;
StageProgram make_program(const StageType& type, const ParamTexts& params);

/// The StageType of a class as StageRegistry::add<S>() would make it.
template <class S>
StageType stage_type() {
  StageRegistry registry;
  registry.add<S>();
  return *registry.find(std::string{S::name});
}

}  // namespace petavox::testing
