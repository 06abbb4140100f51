#include "stages/network/backend.hpp"

#include "stages/network/schedule.hpp"

#include "unit/network/model_builder.hpp"
#include "unit/network/naive_network.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace petavox::network {
namespace {

std::vector<float> random_image(const Model& model, Extent window, std::uint32_t seed) {
  std::mt19937 random{seed};
  std::vector<float> image(static_cast<std::size_t>(model.input_channels * window.voxels()));
  for (float& v : image) v = static_cast<float>(static_cast<double>(random()) / 1073741824.0 - 2);
  return image;
}

std::vector<float> computed(const Model& model, int output, Extent window, const std::vector<float>& image,
                            int threads = 1) {
  std::vector<float> result(static_cast<std::size_t>(model.channels_of(output) * window.voxels()));
  const auto executable = compile(model, output, window, {threads});
  executable->run(image, result);
  for (const std::string& kernel : executable->kernels())
    EXPECT_EQ(kernel.find("ref"), std::string::npos) << kernel << " is reference code";
  // Nothing of the first run is left in the second.
  std::vector<float> again(result.size());
  executable->run(random_image(model, window, 99), again);
  executable->run(image, again);
  EXPECT_EQ(result, again);
  return result;
}

void expect_naive(const Model& model, Extent window, std::uint32_t seed) {
  const int output = model.outputs.front().tensor;
  const auto image = random_image(model, window, seed);
  const auto found = computed(model, output, window, image);
  const auto expected = naive(model, output, window, image);
  ASSERT_EQ(found.size(), expected.size());
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(expected[i] - static_cast<double>(found[i])));
  }
  EXPECT_LE(difference, 1e-5 * std::max(1.0, largest)) << "largest value " << largest;
}

TEST(NetworkBackend, UNetEqualsTheOracle) {
  expect_naive(small_unet(3).model(), {8, 12, 10}, 1);
  expect_naive(small_unet(4).model(), {2, 2, 2}, 2);
}

TEST(NetworkBackend, ResidualStackEqualsTheOracle) { expect_naive(small_ffn(2).model(), {9, 7, 11}, 3); }

TEST(NetworkBackend, EveryLayerEqualsTheOracle) {
  const Extent k{3, 3, 3}, flat{1, 5, 3};
  ModelBuilder b{3};
  b.conv("a", "image", 3, 16, flat, false).layer("r", "relu", {"a"}).factor("p", "max_pool", "r", {1, 2, 3});
  b.conv("c", "p", 16, 16, k, true)
      .factor("u", "upsample", "c", {1, 2, 3})
      .layer("j", "concat", {"u", "a", "r"});
  b.conv("d", "j", 48, 7, k, false).layer("t", "add", {"d", "d"}).layer("q", "relu", {"t"});
  b.conv("e", "q", 7, 7, {1, 1, 1}, false).layer("s", "add", {"q", "e"}).layer("g", "sigmoid", {"s"});
  b.layer("sum", "add", {"g", "t"}).probabilities("p", "sum", {"1", "2", "3", "4", "5", "6", "7"});
  b.reach({2, 6, 6}, {1, 2, 3});
  ModelBuilder probe = b;
  probe.header()["halo"] = {0, 0, 0};
  Model model;
  try {
    model = probe.model();
  } catch (const Error& error) {
    // The reach is told by the reader; the numbers are not what is tested here.
    int z = 0, y = 0, x = 0;
    const std::string text = error.what();
    ASSERT_EQ(std::sscanf(text.c_str() + text.find('(') + 1, "%dx%dx%d", &z, &y, &x), 3) << text;
    b.header()["halo"] = {z, y, x};
    model = b.model();
  }
  expect_naive(model, {4, 6, 9}, 5);
}

TEST(NetworkBackend, SumsAndActivationsAreFolded) {
  const Model unet = small_unet().model();
  const Schedule s = make_schedule(unet, unet.outputs.front().tensor, {16, 16, 16});
  EXPECT_EQ(s.steps.size(), 8U) << "upsampling and sum are one step";
  // Two tensors of 16 channels at full size and one of 32 at half are enough.
  EXPECT_LE(s.bytes(), 4096U * 4 * (16 + 16 + 4 + 4));
  const Model ffn = small_ffn(11).model();
  const Schedule f = make_schedule(ffn, ffn.outputs.front().tensor, {33, 33, 33});
  EXPECT_EQ(f.steps.size(), 2U + 3 * 11 + 1)
      << "a module is relu, convolution, convolution with sum; the last relu is folded";
  EXPECT_EQ(f.buffer_bytes.size(), 3U);
}

TEST(NetworkBackend, ThreadsDoNotChangeBits) {
  const Model model = small_unet(5).model();
  const Extent window{16, 24, 24};
  const auto image = random_image(model, window, 6);
  const int output = model.outputs.front().tensor;
  EXPECT_EQ(computed(model, output, window, image, 1), computed(model, output, window, image, 2));
}

/// tests/unit/network/make_golden.py computed these values with PyTorch, from a network with normalisation
/// layers.
TEST(NetworkBackend, EqualsPyTorch) {
  const std::string directory = PETAVOX_GOLDEN_DIR;
  std::ifstream file{directory + "/golden.pvm", std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  ASSERT_FALSE(text.empty());
  const Model model = parse_model(std::as_bytes(std::span{text}), "golden.pvm");
  const Extent window{4, 16, 24};
  std::vector<float> image;
  for (int i = 0; i < window.voxels(); ++i)
    image.push_back(static_cast<float>(i * 7919 % 1009) / 252.25F - 2);
  const auto found = computed(model, model.outputs.front().tensor, window, image);
  std::ifstream values{directory + "/golden.txt"};
  std::size_t index = 0, count = 0;
  double expected = 0;
  while (values >> index >> expected) {
    ASSERT_LT(index, found.size());
    EXPECT_NEAR(found[index], expected, 1e-5);
    ++count;
  }
  EXPECT_GE(count, 200U);
}

TEST(NetworkBackend, JoiningOddChannelsIsRefused) {
  ModelBuilder b;
  b.conv("a", "image", 1, 8, {1, 1, 1}, false).layer("j", "concat", {"a", "a"});
  b.conv("c", "j", 16, 1, {1, 1, 1}, false).probabilities("p", "c", {"x"});
  const Model model = b.model();
  EXPECT_THROW(compile(model, 3, {4, 4, 4}, {}), Error);
}

}  // namespace
}  // namespace petavox::network
