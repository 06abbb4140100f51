#include "stages/relabel/relabel.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/size_filter/size_filter.hpp"

#include <map>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::MemoryRunOptions;
using testing::MemoryValue;

const Box domain = Box::from({-2, 1, 4}, {9, 10, 11});

std::map<Name, std::uint64_t> sizes_of(const Array& labels) {
  std::map<Name, std::uint64_t> sizes;
  for (const Name name : labels.view<std::uint64_t>().channel()) ++sizes[name];
  sizes.erase(0);
  return sizes;
}

Array run(const StageType& type, const testing::ParamTexts& params, const Array& labels,
          Extent block_shape = {4, 3, 5}) {
  MemoryRunOptions options;
  options.block_shape = block_shape;
  const auto found = run_in_memory(testing::make_program(type, params),
                                   {{"segments", MemoryValue::labels(labels)}}, options);
  return found.at("labels").voxels().clone();
}

TEST(Relabel, KeepsNamesByDefault) {
  const Array labels = testing::random_labels(domain, 20, 3);
  EXPECT_TRUE(testing::same_voxels(labels, run(relabel_stage(), {}, labels)));
}

TEST(Relabel, DenseNumbersAscendWithNames) {
  const Array labels = testing::random_labels(domain, 20, 3);
  const Array dense = run(relabel_stage(), {{"dense", "true"}}, labels);
  std::map<Name, Name> number{{0, 0}};
  Name next = 1;
  for (const auto& [name, size] : sizes_of(labels)) number[name] = next++;
  Array expected{DType::u64, domain};
  domain.for_each(
      [&](Coord p) { expected.view<std::uint64_t>()[p] = number.at(labels.view<std::uint64_t>()[p]); });
  EXPECT_TRUE(testing::same_voxels(expected, dense));
}

TEST(Relabel, PassesTheKit) {
  EXPECT_TRUE(testing::check_stage_type(relabel_stage()));
  EXPECT_TRUE(testing::check_stage_type(relabel_stage(), {.params = {{"dense", "true"}}}));
}

Array filtered(const Array& labels, std::uint64_t min_size) {
  auto sizes = sizes_of(labels);
  Array result = labels.clone();
  for (Name& name : result.view<std::uint64_t>().channel())
    if (name != 0 && sizes[name] < min_size) name = 0;
  return result;
}

TEST(SizeFilter, RemovesWhatIsSmaller) {
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    const Array labels = testing::random_labels(domain, 30, seed);
    for (const std::uint64_t min_size : {1U, 2U, 9U, 40U, 5000U})
      for (const char* connected : {"true", "false"})
        EXPECT_TRUE(testing::same_voxels(
            filtered(labels, min_size),
            run(size_filter_stage(), {{"min_size", std::to_string(min_size)}, {"connected", connected}},
                labels)));
  }
}

TEST(SizeFilter, PassesTheKit) {
  EXPECT_TRUE(testing::check_stage_type(size_filter_stage(), {.params = {{"min_size", "12"}}}));
  EXPECT_TRUE(testing::check_stage_type(size_filter_stage(),
                                        {.params = {{"min_size", "12"}, {"connected", "false"}}}));
}

/// Labels whose objects are in pieces: either the right answer or an error, never a wrong answer.
TEST(SizeFilter, NeverMiscountsObjectsInPieces) {
  int errors = 0;
  for (std::uint64_t seed = 1; seed < 60; ++seed) {
    Array labels{DType::u64, domain};
    testing::Random random{seed};
    std::map<std::uint64_t, Name> first;
    domain.for_each([&](Coord p) {
      const std::uint64_t value = random.below(40);
      if (value >= 6) return;
      labels.view<std::uint64_t>()[p] = first.try_emplace(value, name_of_voxel(domain, p)).first->second;
    });
    const Array expected = filtered(labels, 24);
    const Extent shape{1 + static_cast<Index>(random.below(9)), 1 + static_cast<Index>(random.below(9)), 5};
    EXPECT_TRUE(testing::same_voxels(
        expected, run(size_filter_stage(), {{"min_size", "24"}, {"connected", "false"}}, labels, shape)));
    try {
      EXPECT_TRUE(
          testing::same_voxels(expected, run(size_filter_stage(), {{"min_size", "24"}}, labels, shape)));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::stage);
      EXPECT_NE(std::string{e.what()}.find("connected: false"), std::string::npos);
      ++errors;
    }
  }
  EXPECT_GT(errors, 10);
}

}  // namespace
}  // namespace petavox
