// Components and watershed on volumes that are wide, thin, odd or absurd: against the definition, and the
// same on every vector path.

#include "petavox/testing/random_inputs.hpp"

#include "stages/components/kernel.hpp"
#include "stages/watershed/kernel.hpp"

#include "unit/kernels/every_path.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::on_every_path;
using testing::Random;

const Extent shapes[] = {{3, 5, 131}, {2, 3, 64},  {4, 3, 65},  {1, 1, 1},
                         {1, 7, 129}, {257, 1, 1}, {1, 127, 1}, {5, 7, 11}};

template <class Array1>
void expect_same_bytes(const Array1& a, const Array1& b, const std::string& what) {
  ASSERT_TRUE(std::ranges::equal(a.bytes(), b.bytes())) << what;
}

Array few_labels(Extent shape, std::uint64_t seed) {
  // Beyond 2^32 and beyond 2^63; lumps along x so that runs cross words.
  const std::uint64_t values[] = {
      0, 1, std::uint64_t{1} << 32, (std::uint64_t{1} << 32) + 1, std::uint64_t{1} << 63, ~std::uint64_t{0}};
  Random random{seed};
  Array labels{DType::u64, Box::from({3, -2, 5}, shape)};
  std::uint64_t last = 1;
  for (std::uint64_t& v : labels.view<std::uint64_t>().channel())
    v = last = random.below(5) == 0 ? values[random.below(6)] : last;
  return labels;
}

TEST(LabelKernels, ComponentsOfWideAndThinVolumesAreThoseOfTheDefinition) {
  for (const Extent shape : shapes)
    for (const int connectivity : {6, 18, 26})
      for (std::uint64_t seed = 1; seed < 5; ++seed) {
        const Array labels = few_labels(shape, seed);
        const Array expected = testing::naive_components(labels, connectivity);
        on_every_path([&](const std::string& path) {
          LabelArray fragments{Array{DType::u32, labels.box()}, {}};
          components::fragments_of(labels, std::nullopt, {}, connectivity, fragments);
          expect_same_bytes(expanded(fragments), expected,
                            path + " " + to_string(labels.box()) + " " + std::to_string(connectivity));
        });
      }
}

TEST(LabelKernels, WatershedIsTheSameOnEveryPath) {
  for (const Extent shape : shapes)
    for (const DType type : {DType::u8, DType::u16})
      for (int texture = 0; texture < testing::num_textures; ++texture) {
        const Box domain = Box::from({0, 0, 0}, {shape.z + 2, shape.y + 2, shape.x + 2});
        const Array affinities =
            testing::random_image(type, domain, 3, static_cast<testing::Texture>(texture), 5);
        const Array mask = testing::random_mask(domain, 8);
        for (const bool masked : {false, true}) {
          std::optional<LabelArray> first;
          std::vector<watershed::SeamJoin> first_joins;
          on_every_path([&](const std::string& path) {
            // A core that begins inside the domain: rows are scanned from one voxel before it.
            LabelArray fragments{Array{DType::u32, Box::from({1, 1, 1}, shape), domain}, {}};
            const auto joins =
                watershed::fragments_of(affinities, masked ? std::optional{mask.clone()} : std::nullopt,
                                        watershed::thresholds_of(0.1, 0.9, type), fragments);
            if (first) {
              expect_same_bytes(fragments.ids, first->ids, path);
              EXPECT_EQ(fragments.names, first->names) << path;
              EXPECT_EQ(joins, first_joins) << path;
            } else {
              first = std::move(fragments);
              first_joins = joins;
            }
          });
        }
      }
}

TEST(LabelKernels, EqualLabelsAreOneComponentAndDifferentOnesAreAll) {
  const Box box = Box::from({0, 0, 0}, {13, 17, 101});
  Array labels{DType::u64, box};
  LabelArray fragments{Array{DType::u32, box}, {}};
  for (const int connectivity : {6, 26}) {
    std::ranges::fill(labels.view<std::uint64_t>().channel(), ~std::uint64_t{0});
    components::fragments_of(labels, std::nullopt, {}, connectivity, fragments);
    EXPECT_EQ(fragments.names, std::vector<Name>{1});
    std::ranges::fill(labels.view<std::uint64_t>().channel(), 0);
    components::fragments_of(labels, std::nullopt, {}, connectivity, fragments);
    EXPECT_TRUE(fragments.names.empty());
    EXPECT_EQ(std::ranges::count(fragments.ids.view<std::uint32_t>().channel(), 0U), box.voxels());
    std::uint64_t next = std::uint64_t{1} << 62;
    for (std::uint64_t& v : labels.view<std::uint64_t>().channel()) v = next++;
    components::fragments_of(labels, std::nullopt, {}, connectivity, fragments);
    ASSERT_EQ(fragments.names.size(), static_cast<std::size_t>(box.voxels()));
    for (std::size_t i = 0; i < fragments.names.size(); ++i) ASSERT_EQ(fragments.names[i], i + 1);
  }
}

TEST(LabelKernels, SaturatedAffinitiesAreOneFragmentAndZerosAreNone) {
  const Box box = Box::from({0, 0, 0}, {13, 17, 101});
  Array affinities{DType::u8, box, 3};
  LabelArray fragments{Array{DType::u32, box}, {}};
  watershed::fragments_of(affinities, std::nullopt, {1, 255}, fragments);
  EXPECT_TRUE(fragments.names.empty());
  // With a lower threshold of 0, an affinity of 0 joins too, and ties go to the first edge: one plane to the
  // next.
  watershed::fragments_of(affinities, std::nullopt, {0, 255}, fragments);
  EXPECT_EQ(fragments.names, std::vector<Name>{1});
  for (std::byte& b : affinities.bytes()) b = std::byte{255};
  watershed::fragments_of(affinities, std::nullopt, {1, 255}, fragments);
  EXPECT_EQ(fragments.names, std::vector<Name>{1});
  watershed::fragments_of(affinities, std::nullopt, {1, 256}, fragments);
  EXPECT_EQ(fragments.names, std::vector<Name>{1});
  watershed::fragments_of(affinities, std::nullopt, {256, 256}, fragments);
  EXPECT_TRUE(fragments.names.empty());
}

TEST(LabelKernels, AnEmptyBlockHasNothing) {
  const Box domain = Box::from({0, 0, 0}, {4, 4, 4}), empty{{2, 2, 2}, {2, 3, 3}};
  LabelArray fragments{Array{DType::u32, empty, domain}, {7}};
  EXPECT_TRUE(components::fragments_of(Array{DType::u64, domain}, std::nullopt, {}, 26, fragments).empty());
  EXPECT_TRUE(fragments.names.empty());
  fragments.names = {7};
  EXPECT_TRUE(
      watershed::fragments_of(Array{DType::u8, domain, 3}, std::nullopt, {1, 255}, fragments).empty());
  EXPECT_TRUE(fragments.names.empty());
}

}  // namespace
}  // namespace petavox
