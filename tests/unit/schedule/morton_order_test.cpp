#include "petavox/geometry/morton_order.hpp"

#include "petavox/geometry/merge_tree.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace petavox {
namespace {

TEST(MortonOrder, is_the_sorted_order_of_morton_positions) {
  for (const Extent grid : {Extent{1, 1, 1}, Extent{2, 2, 2}, Extent{3, 5, 7}, Extent{1, 1, 9},
                            Extent{8, 1, 3}, Extent{4, 16, 2}, Extent{5, 5, 1}}) {
    std::vector<Coord> expected;
    Box{{}, {grid.z, grid.y, grid.x}}.for_each([&](Coord p) { expected.push_back(p); });
    std::sort(expected.begin(), expected.end(), [](Coord a, Coord b) { return morton(a) < morton(b); });
    for (Index k = 0; k < grid.voxels(); ++k) {
      const Coord p = morton_nth(grid, k);
      EXPECT_EQ(p, expected[static_cast<std::size_t>(k)]) << to_string(grid) << " at " << k;
      EXPECT_EQ(morton_rank(grid, p), k);
    }
  }
}

TEST(MortonOrder, works_at_the_size_of_a_petavoxel) {
  const Extent grid{21, 1500, 2000};
  for (Index k = 0; k < grid.voxels(); k += 999'983) EXPECT_EQ(morton_rank(grid, morton_nth(grid, k)), k);
}

}  // namespace
}  // namespace petavox
