// The volumes: the same voxels whatever box they are asked in, and like those of a microscope.

#include "stages/phantom/phantom.hpp"

#include "petavox/testing/partition.hpp"
#include "petavox/volume/digest.hpp"

#include "unit/phantom/label_parts.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::Partition;
using testing::Random;

PhantomSpec spec_of(Extent shape, std::uint64_t seed = 1) {
  PhantomSpec spec;
  spec.shape = shape;
  spec.seed = seed;
  return spec;
}

PhantomSpec serial_sections(Extent shape) {
  PhantomSpec spec = spec_of(shape, 5);
  spec.voxel_size_nm = {35, 6.3, 6.1};
  spec.section_jitter_nm = 45;
  spec.noise = 2;
  return spec;
}

struct Digests {
  DigestSum raw, labels, types;
  friend bool operator==(const Digests&, const Digests&) = default;
};

Digests digests_of(const Phantom& phantom, const std::vector<Box>& boxes) {
  Digests sums;
  for (const Box& box : boxes) {
    const PhantomBlock block = phantom.block(box);
    sums.raw += digest_part(block.raw);
    sums.labels += digest_part(block.labels);
    sums.types += digest_part(block.types);
  }
  return sums;
}

class PhantomTilings : public ::testing::TestWithParam<PhantomSpec> {};

TEST_P(PhantomTilings, DoNotChangeAVoxel) {
  const Phantom phantom{GetParam()};
  const Digests whole = digests_of(phantom, {phantom.domain()});
  for (const Extent shape : {Extent{64, 64, 64}, Extent{7, 11, 13}, Extent{1, 100, 100}, Extent{100, 1, 100}})
    EXPECT_EQ(digests_of(phantom, Partition::regular(phantom.domain(), shape).cores), whole)
        << to_string(shape);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    auto boxes = Partition::guillotine(phantom.domain(), 40, seed).cores;
    Random{seed}.shuffle(boxes);
    EXPECT_EQ(digests_of(phantom, boxes), whole) << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, PhantomTilings,
                         ::testing::Values(spec_of({41, 50, 67}), spec_of({41, 50, 67}, 99),
                                           serial_sections({23, 70, 81})));

TEST(Phantom, SingleVoxelsAgreeWithTheWhole) {
  const Phantom phantom{spec_of({30, 30, 30}, 3)};
  const PhantomBlock whole = phantom.block(phantom.domain());
  Random random{1};
  for (int i = 0; i < 200; ++i) {
    const Coord p{static_cast<Index>(random.below(30)), static_cast<Index>(random.below(30)),
                  static_cast<Index>(random.below(30))};
    const PhantomBlock one = phantom.block({p, p + Extent::cube(1)});
    ASSERT_EQ(one.raw.view<std::uint8_t>()[p], whole.raw.view<std::uint8_t>()[p]) << to_string(p);
    ASSERT_EQ(one.labels.view<std::uint64_t>()[p], whole.labels.view<std::uint64_t>()[p]) << to_string(p);
    ASSERT_EQ(one.types.view<std::uint8_t>()[p], whole.types.view<std::uint8_t>()[p]) << to_string(p);
  }
}

TEST(Phantom, DriversReadWhatBlocksHold) {
  const Phantom phantom{spec_of({20, 140, 70})};
  const Box box{{3, 5, 7}, {15, 133, 69}};
  const PhantomBlock block = phantom.block(box);
  EXPECT_EQ(digest_part(phantom.raw()->read_box(box)), digest_part(block.raw));
  EXPECT_EQ(digest_part(phantom.labels()->read_box(box)), digest_part(block.labels));
  EXPECT_EQ(digest_part(phantom.types()->read_box(box)), digest_part(block.types));
  EXPECT_EQ(phantom.raw()->dtype(), DType::u8);
  EXPECT_EQ(phantom.labels()->dtype(), DType::u64);
  EXPECT_EQ(open_phantom(phantom.spec(), "types")->domain(), phantom.domain());
  EXPECT_EQ(open_phantom(phantom.spec(), "raw")->voxel_size_nm(), (VoxelSizeNm{10, 10, 10}));
}

// What was painted before is kept, for all volumes of the phantom and all threads.
TEST(Phantom, DriversReadTheSameAgainFromAnyThread) {
  PhantomSpec spec = spec_of({37, 90, 71});
  spec.voxel_size_nm = {30, 7, 4};
  spec.section_jitter_nm = 20;
  const Phantom phantom{spec};
  const auto raw = open_phantom(spec, "raw"), labels = open_phantom(spec, "labels"),
             types = open_phantom(spec, "types");
  const std::vector<Box> boxes{{{0, 0, 0}, {37, 90, 71}},  {{30, 60, 0}, {37, 90, 40}},
                               {{5, 5, 5}, {6, 6, 6}},     {{0, 31, 31}, {33, 33, 70}},
                               {{36, 0, 0}, {37, 90, 71}}, {{0, 79, 0}, {37, 81, 71}}};
  std::vector<PhantomBlock> expected;
  for (const Box& box : boxes) expected.push_back(phantom.block(box));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2 * boxes.size(); ++i) {
        const std::size_t k = (i + 2 * t) % boxes.size();
        wrong += digest_part(raw->read_box(boxes[k])) == digest_part(expected[k].raw) ? 0 : 1;
        wrong += digest_part(labels->read_box(boxes[k])) == digest_part(expected[k].labels) ? 0 : 1;
        wrong += digest_part(types->read_box(boxes[k])) == digest_part(expected[k].types) ? 0 : 1;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Phantom, DriversOutliveThePhantom) {
  std::unique_ptr<Volume> raw;
  {
    const Phantom phantom{spec_of({8, 8, 8})};
    raw = phantom.raw();
  }
  EXPECT_EQ(raw->read_box(raw->domain()).bytes().size(), 512U);
}

TEST(Phantom, ImageDoesNotDependOnTheShape) {
  const Phantom small{spec_of({20, 20, 20})}, large{spec_of({300, 200, 20})};
  const PhantomBlock a = small.block(small.domain()), b = large.block(small.domain());
  EXPECT_TRUE(std::ranges::equal(a.raw.bytes(), b.raw.bytes()));
  EXPECT_TRUE(std::ranges::equal(a.types.bytes(), b.types.bytes()));
}

TEST(Phantom, SeedsMakeDifferentTissue) {
  const Phantom a{spec_of({20, 20, 20}, 1)}, b{spec_of({20, 20, 20}, 2)};
  EXPECT_FALSE(std::ranges::equal(a.block(a.domain()).raw.bytes(), b.block(b.domain()).raw.bytes()));
}

TEST(Phantom, FarCornersOfAHugeVolumeAreTissueToo) {
  const Phantom phantom{spec_of({100000, 100000, 100000})};
  const Box corner{{99990, 99980, 99970}, {100000, 100000, 100000}};
  const PhantomBlock block = phantom.block(corner);
  std::map<std::uint64_t, Index> labels;
  for (const std::uint64_t l : block.labels.view<std::uint64_t>().channel()) ++labels[l];
  EXPECT_GE(labels.size(), 2U);
  // Cut elsewhere, the same.
  const PhantomBlock part = phantom.block({{99995, 99990, 99985}, corner.end});
  part.raw.box().for_each([&](Coord p) {
    ASSERT_EQ(part.raw.view<std::uint8_t>()[p], block.raw.view<std::uint8_t>()[p]);
    ASSERT_EQ(part.labels.view<std::uint64_t>()[p], block.labels.view<std::uint64_t>()[p]);
  });
}

// One hash on every machine, for every optimisation and instruction set. A change here changes every phantom:
// it needs a new major version, or must be undone.
TEST(Phantom, DigestIsTheOneOfEveryMachine) {
  const auto digest = [](const PhantomSpec& spec) {
    const Phantom phantom{spec};
    const PhantomBlock block = phantom.block(phantom.domain());
    const auto hex = [&](const Array& a) {
      return to_hex(finish_digest(digest_part(a), a.dtype(), 1, a.box()));
    };
    return hex(block.raw) + " " + hex(block.labels) + " " + hex(block.types);
  };
  EXPECT_EQ(
      digest(spec_of({64, 64, 64})),
      "385f77be1960fe8e4642621c105f8b8d ebb8ee7340805167f7fcac4f37cafbf9 2798e85d29ebf8d5e350662faa384e34");
  EXPECT_EQ(
      digest(serial_sections({8, 96, 96})),
      "d2283fd2ee935f9cacc3c1a203d455ad 71aa6846e802e1dd48ebcab2605e699f 009a53fa2f907f151f997bd8af1be34b");
}

TEST(Phantom, LooksLikeATissueSectionedByAnIonBeam) {
  // Brightness as in FIB-SEM of fly brain: dark lines, brighter cytoplasm, all of it between.
  const Phantom phantom{spec_of({96, 160, 160}, 4)};
  const PhantomBlock block = phantom.block(phantom.domain());
  const auto raw = block.raw.view<std::uint8_t>().channel();
  const auto types = block.types.view<std::uint8_t>().channel();
  double sum = 0, squares = 0;
  std::array<double, num_phantom_types> count{}, grey{};
  for (std::size_t i = 0; i < raw.size(); ++i) {
    sum += raw[i];
    squares += static_cast<double>(raw[i]) * raw[i];
    ++count[types[i]];
    grey[types[i]] += raw[i];
  }
  const auto n = static_cast<double>(raw.size());
  const double mean = sum / n, deviation = std::sqrt(squares / n - mean * mean);
  EXPECT_NEAR(mean, 130, 12);
  EXPECT_NEAR(deviation, 33, 6);
  const auto share = [&](PhantomType t) { return count[static_cast<std::size_t>(t)] / n; };
  const auto brightness = [&](PhantomType t) {
    return grey[static_cast<std::size_t>(t)] / count[static_cast<std::size_t>(t)];
  };
  EXPECT_GT(brightness(PhantomType::cytoplasm), brightness(PhantomType::membrane) + 35);
  EXPECT_GT(brightness(PhantomType::cytoplasm), brightness(PhantomType::mitochondrion) + 30);
  EXPECT_LT(share(PhantomType::extracellular), 0.04);
  EXPECT_GT(share(PhantomType::extracellular), 0.002);
  EXPECT_GT(share(PhantomType::membrane), 0.08);
  EXPECT_LT(share(PhantomType::membrane), 0.25);
  EXPECT_GT(share(PhantomType::mitochondrion), 0.02);
}

TEST(Phantom, NoiseAndSectionChangeFollowTheirStrength) {
  PhantomSpec quiet = spec_of({40, 40, 40});
  quiet.noise = 0;
  quiet.section_variation = 0;
  PhantomSpec loud = quiet;
  loud.noise = 4;
  PhantomSpec changing = quiet;
  changing.section_variation = 4;
  const auto difference = [&](const PhantomSpec& spec) {
    const Phantom a{quiet}, b{spec};
    const auto x = a.block(a.domain()), y = b.block(b.domain());
    EXPECT_TRUE(std::ranges::equal(x.labels.bytes(), y.labels.bytes()));
    double squares = 0;
    for (std::size_t i = 0; i < x.raw.bytes().size(); ++i) {
      const double d = static_cast<double>(x.raw.view<std::uint8_t>().channel()[i]) -
                       static_cast<double>(y.raw.view<std::uint8_t>().channel()[i]);
      squares += d * d;
    }
    return std::sqrt(squares / static_cast<double>(x.raw.bytes().size()));
  };
  EXPECT_NEAR(difference(loud), 4 * 3.3, 3);
  EXPECT_GT(difference(changing), 4);
}

TEST(Phantom, RefusesWhatCannotBe) {
  const auto problem = [](auto change) {
    PhantomSpec spec = spec_of({10, 10, 10});
    change(spec);
    try {
      const Phantom phantom{spec};
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::config);
      return std::string{error.what()};
    }
    return std::string{"none"};
  };
  EXPECT_EQ(
      problem([](PhantomSpec& s) { s.shape.y = 0; }),
      "phantom: shape along y is 0 (a volume needs at least one voxel); give a shape of positive numbers");
  EXPECT_THAT(problem([](PhantomSpec& s) { s.voxel_size_nm[0] = 100; }),
              ::testing::HasSubstr("voxel size along z"));
  EXPECT_THAT(problem([](PhantomSpec& s) { s.voxel_size_nm[2] = std::nan(""); }),
              ::testing::HasSubstr("voxel size along x"));
  EXPECT_THAT(problem([](PhantomSpec& s) {
                s.shape = {1000000, 1000000, 1000000};
              }),
              ::testing::HasSubstr("more than 10^15 voxels"));
  EXPECT_THAT(problem([](PhantomSpec& s) { s.shape.x = Index{1} << 40; }),
              ::testing::HasSubstr("16 cm along x"));
  EXPECT_THAT(problem([](PhantomSpec& s) { s.noise = -1; }), ::testing::HasSubstr("noise"));
  EXPECT_THAT(problem([](PhantomSpec& s) { s.section_jitter_nm = 1e9; }),
              ::testing::HasSubstr("section jitter"));
  EXPECT_THROW(open_phantom(spec_of({4, 4, 4}), "affinities"), Error);
  const auto raw = open_phantom(spec_of({4, 4, 4}), "raw");
  EXPECT_THROW(raw->read_box({{0, 0, 0}, {5, 4, 4}}), Error);
  Array wrong{DType::u16, raw->domain()};
  EXPECT_THROW(raw->read(wrong), Error);
}

}  // namespace
}  // namespace petavox
