#include "petavox/base/error.hpp"

#include "stages/network/builtin_models.hpp"

#include "unit/network/model_builder.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace petavox::network {
namespace {

std::string refusal(const Bytes& bytes) {
  try {
    parse_model(bytes, "some/model.pvm");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_TRUE(std::string{error.what()}.starts_with("some/model.pvm: ")) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST(NetworkModel, IsReadAsItWasWritten) {
  const Model m = small_unet().model();
  ASSERT_EQ(m.layers.size(), 9U);
  EXPECT_EQ(m.multiple, (Extent{2, 2, 2}));
  EXPECT_EQ(m.halo, (Extent{5, 5, 5}));
  EXPECT_EQ(m.layers[2].channels, 32);
  EXPECT_EQ(m.layers[2].scale, (Extent{2, 2, 2}));
  EXPECT_EQ(m.layers[5].inputs, (std::vector<int>{5, 1}));
  EXPECT_EQ(m.outputs.front().offsets[1], (Coord{0, 1, 0}));
  EXPECT_FLOAT_EQ(m.mean, 100);
  // 27 * 16 + 27 * 512 / 8 + 512 / 8 + 27 * 256 + 48 multiplications and additions
  EXPECT_DOUBLE_EQ(flops_per_voxel(m), 2.0 * (432 + 1728 + 64 + 6912 + 48));
}

TEST(NetworkModel, HalvesAreExpanded) {
  ModelBuilder b;
  b.conv("c", "image", 1, 1, {1, 1, 1}, false).probabilities("p", "c", {"x"});
  Bytes blob(2 + 2 + 4);
  const std::uint16_t half = 0x3555;  // 0.333251953125
  std::memcpy(blob.data(), &half, 2);
  b.header()["tensors"]["c.w"] = {{"dtype", "float16"}, {"shape", {1, 1, 1, 1, 1}}, {"offset", 0}};
  b.header()["tensors"]["c.b"] = {{"dtype", "float32"}, {"shape", {1}}, {"offset", 4}};
  EXPECT_FLOAT_EQ(parse_model(container(b.header().dump(), blob), "m").layers[0].weights[0], 0.333251953125F);
  for (const auto& [bits, value] : std::vector<std::pair<int, float>>{
           {0x0000, 0.0F}, {0x8000, -0.0F}, {0x0001, 5.9604645e-8F}, {0xc000, -2.0F}, {0x7bff, 65504.0F}}) {
    const auto stored = static_cast<std::uint16_t>(bits);
    std::memcpy(blob.data(), &stored, 2);
    EXPECT_EQ(parse_model(container(b.header().dump(), blob), "m").layers[0].weights[0], value);
  }
  for (const std::uint16_t infinite : {std::uint16_t{0x7c00}, std::uint16_t{0xfe00}}) {
    std::memcpy(blob.data(), &infinite, 2);
    EXPECT_NE(refusal(container(b.header().dump(), blob)).find("not finite"), std::string::npos);
  }
}

TEST(NetworkModel, BuiltInModelsAreSoundAndSmall) {
  for (const std::string& name : builtin_models()) {
    const Model model = parse_model(builtin_model(name), name);
    EXPECT_EQ(model.name, name);
    EXPECT_EQ(model.license, "CC-BY-4.0");
    EXPECT_LE(builtin_model(name).size(), std::size_t{2'000'000}) << name;
  }
}

ModelBuilder program() {
  ModelBuilder b;
  b.program("net", "any bytes", 2, {3, 9, 9}, 150, {1, 4, 4}).probabilities("p", "net", {"x", "y"});
  b.reach({3, 9, 9}, {1, 4, 4}, {2, 8, 8});
  return b;
}

TEST(NetworkModel, AProgramIsReadWithWhatItStates) {
  const Model m = program().model();
  EXPECT_TRUE(m.is_script());
  EXPECT_FALSE(small_unet().model().is_script());
  EXPECT_EQ(m.channels_of(1), 2);
  EXPECT_EQ(m.halo, (Extent{3, 9, 9}));
  EXPECT_EQ(m.multiple, (Extent{1, 4, 4}));
  EXPECT_EQ(m.layers.front().program.size(), 9U);
  EXPECT_DOUBLE_EQ(m.layers.front().bytes_per_voxel, 150);
}

TEST(NetworkModel, EveryWrongProgramIsRefused) {
  const auto refused = [](const std::string& text, const std::function<void(Json&)>& change) {
    ModelBuilder b = program();
    change(b.header());
    EXPECT_NE(refusal(b.bytes()).find(text), std::string::npos) << refusal(b.bytes());
  };
  refused("states another halo", [](Json& h) { h["layers"][0]["reach"] = {3, 9, 8}; });
  refused("states another halo or multiple", [](Json& h) { h["multiple"] = {1, 4, 2}; });
  refused("dtype is not uint8", [](Json& h) { h["tensors"]["net.program"]["dtype"] = "float32"; });
  refused("reaches beyond the end", [](Json& h) { h["tensors"]["net.program"]["shape"] = {10}; });
  refused("shape is not one number", [](Json& h) { h["tensors"]["net.program"]["shape"] = {-1}; });
  refused("shape is not one number", [](Json& h) { h["tensors"]["net.program"]["shape"] = {0}; });
  refused("bytes_per_voxel is not a number", [](Json& h) { h["layers"][0]["bytes_per_voxel"] = 1e9; });
  refused("channels is not a whole number", [](Json& h) { h["layers"][0]["channels"] = 0; });
  refused("is the whole network", [](Json& h) {
    h["layers"].push_back({{"name", "r"}, {"op", "relu"}, {"inputs", {"net"}}});
  });
}

TEST(NetworkModel, EveryWrongHeaderIsRefused) {
  struct Case {
    std::string text;
    std::function<void(Json&)> change;
  };
  const std::vector<Case> cases{
      {"name is missing", [](Json& h) { h.erase("name"); }},
      {"license is not a text", [](Json& h) { h["license"] = 3; }},
      {"voxel_size_nm is not three positive",
       [](Json& h) {
         h["voxel_size_nm"] = {1, 2};
       }},
      {"voxel_size_nm is not three positive",
       [](Json& h) {
         h["voxel_size_nm"] = {1, 2, 0};
       }},
      {"channels is not a whole number", [](Json& h) { h["inputs"][0]["channels"] = 1.5; }},
      {"channels is not a whole number", [](Json& h) { h["inputs"][0]["channels"] = 18446744073709551615U; }},
      {"deviation is not a number", [](Json& h) { h["inputs"][0]["deviation"] = 0; }},
      {"inputs is not a list of 1 to 1", [](Json& h) { h["inputs"].push_back(h["inputs"][0]); }},
      {"layers is not a list", [](Json& h) { h["layers"] = Json::array(); }},
      {"op 'deconv' is not known", [](Json& h) { h["layers"][0]["op"] = "deconv"; }},
      {"input 'c' is no earlier layer", [](Json& h) { h["layers"][0]["inputs"] = {"c"}; }},
      {"input 'a' is no earlier layer", [](Json& h) { h["layers"][0]["inputs"] = {"a"}; }},
      {"needs exactly one input",
       [](Json& h) {
         h["layers"][0]["inputs"] = {"image", "image"};
       }},
      {"needs two inputs", [](Json& h) { h["layers"][5]["inputs"] = {"u"}; }},
      {"different scales",
       [](Json& h) {
         h["layers"][5]["inputs"] = {"u", "l"};
       }},
      {"different numbers of channels",
       [](Json& h) {
         h["layers"][5]["inputs"] = {"u", "image"};
       }},
      {"kernel is even",
       [](Json& h) {
         h["layers"][0]["kernel"] = {3, 2, 3};
       }},
      {"is not a whole number from 1 to 15",
       [](Json& h) {
         h["layers"][0]["kernel"] = {3, 3, 17};
       }},
      {"kernel: is not three numbers", [](Json& h) { h["layers"][0]["kernel"] = 3; }},
      {"relu is not true or false", [](Json& h) { h["layers"][0]["relu"] = 1; }},
      {"channels is not a whole number from 1 to 1024",
       [](Json& h) { h["layers"][0]["channels"] = 1 << 30; }},
      {"would be finer than the image", [](Json& h) { h["layers"][1]["op"] = "upsample"; }},
      {"shape is not [16, 1, 3, 3, 3]",
       [](Json& h) {
         h["tensors"]["a.w"]["shape"] = {16, 1, 3, 3, 1};
       }},
      {"shape is not [16, 1, 3, 3, 3]",
       [](Json& h) {
         h["tensors"]["a.w"]["shape"] = {16, 1, 27};
       }},
      {"tensor 'a.w' is missing", [](Json& h) { h["tensors"].erase("a.w"); }},
      {"tensors is not an object", [](Json& h) { h["tensors"] = 1; }},
      {"reaches beyond the end", [](Json& h) { h["tensors"]["a.w"]["offset"] = 1 << 30; }},
      {"reaches beyond the end", [](Json& h) { h["tensors"]["a.w"]["offset"] = INT64_MAX; }},
      {"offset is not a whole number", [](Json& h) { h["tensors"]["a.w"]["offset"] = -1; }},
      {"dtype is not float16", [](Json& h) { h["tensors"]["a.w"]["dtype"] = "bfloat16"; }},
      {"has the name of an earlier layer", [](Json& h) { h["layers"][4]["name"] = "a"; }},
      {"is coarser than the image", [](Json& h) { h["outputs"][0]["layer"] = "c"; }},
      {"layer is no layer", [](Json& h) { h["outputs"][0]["layer"] = "image"; }},
      {"offsets do not match",
       [](Json& h) {
         h["outputs"][0]["offsets"] = {{1, 0, 0}};
       }},
      {"offsets is not a list of 1 to 3",
       [](Json& h) {
         h["outputs"][0]["offsets"].push_back({1, 1, 1});
       }},
      {"kind is not affinities", [](Json& h) { h["outputs"][0]["kind"] = "labels"; }},
      {"name is not made of", [](Json& h) { h["outputs"][0]["name"] = "../x"; }},
      {"two outputs are called", [](Json& h) { h["outputs"].push_back(h["outputs"][0]); }},
      {"states another halo",
       [](Json& h) {
         h["halo"] = {4, 5, 5};
       }},
      {"states another halo",
       [](Json& h) {
         h["multiple"] = {1, 2, 2};
       }},
      {"margin: is not three numbers", [](Json& h) { h["margin"] = "all"; }},
  };
  for (const Case& c : cases) {
    ModelBuilder b = small_unet();
    c.change(b.header());
    EXPECT_NE(refusal(b.bytes()).find(c.text), std::string::npos) << c.text << ": " << refusal(b.bytes());
  }
}

TEST(NetworkModel, DamageIsFound) {
  const Bytes good = small_unet().bytes();
  EXPECT_EQ(refusal(good), "accepted");
  for (std::size_t size = 0; size < good.size(); size = size < 64 ? size + 1 : size + 997)
    EXPECT_NE(refusal(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))), "accepted")
        << size;
  std::mt19937 random{7};
  for (int i = 0; i < 500; ++i) {
    Bytes bad = good;
    bad[random() % bad.size()] ^= std::byte{static_cast<unsigned char>(1U << random() % 8)};
    EXPECT_NE(refusal(bad), "accepted");
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_NE(refusal(longer), "accepted");
}

/// With right checksums the header may hold anything: it is refused or it is a model, never more.
TEST(NetworkModel, ForgedHeadersDoNoHarm) {
  ModelBuilder b = small_unet();
  const std::string header = b.header().dump();
  const std::string letters = "[]{}\",:-0123456789.eE \\ntaf";
  std::mt19937 random{11};
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string forged = header;
    for (std::uint32_t k = 0; k <= random() % 3; ++k) {
      const std::size_t at = random() % forged.size();
      if (random() % 3 == 0)
        forged.erase(at, random() % 20 + 1);
      else
        forged[at] = letters[random() % letters.size()];
    }
    try {
      const Model model = parse_model(container(forged, b.blob()), "forged");
      EXPECT_LE(model.layers.size(), 9U);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace petavox::network
