#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/network/network_stage.hpp"
#include "stages/network/window.hpp"

#include "unit/network/model_builder.hpp"
#include "unit/network/model_file.hpp"

#include <set>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using network::ModelBuilder;
using network::ModelFile;

std::string config_error(const testing::ParamTexts& params) {
  try {
    testing::make_program(testing::stage_type<NetworkStage>(), params);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    return error.what();
  }
  return "accepted";
}

TEST(NetworkStage, IsTheSameForAllBlocksAndOrders) {
  const ModelFile file{network::small_unet().bytes()};
  EXPECT_TRUE(
      testing::check_stage<NetworkStage>({{"model_path", file.path()}, {"window", "4"}, {"margin", "2"}}));
}

TEST(NetworkStage, IsTheSameForAllBlocksBesideWhatHoldsNothing) {
  const ModelFile file{network::small_unet().bytes()};
  testing::KitOptions options;
  options.inputs = [](std::uint64_t seed) {
    return testing::MemoryValues{{"input", testing::MemoryValue::image(testing::ragged_image(
                                               Box::from({-1, 3, 0}, {5, 17, 19}), seed))}};
  };
  EXPECT_TRUE(testing::check_stage<NetworkStage>(
      {{"model_path", file.path()}, {"window", "4"}, {"margin", "2"}}, options));
}

/// petavox may have been built with libtorch or without; what it says is an error in both.
TEST(NetworkStage, RefusesAProgramBeforeAnyWork) {
  ModelBuilder builder;
  builder.program("net", "any bytes", 1, {1, 1, 1}, 150)
      .probabilities("p", "net", {"x"})
      .reach({1, 1, 1}, {1, 1, 1});
  const ModelFile file{builder.bytes()};
  const std::string error = config_error({{"model_path", file.path()}});
  EXPECT_TRUE(error.find("-DPETAVOX_WITH_TORCH=ON") != std::string::npos ||
              error.find("cannot be read") != std::string::npos)
      << error;
  const ModelFile layers{network::small_unet().bytes()};
  EXPECT_NE(config_error({{"model_path", layers.path()}, {"device", "cuda"}}).find("on the CPU"),
            std::string::npos);
}

TEST(NetworkStage, WindowsAsLargeAsTheReachHaveNoSeams) {
  const ModelFile file{network::small_unet().bytes()};
  const Box domain{{-3, 5, 0}, {18, 23, 20}};
  testing::MemoryValues inputs;
  inputs.emplace("input", testing::MemoryValue::image(
                              testing::random_image(DType::u8, domain, 1, testing::Texture::smooth, 4)));
  const auto run = [&](const std::string& window, const std::string& margin) {
    auto values = testing::run_in_memory(
        testing::make_program(testing::stage_type<NetworkStage>(),
                              {{"model_path", file.path()}, {"window", window}, {"margin", margin}}),
        inputs);
    return values.at("affinities").voxels().clone();
  };
  const Array small = run("4", "6"), large = run("32", "6"), cheap = run("4", "0");
  // The reach of 5 is within the margin: only roundings in the arithmetic may differ, at most by one step.
  int largest = 0, seams = 0;
  for (std::size_t i = 0; i < small.bytes().size(); ++i) {
    largest =
        std::max(largest, std::abs(static_cast<int>(small.bytes()[i]) - static_cast<int>(large.bytes()[i])));
    seams =
        std::max(seams, std::abs(static_cast<int>(cheap.bytes()[i]) - static_cast<int>(large.bytes()[i])));
  }
  EXPECT_LE(largest, 1);
  EXPECT_GT(seams, 5) << "a margin of 0 must show, or this test sees nothing";
}

TEST(NetworkStage, PairsThatLeaveTheDomainAreZeroAndEmptyWindowsCostNothing) {
  const ModelFile file{network::small_unet().bytes()};
  const Box domain{{0, 0, 0}, {8, 8, 8}};
  testing::MemoryValues inputs;
  Array image{DType::u8, domain};
  domain.for_each([&](Coord p) {
    image.view<std::uint8_t>()[p] = p.z < 4 ? std::uint8_t{0} : static_cast<std::uint8_t>(50 + 9 * p.x + p.y);
  });
  inputs.emplace("input", testing::MemoryValue::image(std::move(image)));
  const auto values = testing::run_in_memory(
      testing::make_program(testing::stage_type<NetworkStage>(),
                            {{"model_path", file.path()}, {"window", "4"}, {"margin", "2"}}),
      inputs);
  const Array& out = values.at("affinities").voxels();
  const auto view = out.view<std::uint8_t>();
  domain.for_each([&](Coord p) {
    for (int axis = 0; axis < 3; ++axis) {
      const bool none = p[axis] == 0 || p.z < 4 || (axis == 0 && p.z == 4);
      EXPECT_EQ(view.at(axis, p) == 0, none) << to_string(p) << " axis " << axis;
    }
  });
}

TEST(NetworkStage, BesideWhatHoldsNothingItSeesTheNearestVoxelsAndJoinsNothing) {
  const ModelFile file{network::small_unet().bytes()};
  const Box domain{{0, 0, 0}, {4, 16, 16}};
  const auto run = [&](bool cut, const std::string& skip) {
    Array image{DType::u8, domain};
    domain.for_each([&](Coord p) {
      const Index x = std::min<Index>(p.x, 9);  // the last column before the cut, continued
      image.view<std::uint8_t>()[p] =
          cut && p.x > 9 ? std::uint8_t{0}
                         : static_cast<std::uint8_t>(40 + (31 * p.z + 17 * p.y + 23 * x) % 200);
    });
    testing::MemoryValues inputs;
    inputs.emplace("input", testing::MemoryValue::image(std::move(image)));
    return testing::run_in_memory(
               testing::make_program(
                   testing::stage_type<NetworkStage>(),
                   {{"model_path", file.path()}, {"window", "16"}, {"margin", "6"}, {"skip_zeros", skip}}),
               inputs)
        .at("affinities")
        .voxels()
        .clone();
  };
  const Array continued = run(false, "true"), skipped = run(true, "true"), black = run(true, "false");
  int differ = 0;
  domain.for_each([&](Coord p) {
    for (int axis = 0; axis < 3; ++axis) {
      const auto said = skipped.view<std::uint8_t>().at(axis, p);
      if (p.x > 9)
        EXPECT_EQ(said, 0) << to_string(p);
      else
        EXPECT_EQ(said, continued.view<std::uint8_t>().at(axis, p)) << to_string(p) << " axis " << axis;
      differ += p.x <= 9 && said != black.view<std::uint8_t>().at(axis, p) ? 1 : 0;
    }
  });
  EXPECT_GT(differ, 0) << "black must show, or this test sees nothing";
}

TEST(NetworkWindow, AFlippedWindowIsBroughtBackPairByPair) {
  using network::Flips;
  // A "network" whose answer for the pair (v, v - offset) depends on the two voxels, whatever their order.
  const Extent window{5, 6, 7};
  const std::vector<Coord> offsets{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 3, 0}};
  const Box box = Box::from({0, 0, 0}, window);
  std::vector<float> image(static_cast<std::size_t>(window.voxels()));
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>((i * 37) % 101);
  const auto partner = [](Coord v, Coord offset) {
    return Coord{v.z - offset.z, v.y - offset.y, v.x - offset.x};
  };
  const auto answer = [&](const std::vector<float>& of) {
    std::vector<float> result;
    for (const Coord& offset : offsets)
      box.for_each([&](Coord v) {
        const Coord w = partner(v, offset);
        result.push_back(box.contains(w) ? of[static_cast<std::size_t>(box.raster(v))] *
                                               of[static_cast<std::size_t>(box.raster(w))]
                                         : -1e6F);
      });
    return result;
  };
  const std::vector<float> expected = answer(image);
  for (int number = 0; number < Flips::count; ++number) {
    const Flips flips = Flips::of(number);
    std::vector<float> flipped(image.size());
    network::flip_window(image, window, flips, flipped);
    std::vector<float> sum(expected.size(), 0.0F);
    network::add_flipped(answer(flipped), window, flips, offsets, sum);
    for (std::size_t c = 0; c < offsets.size(); ++c) {
      box.for_each([&](Coord v) {
        const auto i = c * image.size() + static_cast<std::size_t>(box.raster(v));
        EXPECT_EQ(sum[i], box.contains(partner(v, offsets[c])) ? expected[i] : 0.0F)
            << number << " channel " << c << " " << to_string(v);
      });
    }
  }
}

TEST(NetworkStage, FlipsMakeTheResultOfAMirroredVolumeTheMirroredResult) {
  const ModelFile file{network::small_unet().bytes()};
  // Few windows: each is computed eight times.
  testing::KitOptions small;
  small.inputs = [](std::uint64_t seed) {
    const Box box = Box::from({-1, 3, 0}, {3, 5, 6});
    return testing::MemoryValues{{"input", testing::MemoryValue::image(testing::random_image(
                                               DType::u8, box, 1, testing::Texture::smooth, seed))}};
  };
  small.block_shapes = {{2, 3, 4}};
  small.masks = false;
  EXPECT_TRUE(testing::check_stage<NetworkStage>(
      {{"model_path", file.path()}, {"window", "4"}, {"margin", "2"}, {"augment", "flips"}}, small));
  const Box domain = Box::from({0, 0, 0}, {8, 8, 8});
  const Array image = testing::random_image(DType::u8, domain, 1, testing::Texture::smooth, 4);
  Array mirrored{DType::u8, domain};
  domain.for_each([&](Coord p) {
    mirrored.view<std::uint8_t>()[p] = image.view<const std::uint8_t>()[{p.z, 7 - p.y, p.x}];
  });
  const auto run = [&](const Array& of, const std::string& augment) {
    testing::MemoryValues inputs;
    inputs.emplace("input", testing::MemoryValue::image(of.clone()));
    auto values = testing::run_in_memory(
        testing::make_program(
            testing::stage_type<NetworkStage>(),
            {{"model_path", file.path()}, {"window", "8"}, {"margin", "2"}, {"augment", augment}}),
        inputs);
    return values.at("affinities").voxels().clone();
  };
  const auto largest_difference = [&](const std::string& augment) {
    const Array there = run(image, augment), mirror = run(mirrored, augment);
    int largest = 0;
    domain.for_each([&](Coord p) {
      for (int c = 0; c < 3; ++c) {
        // The pair (y, y - 1) is (8 - y, 7 - y) in the mirror.
        const Coord q{p.z, c == 1 ? 8 - p.y : 7 - p.y, p.x};
        if (!domain.contains(q)) continue;
        largest = std::max(largest, std::abs(there.view<const std::uint8_t>().at(c, p) -
                                             mirror.view<const std::uint8_t>().at(c, q)));
      }
    });
    return largest;
  };
  // Sums in another order may round to the next step.
  EXPECT_LE(largest_difference("flips"), 1);
  EXPECT_GT(largest_difference("none"), 5) << "the network is symmetric by itself; this test sees nothing";
}

TEST(NetworkStage, ClassesAndLongRangeAreWritten) {
  ModelBuilder b;
  b.conv("c", "image", 1, 4, {1, 1, 1}, false).layer("s", "sigmoid", {"c"});
  b.probabilities("classes", "s", {"membrane", "cytoplasm", "mitochondrion", "vessel"});
  b.affinities("s", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {3, 0, 0}});
  const ModelFile file{b.bytes()};
  testing::MemoryValues inputs;
  const Array image =
      testing::random_image(DType::u8, {{0, 0, 0}, {5, 6, 7}}, 1, testing::Texture::uniform, 4);
  inputs.emplace("input", testing::MemoryValue::image(image.clone()));
  const auto run = [&](testing::ParamTexts params, const std::string& port) {
    params.emplace_back("model_path", file.path());
    auto values =
        testing::run_in_memory(testing::make_program(testing::stage_type<NetworkStage>(), params), inputs);
    return values.at(port).voxels().clone();
  };
  EXPECT_EQ(run({}, "classes").channels(), 4);
  EXPECT_EQ(run({{"output", "affinities"}}, "affinities").channels(), 3);
  // The most probable class, and a mask of some.
  const Array all = run({}, "classes"), types = run({{"classes", "types"}}, "voxel_types"),
              mask = run({{"classes", "mask"}, {"keep", "[vessel, membrane]"}}, "mask");
  const auto probabilities = all.view<std::uint8_t>();
  std::set<int> seen;
  types.box().for_each([&](Coord p) {
    const int type = types.view<std::uint8_t>()[p];
    if (image.view<std::uint8_t>()[p] == 0) {
      EXPECT_EQ(type + mask.view<std::uint8_t>()[p], 0) << "no data, no class";
      return;
    }
    ASSERT_TRUE(type >= 1 && type <= 4);
    for (int k = 0; k < 4; ++k) EXPECT_GE(probabilities.at(type - 1, p), probabilities.at(k, p));
    EXPECT_EQ(mask.view<std::uint8_t>()[p], type == 1 || type == 4 ? 1 : 0);
    seen.insert(type);
  });
  EXPECT_GE(seen.size(), 2U) << "the test sees one class only";
  EXPECT_TRUE(testing::check_stage<NetworkStage>(
      {{"model_path", file.path()}, {"classes", "types"}, {"window", "3"}}, {.masks = false}));
  EXPECT_EQ(run({{"output", "affinities"}, {"all_channels", "true"}}, "affinities").channels(), 4);
}

TEST(NetworkStage, ConfigurationErrorsNameTheFileAndTheWay) {
  EXPECT_NE(config_error({{"model_path", "/nonexistent/x.pvm"}}).find("cannot open /nonexistent/x.pvm"),
            std::string::npos);
  EXPECT_NE(config_error({{"model_path", "/dev/null"}}).find("is not a regular file"), std::string::npos);
  Bytes damaged = network::small_unet().bytes();
  damaged[200] ^= std::byte{1};
  const ModelFile bad{damaged}, good{network::small_unet().bytes()};
  EXPECT_NE(config_error({{"model_path", bad.path()}}).find(bad.path() + ": is damaged"), std::string::npos);
  EXPECT_NE(config_error({{"model_path", good.path()}, {"window", "5"}}).find("choose 6"), std::string::npos);
  EXPECT_NE(config_error({{"model_path", good.path()}, {"output", "cells"}}).find("it has: affinities"),
            std::string::npos);
  ModelBuilder b;
  b.conv("c", "image", 1, 2, {1, 1, 1}, false).probabilities("classes", "c", {"membrane", "vessel"});
  const ModelFile types{b.bytes()};
  EXPECT_NE(config_error({{"model_path", types.path()}, {"classes", "mask"}}).find("no class is kept"),
            std::string::npos);
  EXPECT_NE(config_error({{"model_path", types.path()}, {"classes", "mask"}, {"keep", "[glia]"}})
                .find("it has: membrane, vessel"),
            std::string::npos);
  EXPECT_NE(config_error({{"model", "mouse"}}).find("fibsem"), std::string::npos);
  EXPECT_NE(config_error({{"model_path", good.path()}, {"margin", "0"}, {"augment", "flips"}})
                .find("set margin to at least that"),
            std::string::npos);
  ModelBuilder d;
  d.conv("c", "image", 1, 4, {1, 1, 1}, false).layer("s", "sigmoid", {"c"});
  d.affinities("s", {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 2, 2}});
  const ModelFile diagonal{d.bytes()};
  EXPECT_NE(config_error({{"model_path", diagonal.path()}, {"augment", "flips"}}).find("diagonal offset"),
            std::string::npos);
  EXPECT_EQ(config_error({{"model_path", good.path()}, {"isa", "auto"}}), "accepted");
  EXPECT_NE(
      config_error({{"model_path", good.path()}, {"backend", "other 1.0"}}).find("computes with oneDNN"),
      std::string::npos);
  EXPECT_NE(config_error({{"model_path", good.path()}, {"model_digest", "00"}}).find("has the digest"),
            std::string::npos);
}

TEST(NetworkStage, FingerprintsHoldTheContentOfTheModel) {
  const auto canonical = [](const std::string& path) {
    Value node = Value::mapping({{"model_path", Value::text(path)}});
    Problems problems;
    Params params{node, "stages.network", problems};
    const NetworkStage stage{params};
    return params.canonical();
  };
  const ModelFile a{network::small_unet(1).bytes()}, same{network::small_unet(1).bytes()},
      other{network::small_unet(2).bytes()};
  EXPECT_EQ(canonical(a.path()), canonical(same.path()));
  EXPECT_NE(canonical(a.path()), canonical(other.path()));
  EXPECT_NE(canonical(a.path()).find("backend=oneDNN"), std::string::npos);
}

TEST(NetworkStage, ContractDeclaresTheMemoryOfAWindow) {
  const ModelFile file{network::small_unet().bytes()};
  const auto program = testing::make_program(
      testing::stage_type<NetworkStage>(), {{"model_path", file.path()}, {"window", "20"}, {"margin", "6"}});
  const auto& stage = std::get<std::unique_ptr<Stage>>(program.steps.front());
  for (const Index extent : {7, 20, 33, 500}) {
    petavox::Setup setup;
    setup.domain = Box::from({0, 0, 0}, Extent::cube(extent));
    const Contract c = stage->contract(setup);
    const auto read = static_cast<double>(Extent::cube(std::min<Index>(extent, 32)).voxels());
    // 16 + 16 + 8 channels of activations and 4 of image and result, as float32, over 32^3 voxels.
    EXPECT_GE(c.scratch_bytes_per_voxel * read, 32 * 32 * 32 * 4.0 * (40 + 4)) << extent;
  }
}

TEST(NetworkWindow, MirrorsWithoutRepeatingTheFace) {
  using network::sources;
  EXPECT_EQ(sources(-3, 9, 0, 4, 0, 4), (std::vector<Index>{3, 2, 1, 0, 1, 2, 3, 2, 1}));
  EXPECT_EQ(sources(7, 6, 8, 11, 5, 11), (std::vector<Index>{-1, 8, 9, 10, 9, 8}));
  EXPECT_EQ(sources(4, 4, 5, 6, 5, 6), (std::vector<Index>{5, 5, 5, 5}));
}

}  // namespace
}  // namespace petavox
