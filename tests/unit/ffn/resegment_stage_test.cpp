#include "stages/ffn/resegment_stage.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "unit/network/model_builder.hpp"
#include "unit/network/model_file.hpp"

#include <map>
#include <set>

namespace petavox {
namespace resegment_stage_cases {

using network::flood_model;
using network::ModelFile;

testing::ParamTexts params(const ModelFile& file, testing::ParamTexts more) {
  more.emplace_back("model_path", file.path());
  return more;
}

/// Rooms of nine voxels with walls of one, each room cut in two along x; `input` and what was segmented in
/// it.
testing::MemoryValues halves(const Box& domain, std::uint64_t seed) {
  Array image{DType::u8, domain}, names{DType::u64, domain};
  std::map<Coord, Name> first;
  domain.for_each([&](Coord p) {
    const Coord q = p - Extent{domain.begin.z, domain.begin.y, domain.begin.x};
    const bool wall = q.z % 10 == 0 || q.y % 10 == 0 || q.x % 10 == 0;
    image.view<std::uint8_t>()[p] = static_cast<std::uint8_t>(
        wall ? 40 : 140 + mix64(seed + static_cast<std::uint64_t>(domain.raster(p))) % 40);
    if (!wall)
      names.view<std::uint64_t>()[p] =
          first.try_emplace({q.z / 10, q.y / 10, q.x / 5}, name_of_voxel(domain, p)).first->second;
  });
  testing::MemoryValues inputs;
  inputs.emplace("input", testing::MemoryValue::image(std::move(image)));
  inputs.emplace("stitched", testing::MemoryValue::labels(names));
  return inputs;
}

const testing::ParamTexts small{{"radius", "8"},
                                {"analysis_radius", "5"},
                                {"reach", "2"},
                                {"exclusion_radius", "2"},
                                {"disco_seed_threshold", "1"}};

testing::ParamTexts with(testing::ParamTexts more) {
  more.insert(more.end(), small.begin(), small.end());
  return more;
}

TEST(ResegmentStage, HalvesOfRoomsAreJoinedAndRoomsAreNot) {
  const Box domain = Box::from({0, 0, 0}, {11, 21, 31});
  const ModelFile file{flood_model(4, {7, 7, 7}, {2, 2, 2}).bytes()};
  const auto inputs = halves(domain, 1);
  for (const char* subvolume : {"64", "[11, 7, 13]"}) {
    const auto program =
        testing::make_program(resegment_stage(), params(file, with({{"subvolume", subvolume}})));
    const auto found = testing::run_in_memory(program, inputs);
    const auto names = found.at("segments").voxels().view<std::uint64_t>();
    std::map<Coord, std::set<Name>> of_room;
    std::set<Name> all;
    domain.for_each([&](Coord p) {
      if (names[p] == 0) return;
      of_room[{p.z / 10, p.y / 10, p.x / 10}].insert(names[p]);
      all.insert(names[p]);
    });
    EXPECT_EQ(of_room.size(), 6U);
    EXPECT_EQ(all.size(), 6U) << subvolume;
    for (const auto& [room, inside] : of_room) EXPECT_EQ(inside.size(), 1U) << to_string(room) << subvolume;
  }
}

TEST(ResegmentStage, DoesNotDependOnTheBlocks) {
  const ModelFile file{flood_model(2, {5, 5, 5}, {2, 2, 2}).bytes()};
  testing::KitOptions options;
  options.inputs = [](std::uint64_t seed) { return halves(Box::from({-3, 5, 2}, {11, 11, 21}), seed); };
  options.params = params(file, with({{"subvolume", "[6, 11, 8]"}, {"max_seeds", "2"}, {"min_iou", "0.5"}}));
  options.guillotine_rounds = 2;
  EXPECT_TRUE(testing::check_stage_type(resegment_stage(), options));
}

TEST(ResegmentStage, SaysWhatIsWrong) {
  const ModelFile file{flood_model(2, {9, 9, 9}, {2, 2, 2}).bytes()};
  const auto refusal = [](const testing::ParamTexts& texts) -> std::string {
    try {
      testing::make_program(resegment_stage(), texts);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::config);
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(refusal({}).find("model_path is missing"), std::string::npos);
  EXPECT_NE(refusal(params(file, {{"radius", "5"}})).find("no room to move"), std::string::npos);
  EXPECT_EQ(refusal(params(file, {{"radius", "6"}})), "no error");
}

}  // namespace resegment_stage_cases
}  // namespace petavox
