#pragma once
// The conformance kits: one line proves that a stage gives the same answer on every cutting of the volume.
//
//   TEST(Invert, IsDecompositionInvariant) { EXPECT_TRUE(petavox::testing::check_stage<Invert>()); }
//
// A run on one block is the oracle. It is compared, for several random volumes of every accepted type, with
// and without a mask, at odd and negative corners of the domain, with runs on blocks of 2x2x2, 7x5x3, slabs
// one voxel thick and blocks larger than the volume, in shuffled orders. Reductions are run on random
// guillotine cuttings too: children in either order, without early settling, with states spilled to files.
// Compared are images, labels and summaries; tables are not, because they belong to blocks.
// The first difference is reported with the volume, the blocks and the voxel.

#include "petavox/testing/memory_run.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace petavox::testing {

struct KitOptions {
  ParamTexts params{};
  /// Inputs that every run gets instead of random ones (masks and domains are then not varied), by volume or
  /// port.
  std::function<MemoryValues(std::uint64_t seed)> inputs{};
  std::vector<Box> domains{};          ///< empty: three small odd ones
  std::vector<Extent> block_shapes{};  ///< empty: those named above
  bool masks = true;                   ///< also with a random mask
  int rounds = 1;                      ///< random volumes of each kind
  int guillotine_rounds = 4;           ///< random cuttings of each volume, for programs that reduce
  std::uint64_t seed = 1;
};

/// The kit for a stage of any number of steps.
::testing::AssertionResult check_stage_type(const StageType& type, const KitOptions& options = {});

/// The kit for a class derived from Stage or TreeReduction, with parameters as texts: {{"sigma", "2"}}.
template <class S>
::testing::AssertionResult check_stage(ParamTexts params = {}, KitOptions options = {}) {
  options.params = std::move(params);
  return check_stage_type(stage_type<S>(), options);
}

/// The StageType of a typed reduction R with R::name, R::summary and a constructor R(Params&).
template <Reduction R>
StageType reduction_type() {
  return {std::string{R::name}, std::string{R::summary}, "built-in", [](Params& params) {
            StageProgram program;
            program.steps.emplace_back(std::make_unique<TreeReductionOf<R>>(params));
            return program;
          }};
}

/// The kit for a typed reduction whose leaves read images and labels only.
template <Reduction R>
::testing::AssertionResult check_reduction(ParamTexts params = {}, KitOptions options = {}) {
  options.params = std::move(params);
  return check_stage_type(reduction_type<R>(), options);
}

/// Equal domains, types and voxels, summaries byte by byte; tables are ignored. Names the first difference.
::testing::AssertionResult same_values(const MemoryValues& expected, const MemoryValues& found);
/// Equal arrays: digests first, then the first differing voxel.
::testing::AssertionResult same_voxels(const Array& expected, const Array& found);

}  // namespace petavox::testing
