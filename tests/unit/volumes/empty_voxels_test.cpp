// Voxels that hold nothing: which they are, what they are filled with, and what is said of them.

#include "petavox/volume/empty_voxels.hpp"

#include "petavox/testing/random_inputs.hpp"

#include <array>

#include <gtest/gtest.h>

namespace petavox::empty_voxels_test {

TEST(EmptyVoxels, AreFoundInWhatTheImageHolds) {
  const Box box = Box::from({1, 2, 3}, {2, 5, 6});
  Array image{DType::u16, box};
  box.for_each([&](Coord p) { image.view<std::uint16_t>()[p] = p.x < 5 ? 0 : 300; });
  const EmptyVoxels some = empty_voxels(image, Box::from({0, 0, 0}, {9, 9, 9}));
  EXPECT_EQ(some.box, box);
  EXPECT_TRUE(some.any && !some.all);
  box.for_each([&](Coord p) { EXPECT_EQ(some.at(p), p.x < 5) << to_string(p); });
  EXPECT_FALSE(some.at({1, 2, 2})) << "it is not held";
  EXPECT_TRUE(empty_voxels(image, Box{{1, 2, 3}, {3, 7, 5}}).all);
  EXPECT_FALSE(empty_voxels(image, Box{{1, 2, 5}, {3, 7, 9}}).any);
}

TEST(EmptyVoxels, AreFilledWithTheNearestOfTheSection) {
  const Box box = Box::from({0, -4, 2}, {4, 19, 23});
  const Extent reach{0, 4, 5};
  const Array image = testing::ragged_image(box, 7);
  Array filled = image.clone();
  fill_empty(filled, reach, 77.4);
  const auto in = image.view<std::uint8_t>();
  const auto out = std::as_const(filled).view<std::uint8_t>();
  Index nowhere = 0, moved = 0;
  box.for_each([&](Coord p) {
    if (in[p] != 0) {
      ASSERT_EQ(out[p], in[p]) << to_string(p);
      return;
    }
    // By the order of the header: distance, nearer row, upper row, left column.
    std::array<Index, 4> best{1000, 0, 0, 0};
    int expected = 77;
    for (Index dy = -reach.y; dy <= reach.y; ++dy)
      for (Index dx = -reach.x; dx <= reach.x; ++dx) {
        const Coord q{p.z, p.y + dy, p.x + dx};
        if (!box.contains(q) || in[q] == 0) continue;
        const std::array<Index, 4> key{dy * dy + dx * dx, std::abs(dy), dy, dx};
        if (key < best) {
          best = key;
          expected = in[q];
        }
      }
    (best[0] == 1000 ? nowhere : moved) += 1;
    ASSERT_EQ(out[p], expected) << to_string(p);
  });
  EXPECT_GT(nowhere, 100) << "a whole section is empty";
  EXPECT_GT(moved, 100);
}

TEST(EmptyVoxels, AreLeftOutWithThePairsThatTheyAreIn) {
  const Box box = Box::from({0, 0, 0}, {3, 6, 8});
  const Array image = testing::ragged_image(box, 3);
  const EmptyVoxels empty = empty_voxels(image, box);
  const std::vector<Coord> offsets{{1, 0, 0}, {0, 0, 3}};
  Array pairs{DType::u8, box, 2}, voxels{DType::u8, box, 2};
  for (Array* const array : {&pairs, &voxels})
    for (int c = 0; c < 2; ++c) box.for_each([&](Coord p) { array->view<std::uint8_t>().at(c, p) = 7; });
  leave_out(empty, offsets, pairs.view<std::uint8_t>());
  leave_out(empty, {}, voxels.view<std::uint8_t>());
  const auto in = image.view<std::uint8_t>();
  box.for_each([&](Coord p) {
    for (int c = 0; c < 2; ++c) {
      const Coord offset = offsets[static_cast<std::size_t>(c)];
      const Coord q{p.z - offset.z, p.y - offset.y, p.x - offset.x};
      const bool gone = in[p] == 0 || (box.contains(q) && in[q] == 0);
      EXPECT_EQ(pairs.view<std::uint8_t>().at(c, p), gone ? 0 : 7) << to_string(p);
      EXPECT_EQ(voxels.view<std::uint8_t>().at(c, p), in[p] == 0 ? 0 : 7) << to_string(p);
    }
  });
}

}  // namespace petavox::empty_voxels_test
