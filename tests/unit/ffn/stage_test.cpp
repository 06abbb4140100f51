#include "petavox/base/hash.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/ffn/ffn.hpp"
#include "stages/network/network_stage.hpp"

#include "unit/network/model_builder.hpp"
#include "unit/network/model_file.hpp"

#include <map>
#include <set>

namespace petavox {
namespace {

using network::flood_model;
using network::ModelBuilder;
using network::ModelFile;

testing::ParamTexts params(const ModelFile& file, testing::ParamTexts more) {
  more.emplace_back("model_path", file.path());
  return more;
}

TEST(FfnStage, DoesNotDependOnTheBlocks) {
  const ModelFile file{flood_model(2, {5, 5, 5}, {1, 2, 2}).bytes()};
  testing::KitOptions options;
  options.domains = {Box::from({0, 0, 0}, {9, 12, 13}), Box::from({-5, 3, -2}, {8, 9, 16})};
  options.params = params(file, {{"subvolume", "[4, 6, 7]"}, {"overlap", "4"}, {"min_segment_size", "5"}});
  EXPECT_TRUE(testing::check_stage_type(ffn_stage(), options));
  options.params = params(file, {{"subvolume", "[8, 5, 9]"},
                                 {"overlap", "[4, 4, 4]"},
                                 {"min_segment_size", "3"},
                                 {"consensus", "true"},
                                 {"disco_seed_threshold", "0.3"},
                                 {"iou_threshold", "0.2"}});
  options.domains.pop_back();
  options.guillotine_rounds = 1;
  options.masks = false;
  EXPECT_TRUE(testing::check_stage_type(ffn_stage(), options));
}

/// Rooms of 9 voxels with walls of one; their voxels differ, so that no direction of moves is preferred.
testing::MemoryValues rooms(const Box& domain) {
  Array image{DType::u8, domain};
  domain.for_each([&](Coord p) {
    const bool wall = p.z % 10 == 0 || p.y % 10 == 0 || p.x % 10 == 0;
    image.view<std::uint8_t>()[p] =
        static_cast<std::uint8_t>(wall ? 40 : 140 + mix64(static_cast<std::uint64_t>(domain.raster(p))) % 40);
  });
  testing::MemoryValues inputs;
  inputs.emplace("input", testing::MemoryValue::image(std::move(image)));
  return inputs;
}

TEST(FfnStage, ObjectsAreFoundAndStitched) {
  const Box domain = Box::from({0, 0, 0}, {21, 21, 31});
  const ModelFile file{flood_model(4, {7, 7, 7}, {2, 2, 2}).bytes()};
  // Small windows hide more: the middle of the field of view stays inside them.
  for (const auto& [subvolume, share] : {std::pair{"64", 0.8}, std::pair{"[9, 13, 8]", 0.4}})
    for (const char* consensus : {"false", "true"}) {
      const auto program = testing::make_program(ffn_stage(), params(file, {{"subvolume", subvolume},
                                                                            {"overlap", "6"},
                                                                            {"min_segment_size", "20"},
                                                                            {"disco_seed_threshold", "1"},
                                                                            {"consensus", consensus}}));
      const auto found = testing::run_in_memory(program, rooms(domain));
      const auto names = found.at("stitched").voxels().view<std::uint64_t>();
      // Which rooms have each name, and how many voxels of each room have its commonest one.
      std::map<std::uint64_t, std::set<Coord>> rooms_of;
      std::map<Coord, std::map<std::uint64_t, int>> counts;
      domain.for_each([&](Coord p) {
        if (p.z % 10 == 0 || p.y % 10 == 0 || p.x % 10 == 0) {
          ASSERT_EQ(names[p], 0U) << to_string(p);
        } else if (names[p] != 0) {
          const Coord room{p.z / 10, p.y / 10, p.x / 10};
          rooms_of[names[p]].insert(room);
          ++counts[room][names[p]];
        }
      });
      EXPECT_EQ(counts.size(), 12U);
      for (const auto& [name, inside] : rooms_of) EXPECT_EQ(inside.size(), 1U) << name;
      for (const auto& [room, count] : counts) {
        int commonest = 0;
        for (const auto& [name, voxels] : count) commonest = std::max(commonest, voxels);
        EXPECT_GT(commonest, share * 9 * 9 * 9) << to_string(room) << subvolume << " " << consensus;
      }
    }
}

TEST(FfnStage, WindowsWithoutDataAreBackground) {
  const ModelFile file{flood_model(2, {5, 5, 5}, {2, 2, 2}).bytes()};
  const Box domain = Box::from({0, 0, 0}, {12, 12, 12});
  testing::MemoryValues inputs;
  inputs.emplace("input", testing::MemoryValue::image(Array{DType::u8, domain}));
  const auto found =
      testing::run_in_memory(testing::make_program(ffn_stage(), params(file, {{"overlap", "4"}})), inputs);
  for (const std::uint64_t name : found.at("stitched").voxels().view<std::uint64_t>().channel())
    ASSERT_EQ(name, 0U);
}

std::string refusal(const StageType& type, const testing::ParamTexts& texts) {
  try {
    testing::make_program(type, texts);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    return e.what();
  }
  return "no error";
}

TEST(FfnStage, SaysWhatIsWrong) {
  const ModelFile flood{flood_model(2, {9, 9, 9}, {2, 2, 2}).bytes()}, unet{network::small_unet().bytes()};
  const auto says = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says(refusal(ffn_stage(), {}), "model_path is missing");
  says(refusal(ffn_stage(), params(unet, {})), "use the stage network");
  says(refusal(testing::stage_type<NetworkStage>(), params(flood, {})), "use the stage ffn");
  says(refusal(ffn_stage(), params(flood, {{"overlap", "3"}})), "use at least 4");
  says(refusal(ffn_stage(), params(flood, {{"deltas", "5"}})), "at most half");
  says(refusal(ffn_stage(), params(flood, {{"deltas", "0"}})), "never move");
  EXPECT_EQ(refusal(ffn_stage(), params(flood, {})), "no error");
}

TEST(FfnStage, WindowsThatTheFieldOfViewDoesNotFitAreRefused) {
  const ModelFile file{flood_model(2, {9, 9, 9}, {2, 2, 2}).bytes()};
  const auto program =
      testing::make_program(ffn_stage(), params(file, {{"subvolume", "16"}, {"overlap", "5"}}));
  const auto& stage = std::get<std::unique_ptr<Stage>>(program.steps.front());
  const auto text = [&](Extent extent) -> std::string {
    petavox::Setup setup;
    setup.domain = Box::from({0, 0, 0}, extent);
    try {
      stage->contract(setup);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::config);
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(text({9, 16, 20}), "no error");
  EXPECT_NE(text({32, 8, 32}).find("8 voxels on axis 1"), std::string::npos);
  EXPECT_NE(text({32, 32, 19}).find("8 voxels on axis 2"), std::string::npos) << "3 of the core and 5";
}

TEST(FfnModels, AreCheckedLikeOthers) {
  const auto problem = [](auto&& change) -> std::string {
    ModelBuilder b = flood_model(1, {5, 5, 5}, {2, 2, 2});
    change(b.header()["outputs"][0]);
    try {
      b.model();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::io);
      return e.what();
    }
    return "no error";
  };
  using network::Json;
  EXPECT_EQ(problem([](Json&) {}), "no error");
  EXPECT_NE(problem([](Json& o) { o["field_of_view"] = {5, 4, 5}; }).find("is even"), std::string::npos);
  EXPECT_NE(problem([](Json& o) { o["deltas"] = {5, 0, 0}; }).find("reach out"), std::string::npos);
  EXPECT_NE(problem([](Json& o) { o["deltas"] = {0, 0, 0}; }).find("never move"), std::string::npos);
  EXPECT_NE(problem([](Json& o) {
              o["field_of_view"] = {257, 5, 5};
            }).find("field_of_view"),
            std::string::npos);
  EXPECT_NE(problem([](Json& o) { o["pad"] = 0; }).find("pad"), std::string::npos);
  EXPECT_NE(problem([](Json& o) { o["layer"] = "s1"; }).find("needs one channel"), std::string::npos);
}

}  // namespace
}  // namespace petavox
