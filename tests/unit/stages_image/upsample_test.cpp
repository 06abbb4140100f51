#include "stages/upsample/upsample.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include <gtest/gtest.h>

namespace petavox::upsample {
namespace {

/// An image of odd extents at a negative corner, and labels on the grid that `factor` makes of it.
testing::MemoryValues inputs_of(Extent factor, std::uint64_t seed) {
  const Box domain = Box::from({-5, 3, -1}, {7, 10, 13});
  return {{"input", testing::MemoryValue::image(
                        testing::random_image(DType::u8, domain, 1, testing::Texture::uniform, seed))},
          {"segments",
           testing::MemoryValue::labels(testing::random_labels(coarsened(domain, factor), 12, seed))}};
}

TEST(Upsample, IsDecompositionInvariant) {
  testing::KitOptions options;
  options.masks = false;
  options.inputs = [](std::uint64_t seed) { return inputs_of({2, 3, 4}, seed); };
  EXPECT_TRUE(testing::check_stage<Upsample>({{"factor", "[2, 3, 4]"}}, options));
}

TEST(Upsample, EveryVoxelHasTheNameOfItsCoarseVoxel) {
  const Extent factor{2, 3, 1};
  const Box domain = Box::from({-5, 3, -1}, {7, 10, 13});
  const LabelArray coarse = compacted(testing::random_labels(coarsened(domain, factor), 12, 4));
  // A part of the volume whose corner lies inside a coarse voxel.
  const Box part = Box::from({-4, 5, 2}, {5, 7, 6});
  LabelArray fine{Array{DType::u32, part}, {}};
  repeat(coarse, fine, factor);
  const auto in = coarse.ids.view<std::uint32_t>();
  const auto out = fine.ids.view<std::uint32_t>();
  std::vector<char> seen(fine.names.size() + 1, 0);
  part.for_each([&](Coord p) {
    const Coord q{floor_div(p.z, factor.z), floor_div(p.y, factor.y), floor_div(p.x, factor.x)};
    ASSERT_EQ(fine.name(out[p]), coarse.name(in[q])) << to_string(p);
    seen[out[p]] = 1;
  });
  for (std::size_t id = 1; id < seen.size(); ++id) EXPECT_TRUE(seen[id]) << "a name that no voxel has";
}

TEST(Upsample, LabelsOfAnotherGridAreRefused) {
  const auto program = testing::make_program(testing::stage_type<Upsample>(), {{"factor", "[2, 2, 4]"}});
  try {
    testing::run_in_memory(program, inputs_of({2, 3, 4}, 1));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string{error.what()}.find("set factor to"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace petavox::upsample
