// What `boundary` does beside voxels that hold nothing.

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/boundary/boundary.hpp"

#include <gtest/gtest.h>

namespace petavox::boundary_empty_test {

using testing::MemoryValue;
using testing::MemoryValues;

TEST(BoundaryEmpty, IsDecompositionInvariant) {
  testing::KitOptions options;
  options.inputs = [](std::uint64_t seed) {
    MemoryValues inputs;
    inputs.emplace("input",
                   MemoryValue::image(testing::ragged_image(Box::from({-2, 3, 5}, {5, 26, 31}), seed)));
    return inputs;
  };
  EXPECT_TRUE(testing::check_stage<Boundary>(
      {{"scales_nm", "[1, 1.6]"}, {"context_nm", "2"}, {"skip_zeros", "true"}}, options));
}

TEST(BoundaryEmpty, CellsThatReachTheRimStayApart) {
  // Two cells and a dark membrane between them at y = 20 and 21, cut off at x = 40 by nothing.
  Array image{DType::u8, Box::from({0, 0, 0}, {12, 42, 80})};
  const auto view = image.view<std::uint8_t>();
  image.box().for_each([&](Coord p) {
    view[p] = p.x >= 40 ? std::uint8_t{0} : p.y == 20 || p.y == 21 ? std::uint8_t{70} : std::uint8_t{160};
  });
  MemoryValues inputs;
  inputs.emplace("input", MemoryValue::image(std::move(image)));
  const auto across = [&](const char* skip_zeros) {
    const auto out = testing::run_in_memory(
        testing::make_program(testing::stage_type<Boundary>(),
                              {{"skip_zeros", skip_zeros}, {"scales_nm", "[1, 1.6]"}, {"context_nm", "4"}}),
        inputs);
    const auto a = out.at("affinities").voxels().view<std::uint8_t>();
    // The easiest way from one cell to the other, in a column.
    int easiest = 0;
    for (Index x = 0; x < 80; ++x) {
      int hardest = 255;
      for (Index y = 15; y <= 26; ++y) hardest = std::min<int>(hardest, a.at(1, {6, y, x}));
      easiest = std::max(easiest, hardest);
    }
    int beyond = 0;
    for (Index x = 40; x < 80; ++x)
      for (Index y = 0; y < 42; ++y)
        for (int k = 0; k < 3; ++k) beyond = std::max<int>(beyond, a.at(k, {6, y, x}));
    return std::pair{easiest, beyond};
  };
  const auto [easiest, beyond] = across("true");
  EXPECT_LT(easiest, 80);
  EXPECT_EQ(beyond, 0);
  EXPECT_GT(across("false").first, 180) << "otherwise cells are joined beyond the rim";
}

}  // namespace petavox::boundary_empty_test
