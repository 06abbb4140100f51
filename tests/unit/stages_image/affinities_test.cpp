#include "stages/affinities/affinities.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using affinities::Convention;

Array imported(const Array& in, const Convention& convention, DType type = DType::u8) {
  Array out{type, in.box(), in.domain(), 3};
  affinities::import(in, out, convention);
  return out;
}

TEST(Affinities, AreDecompositionInvariant) {
  EXPECT_TRUE(testing::check_stage<Affinities>());
  EXPECT_TRUE(testing::check_stage<Affinities>({{"neighbour", "upper"}, {"channel_order", "xyz"}}));
  EXPECT_TRUE(testing::check_stage<Affinities>({{"kind", "membrane"}, {"dtype", "uint16"}}));
}

TEST(Affinities, KeepTheirOwnConventionUnchanged) {
  const Box box = Box::from({-1, 2, 3}, {3, 4, 5});
  const Array in = testing::random_image(DType::u8, box, 3, testing::Texture::uniform, 1);
  Convention convention;
  convention.one = 255;
  const Array out = imported(in, convention);
  box.for_each([&](Coord p) {
    for (int k = 0; k < 3; ++k)
      EXPECT_EQ(out.view<std::uint8_t>().at(k, p),
                p[k] == box.begin[k] ? 0 : in.view<std::uint8_t>().at(k, p));
  });
}

TEST(Affinities, ReorderShiftAndInvert) {
  const Box box = Box::from({0, 0, 0}, {3, 4, 5});
  const Array in = testing::random_image(DType::u8, box, 3, testing::Texture::uniform, 2);
  Convention convention;
  convention.channel = {2, 1, 0};
  convention.upper = true;
  convention.invert = true;
  convention.one = 255;
  const Array out = imported(in, convention);
  box.for_each([&](Coord p) {
    for (int k = 0; k < 3; ++k) {
      if (p[k] == 0) continue;
      Coord below = p;
      --below[k];
      EXPECT_EQ(out.view<std::uint8_t>().at(k, p), 255 - in.view<std::uint8_t>().at(2 - k, below));
    }
  });
}

TEST(Affinities, MembraneMapsBecomePairs) {
  const Box box = Box::from({0, 0, 0}, {1, 1, 3});
  Array in{DType::f32, box};
  in.view<float>()[{0, 0, 1}] = 1.0F;
  in.view<float>()[{0, 0, 2}] = 0.5F;
  Convention convention;
  convention.membrane = convention.invert = true;
  const auto at = [&](affinities::Combine combine, Index x) {
    convention.combine = combine;
    return imported(in, convention).view<std::uint8_t>().at(2, {0, 0, x});
  };
  EXPECT_EQ(at(affinities::Combine::mean, 1), 128);
  EXPECT_EQ(at(affinities::Combine::min, 1), 0);
  EXPECT_EQ(at(affinities::Combine::max, 1), 255);
  EXPECT_EQ(at(affinities::Combine::mean, 2), 64);
}

TEST(Affinities, ClampWhatIsBeyondTheRange) {
  const Box box = Box::from({0, 0, 0}, {2, 2, 2});
  Array in{DType::f32, box, 3};
  in.view<float>().at(0, {1, 1, 1}) = 7.0F;
  in.view<float>().at(1, {1, 1, 1}) = -7.0F;
  const Array out = imported(in, {}, DType::u16);
  EXPECT_EQ(out.view<std::uint16_t>().at(0, {1, 1, 1}), 65535);
  EXPECT_EQ(out.view<std::uint16_t>().at(1, {1, 1, 1}), 0);
}

TEST(Affinities, NameTheVoxelThatIsNotANumber) {
  for (const bool membrane : {false, true}) {
    const Box box = Box::from({0, 0, 0}, {3, 4, 5});
    Array in{DType::f32, box, membrane ? 1 : 3};
    in.view<float>().at(0, {2, 1, 3}) = std::numeric_limits<float>::quiet_NaN();
    Convention convention;
    convention.membrane = membrane;
    try {
      imported(in, convention);
      FAIL() << "NaN was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::stage);
      EXPECT_NE(std::string{error.what()}.find("(2,1,3)"), std::string::npos) << error.what();
    }
  }
}

TEST(Affinities, KeepLongRangeChannelsWhereTheyAre) {
  const Box box = Box::from({-1, 2, 0}, {3, 4, 5});
  const Array in = testing::random_image(DType::u8, box, 5, testing::Texture::uniform, 3);
  const auto found = testing::run_in_memory(
      testing::make_program(testing::stage_type<Affinities>(),
                            {{"channels", "5"}, {"long_range", "true"}, {"neighbour", "upper"}}),
      {{"input", testing::MemoryValue::image(in.clone())}});
  const Array& out = found.at("affinities").voxels();
  ASSERT_EQ(out.channels(), 5);
  for (int channel = 3; channel < 5; ++channel)
    EXPECT_TRUE(std::ranges::equal(out.view<std::uint8_t>().channel(channel),
                                   in.view<std::uint8_t>().channel(channel)));
  EXPECT_THROW(testing::make_program(testing::stage_type<Affinities>(),
                                     {{"kind", "membrane"}, {"long_range", "true"}}),
               Error);
}

TEST(Affinities, RejectAContradictoryConvention) {
  EXPECT_THROW(testing::make_program(testing::stage_type<Affinities>(), {{"range", "[1, 0]"}}), Error);
  EXPECT_THROW(testing::make_program(testing::stage_type<Affinities>(), {{"channels", "2"}}), Error);
  EXPECT_THROW(testing::make_program(testing::stage_type<Affinities>(), {{"channel_order", "abc"}}), Error);
}

}  // namespace
}  // namespace petavox
