#pragma once
// Plans and runs on volumes in memory, for the tests of the pipeline and run layers.

#include "petavox/pipeline/plan.hpp"
#include "petavox/stage/map_stage.hpp"

#include "stages/register.hpp"

#include <atomic>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace petavox::test {

/// What the test stages do; set by tests, read by blocks.
struct Switches {
  static inline std::atomic<bool> fault{false};  ///< `flaky` throws on the block that holds voxel (0,0,0)
  static inline std::atomic<int> stop_after{0};  ///< `flaky` asks the run to stop at its n-th block
  static inline std::atomic<int> blocks_run{0};  ///< by `flaky`
  static inline void (*stop)() = nullptr;        ///< how it asks
};

/// Adds 1, or fails, or stops the run: see Switches.
class Flaky final : public MapStage<Flaky> {
 public:
  static constexpr std::string_view name = "flaky", summary = "copies and sometimes fails";
  explicit Flaky(Params&) {}
  static Halo halo() { return Halo::uniform(1); }
  template <Voxel T>
  void apply(View<const T> in, View<T> out, const BlockContext&) const {
    const int before = Switches::blocks_run++;
    if (Switches::fault && out.box().contains(Coord{0, 0, 0})) throw std::runtime_error{"no luck here"};
    if (Switches::stop_after > 0 && before + 1 == Switches::stop_after) Switches::stop();
    out.box().for_each([&](Coord p) { out[p] = in[p]; });
  }
};

/// Reads a primary image with a halo that differs from side to side, at twice the resolution of what it
/// writes, and a second volume that need not cover the first.
class Lopsided final : public Stage {
 public:
  static constexpr std::string_view name = "lopsided", summary = "coarse core, uneven halo, two images";
  explicit Lopsided(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    InPort image, other;
    image.name = "image";
    image.volume = "input";
    image.reads = {{2, 1, 3}, {{1, 0, 4}, {0, 3, 2}}};
    other = image;
    other.name = "other";
    other.volume = "other";
    other.optional = true;
    OutPort out;
    out.name = "coarse";
    out.factor = {2, 1, 3};
    c.reads = {image, other};
    c.writes = {out};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    static_cast<void>(inputs.image("image"));
    static_cast<void>(outputs.image("coarse"));
  }
};

/// Sums each plane of a volume into one voxel and writes, on a larger domain than it reads, the sum beside a
/// coarser copy of the image: reads with a divisor, over whole axes, piece by piece.
class Canvas final : public Stage {
 public:
  static constexpr std::string_view name = "canvas", summary = "coarse and whole-plane reads, wider output";
  explicit Canvas(Params&) {}
  static constexpr Index margin = 3;
  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort image, coarse;
    image.name = "image";
    image.volume = "input";
    image.reads.whole = {false, true, true};
    image.reads.held_voxels = 64;
    coarse.name = "coarse";
    coarse.volume = "coarse";
    coarse.reads.divisor = {1, 2, 3};
    coarse.reads.halo = {{0, 1, 0}, {0, 0, 1}};
    OutPort out;
    out.name = "wide";
    out.dtype = DType::i64;
    out.masked = false;
    c.reads = {image, coarse};
    c.writes = {out};
    c.domain = setup.domain.grow(Halo::symmetric({0, margin, margin}));
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const auto out = outputs.image("wide").view<std::int64_t>();
    const Box readable = inputs.readable("image");
    const Array coarse = inputs.image("coarse");
    for (Index z = inputs.core().begin.z; z < inputs.core().end.z; ++z) {
      std::int64_t sum = 0;
      for (Index y = readable.begin.y; y < readable.end.y; ++y) {
        const Array row = inputs.image("image", {{z, y, readable.begin.x}, {z + 1, y + 1, readable.end.x}});
        for (const std::uint8_t v : row.view<std::uint8_t>().channel()) sum += v;
      }
      const Box plane{{z, inputs.core().begin.y, inputs.core().begin.x},
                      {z + 1, inputs.core().end.y, inputs.core().end.x}};
      plane.for_each([&](Coord p) {
        const Coord c{p.z, floor_div(p.y, 2), floor_div(p.x, 3)};
        const bool known = coarse.box().contains(c);
        out[p] = 256 * sum + (known ? coarse.view<std::uint8_t>()[c] : 255);
      });
    }
  }
};

/// Reads a summary.
class NeedsScore final : public Stage {
 public:
  static constexpr std::string_view name = "needs_score", summary = "waits for a summary";
  explicit NeedsScore(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    InPort image, score;
    image.name = "image";
    image.volume = "input";
    score.name = "score";
    score.kind = PortKind::summary;
    OutPort out;
    out.name = "scored";
    c.reads = {image, score};
    c.writes = {out};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    outputs.image("scored") = inputs.image("image");
  }
};

inline StageRegistry registry() {
  StageRegistry stages;
  register_stages(stages);
  stages.add<Flaky>();
  stages.add<Lopsided>();
  stages.add<NeedsScore>();
  stages.add<Canvas>();
  return stages;
}

inline RunConfig config_of(const std::string& text, const std::filesystem::path& file = "/base/a.yaml") {
  Problems problems;
  RunConfig config = parse_config(text, file, {}, problems);
  for (const std::string& problem : problems.texts()) ADD_FAILURE() << problem;
  return config;
}

/// Information on inputs that nobody has to read.
inline InputInfo input_info(const std::string& name, const Box& domain, DType type = DType::u8,
                            int channels = 1) {
  return {name, domain, type, channels, {8, 8, 8}, "memory"};
}

inline std::unique_ptr<Plan> plan_of(const std::string& text, const std::vector<InputInfo>& inputs) {
  return make_plan(config_of(text), registry(), inputs);
}

}  // namespace petavox::test
