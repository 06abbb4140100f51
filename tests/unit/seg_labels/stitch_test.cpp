#include "stages/stitch/stitch.hpp"

#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include "stages/relabel/relabel.hpp"
#include "stages/size_filter/size_filter.hpp"
#include "stages/stitch/kernel.hpp"

#include <map>

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::MemoryRunOptions;
using testing::MemoryValue;
using testing::Random;

/// A segmenter that sees one window at a time, numbers its objects from 1 in each, and makes mistakes of its
/// own.
class WindowSegmenter final : public Stage {
 public:
  WindowSegmenter(Extent subvolume, Extent overlap, std::uint64_t noise)
      : subvolume_{subvolume}, overlap_{overlap}, noise_{noise} {}
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back(
        {.name = "image", .accepts = {DType::u64}, .reads = {.halo = Halo::symmetric(overlap_)}});
    c.writes.push_back({.name = "labels", .kind = PortKind::labels, .window = Halo::symmetric(overlap_)});
    c.subvolume = subvolume_;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Array image = inputs.image("image");
    Array values{DType::u64, image.box(), image.domain()};
    const Coord corner = inputs.core().begin;
    image.box().for_each([&](Coord p) {
      const std::uint64_t luck = context.random(p) ^ context.random(corner);
      values.view<std::uint64_t>()[p] =
          noise_ > 0 && mix64(luck) % noise_ == 0 ? 0 : image.view<std::uint64_t>()[p];
    });
    LabelArray found = compacted(testing::naive_components(values, 6));
    for (std::size_t i = 0; i < found.names.size(); ++i) found.names[i] = i + 1;
    outputs.labels("labels") = std::move(found);
  }

 private:
  Extent subvolume_, overlap_;
  std::uint64_t noise_;
};

/// The rule read out loud: every window, every pair of neighbours, maps and loops.
Array naive_stitch(const Array& image, Extent subvolume, Extent overlap, std::uint64_t noise, double iou) {
  const Box domain = image.box();
  StageProgram segmenter;
  segmenter.steps.emplace_back(std::make_unique<WindowSegmenter>(subvolume, overlap, noise));
  const auto labels =
      testing::run_in_memory(segmenter, {{"image", MemoryValue::image(image.clone())}}).at("labels");
  const auto& blocks = labels.label_blocks();
  const std::size_t count = blocks.partition.cores.size();
  // The name of each (block, label): first core voxel, or beyond all voxels.
  std::vector<std::map<Name, Name>> names(count);
  std::map<Name, Name> root;
  const auto at = [&](std::size_t b, Coord p) {
    const auto& v = blocks.voxels[b];
    return v.ids.box().contains(p) ? v.name(v.ids.view<std::uint32_t>()[p]) : 0;
  };
  for (std::size_t b = 0; b < count; ++b) {
    blocks.partition.cores[b].for_each([&](Coord p) {
      if (at(b, p) != 0) names[b].try_emplace(at(b, p), domain.raster(p) + 1);
    });
    for (const auto& [label, name] : names[b]) root[name] = name;
    blocks.voxels[b].ids.box().for_each([&](Coord p) {
      if (at(b, p) != 0) names[b].try_emplace(at(b, p), domain.voxels() + domain.raster(p) + 1);
    });
  }
  const auto unite = [&](Name a, Name b) {
    const Name least = std::min(root[a], root[b]), other = std::max(root[a], root[b]);
    for (auto& [name, r] : root)
      if (r == other) r = least;
  };
  const Tiling& tiling = *blocks.partition.tiling;
  for (std::size_t a = 0; a < count; ++a)
    for (std::size_t b = a + 1; b < count; ++b) {
      const Extent d = tiling.position(static_cast<Index>(a)) - tiling.position(static_cast<Index>(b));
      if (std::abs(d.z) > 1 || std::abs(d.y) > 1 || std::abs(d.x) > 1) continue;
      const Box shared = blocks.voxels[a].ids.box().intersect(blocks.voxels[b].ids.box());
      std::map<std::pair<Name, Name>, std::uint64_t> both;
      std::map<Name, std::uint64_t> only_a, only_b;
      shared.for_each([&](Coord p) {
        const Name la = at(a, p) == 0 ? Name{0} : names[a].at(at(a, p));
        const Name lb = at(b, p) == 0 ? Name{0} : names[b].at(at(b, p));
        if (la != 0) ++only_a[la];
        if (lb != 0) ++only_b[lb];
        if (la != 0 && lb != 0) ++both[{la, lb}];
      });
      for (const auto& [pair, n] : both) {
        bool mutual = true;
        for (const auto& [other, m] : both) {
          if (other.first == pair.first && (m > n || (m == n && other.second < pair.second))) mutual = false;
          if (other.second == pair.second && (m > n || (m == n && other.first < pair.first))) mutual = false;
        }
        const auto united = static_cast<double>(only_a[pair.first] + only_b[pair.second] - n);
        if (!mutual || static_cast<double>(n) < iou * united) continue;
        if (root.contains(pair.first) && root.contains(pair.second)) unite(pair.first, pair.second);
      }
    }
  Array result{DType::u64, domain};
  for (std::size_t b = 0; b < count; ++b)
    blocks.partition.cores[b].for_each([&](Coord p) {
      if (at(b, p) != 0) result.view<std::uint64_t>()[p] = root.at(names[b].at(at(b, p)));
    });
  return result;
}

StageType whole_chain(Extent subvolume, Extent overlap, std::uint64_t noise) {
  return {"segment_and_stitch", "test", "test", [=](Params& params) {
            StageProgram program = stitch_stage().make(params);
            program.steps.emplace(program.steps.begin(),
                                  std::make_unique<WindowSegmenter>(subvolume, overlap, noise));
            return program;
          }};
}

std::string list(Extent e) {
  return "[" + std::to_string(e.z) + ", " + std::to_string(e.y) + ", " + std::to_string(e.x) + "]";
}

TEST(Stitch, EqualsTheRuleOnRandomVolumesAndLattices) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random{seed};
    const auto length = [&](Index least, std::uint64_t more) {
      return least + static_cast<Index>(random.below(more));
    };
    const Box domain = Box::from({length(-9, 18), length(-9, 18), length(-9, 18)},
                                 {length(1, 12), length(1, 12), length(1, 12)});
    const Extent subvolume{length(1, 8), length(1, 8), length(2, 8)};
    const Extent overlap{length(0, 3), length(0, 4), length(1, 3)};
    const std::uint64_t noise = random.below(3) == 0 ? 0 : 5 + random.below(20);
    const double iou = std::vector<double>{0, 0.2, 0.5, 0.8}[random.below(4)];
    const Array image = testing::random_labels(domain, 1 + random.below(8), seed);
    MemoryRunOptions options;
    options.order_seed = seed;
    const auto program = testing::make_program(
        whole_chain(subvolume, overlap, noise),
        {{"subvolume", list(subvolume)}, {"overlap", list(overlap)}, {"iou_threshold", std::to_string(iou)}});
    const auto found = run_in_memory(program, {{"image", MemoryValue::image(image.clone())}}, options);
    ASSERT_TRUE(testing::same_voxels(naive_stitch(image, subvolume, overlap, noise, iou),
                                     found.at("stitched").voxels()))
        << "seed " << seed << ", domain " << to_string(domain) << ", subvolume " << to_string(subvolume)
        << ", overlap " << to_string(overlap) << ", noise " << noise << ", IoU " << iou;
  }
}

TEST(Stitch, DoesNotDependOnTheBlocks) {
  const Extent subvolume{3, 4, 5}, overlap{1, 2, 2};
  testing::KitOptions options;
  options.params = {{"subvolume", list(subvolume)}, {"overlap", list(overlap)}};
  options.inputs = [](std::uint64_t seed) {
    return testing::MemoryValues{
        {"image", MemoryValue::image(testing::random_labels(Box::from({-3, 5, 2}, {9, 8, 7}), 7, seed))}};
  };
  options.rounds = 8;
  EXPECT_TRUE(testing::check_stage_type(whole_chain(subvolume, overlap, 9), options));
}

/// The only object of each subvolume, in slices of two ids along x.
class Slices final : public Stage {
 public:
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back({.name = "image", .accepts = {DType::u8}});
    c.writes.push_back({.name = "labels", .kind = PortKind::labels, .window = Halo::uniform(1)});
    c.subvolume = {4, 4, 4};
    return c;
  }
  void run(const BlockInputs&, BlockOutputs& outputs, const BlockContext&) const override {
    LabelArray& out = outputs.labels("labels");
    out.names = {77, 77, 5};  // the last has no voxel
    out.ids.box().for_each(
        [&](Coord p) { out.ids.view<std::uint32_t>()[p] = 1 + static_cast<std::uint32_t>(p.x) % 2; });
  }
};

TEST(Stitch, TakesSeveralIdsOfOneName) {
  StageProgram program = testing::make_program(stitch_stage(), {{"subvolume", "4"}, {"overlap", "1"}});
  program.steps.emplace(program.steps.begin(), std::make_unique<Slices>());
  const Box domain = Box::from({0, 0, 0}, {4, 9, 10});
  const auto found =
      testing::run_in_memory(program, {{"image", MemoryValue::image(Array{DType::u8, domain})}})
          .at("stitched");
  for (const Name name : found.voxels().view<std::uint64_t>().channel()) ASSERT_EQ(name, 1U);
}

TEST(Stitch, ItsLabelsCanBeFilteredAndNumbered) {
  const Extent subvolume{3, 4, 5}, overlap{1, 2, 2};
  const Box domain = Box::from({-3, 5, 2}, {9, 8, 7});
  const testing::MemoryValues inputs{{"image", MemoryValue::image(testing::random_labels(domain, 7, 4))}};
  const auto chain = [&](Extent block_shape) {
    MemoryRunOptions options;
    options.block_shape = block_shape;
    const auto stitched =
        run_in_memory(testing::make_program(whole_chain(subvolume, overlap, 9),
                                            {{"subvolume", list(subvolume)}, {"overlap", list(overlap)}}),
                      inputs, options);
    const auto filtered =
        run_in_memory(testing::make_program(size_filter_stage(), {{"min_size", "9"}, {"connected", "false"}}),
                      {{"segments", stitched.at("stitched")}}, options);
    return run_in_memory(testing::make_program(relabel_stage(), {{"dense", "true"}}),
                         {{"segments", filtered.at("labels")}}, options);
  };
  EXPECT_TRUE(testing::same_values(chain({64, 64, 64}), chain({2, 3, 4})));
}

TEST(Stitch, TiesGoToTheSmallerName) {
  stitch::Overlap overlap;
  overlap.contacts = {{1, 10, 5}, {1, 11, 5}, {2, 10, 5}, {2, 11, 5}};
  overlap.sizes_of_a = {{1, 10}, {2, 10}};
  overlap.sizes_of_b = {{10, 10}, {11, 10}};
  EXPECT_EQ(stitch::joined(overlap, 0.3), (std::vector<stitch::Contact>{{1, 10, 5}}));
  EXPECT_TRUE(stitch::joined(overlap, 0.34).empty());  // 5 / 15
}

TEST(Stitch, AsksForTheLattice) {
  EXPECT_THROW(testing::make_program(stitch_stage(), {{"overlap", "4"}}), Error);
  EXPECT_THROW(testing::make_program(stitch_stage(), {{"subvolume", "32"}, {"overlap", "0"}}), Error);
  EXPECT_NO_THROW(testing::make_program(stitch_stage(), {{"subvolume", "32"}}));
}

}  // namespace
}  // namespace petavox
