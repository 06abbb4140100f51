#include "stages/distance/distance.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/distance/kernel.hpp"

#include "unit/kernels/every_path.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::MemoryValue;
using testing::Random;

/// Every pair of voxels.
std::int64_t naive_square(const View<const std::uint32_t>& ids, Coord p, const distance::Grid& grid) {
  if (ids[p] == 0) return 0;
  std::int64_t least = std::int64_t{grid.bound} + 1;
  ids.box().for_each([&](Coord q) {
    if (ids[q] == ids[p]) return;
    std::int64_t square = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const std::int64_t d = (q[axis] - p[axis]) * grid.size[static_cast<std::size_t>(axis)];
      square += d * d;
    }
    least = std::min(least, square);
  });
  return least;
}

TEST(Distance, EqualsTheDefinitionOnRandomVolumes) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random{seed};
    const auto length = [&](std::uint64_t most) { return 1 + static_cast<Index>(random.below(most)); };
    const Box domain = Box::from({-4, 3, 7}, {length(9), length(12), length(40)});
    const VoxelSizeNm sizes[] = {{1, 1, 1}, {10, 10, 10}, {40, 4, 4}, {33, 6.5, 8}, {50, 9.2, 9.2}};
    const auto grid = distance::grid_of(sizes[random.below(5)], static_cast<double>(1 + random.below(300)));
    const Array ids = compacted(testing::random_labels(domain, 1 + random.below(9), seed)).ids.clone();
    Box core = domain;
    for (int axis = 0; axis < 3; ++axis) {
      core.begin[axis] += static_cast<Index>(random.below(2)) * (core.shape()[axis] - 1) / 2;
      core.end[axis] -= static_cast<Index>(random.below(2)) * (core.shape()[axis] - 1) / 2;
    }
    const Box read = core.grow(distance::halo_of(grid)).intersect(domain);
    Array part{DType::u32, read, domain};
    copy_box(ids, part, read);
    Array naive{DType::i32, core};
    core.for_each([&](Coord p) {
      naive.view<std::int32_t>()[p] =
          static_cast<std::int32_t>(naive_square(ids.view<std::uint32_t>(), p, grid));
    });
    testing::on_every_path([&](const std::string& path) {
      const Array found = distance::squared(part, core, grid);
      core.for_each([&](Coord p) {
        ASSERT_EQ(found.view<std::int32_t>()[p], naive.view<std::int32_t>()[p])
            << "path " << path << ", seed " << seed << ", voxel " << to_string(p) << ", core "
            << to_string(core) << ", domain " << to_string(domain);
      });
    });
  }
}

TEST(Distance, UnitsAreTheCoarsestPossible) {
  const auto isotropic = distance::grid_of({10, 10, 10}, 305);
  EXPECT_EQ(isotropic.size, (std::array<std::int32_t, 3>{1, 1, 1}));
  EXPECT_EQ(isotropic.unit_nm, 10);
  EXPECT_EQ(isotropic.bound, 930);
  EXPECT_EQ(distance::halo_of(isotropic), Halo::uniform(30));
  const auto thin = distance::grid_of({33, 4.5, 4.5}, 100);
  EXPECT_EQ(thin.size, (std::array<std::int32_t, 3>{22, 3, 3}));
  EXPECT_EQ(distance::halo_of(thin).low, (Extent{3, 22, 22}));
  EXPECT_THROW(distance::grid_of({33.001, 4.5, 4.5}, 1000), Error);
}

TEST(Distance, PassesTheStageKit) {
  testing::KitOptions options;
  options.rounds = 2;
  EXPECT_TRUE(testing::check_stage<Distance>({{"max_distance_nm", "3.5"}}, options));
  EXPECT_TRUE(testing::check_stage<Distance>({{"max_distance_nm", "1000"}}, options));
}

TEST(Distance, IsInNanometresAndEndsAtTheBound) {
  // A plane of another label at x = 0 of a row: 8 nm a voxel.
  const Box domain = Box::from({0, 0, 0}, {2, 2, 20});
  Array names{DType::u64, domain};
  domain.for_each([&](Coord p) { names.view<std::uint64_t>()[p] = p.x == 0 ? 1 : p.x == 19 ? 0 : 2; });
  testing::MemoryRunOptions options;
  options.voxel_size_nm = {30, 8, 8};
  const auto found = testing::run_in_memory(
      testing::make_program(testing::stage_type<Distance>(), {{"max_distance_nm", "50"}}),
      {{"segments", MemoryValue::labels(names)}}, options);
  const auto& out = found.at("distance").voxels();
  const float expected[] = {8, 8, 16, 24, 32, 40, 48, 50, 50, 50, 50, 50, 50, 48, 40, 32, 24, 16, 8, 0};
  domain.for_each([&](Coord p) { EXPECT_EQ(out.view<float>()[p], expected[p.x]) << to_string(p); });
}

TEST(Distance, OneLabelIsFarEverywhere) {
  const Box domain = Box::from({0, 0, 0}, {1, 13, 17});
  Array ids{DType::u32, domain};
  for (std::uint32_t& id : ids.view<std::uint32_t>().channel()) id = 3;
  const auto grid = distance::grid_of({1, 1, 1}, 1000);
  const Array squares = distance::squared(ids, domain, grid);
  for (const std::int32_t square : squares.view<std::int32_t>().channel()) EXPECT_EQ(square, grid.bound + 1);
}

}  // namespace
}  // namespace petavox
