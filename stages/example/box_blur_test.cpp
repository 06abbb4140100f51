#include "box_blur.hpp"

#include <petavox/testing/stage_kit.hpp>

TEST(BoxBlur, IsDecompositionInvariant) {
  EXPECT_TRUE(petavox::testing::check_stage<BoxBlur>());
  EXPECT_TRUE(petavox::testing::check_stage<BoxBlur>({{"radius", "2"}}));
}
