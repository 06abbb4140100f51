// The kits must catch what they are for: these mutants are wrong on purpose.

#include "petavox/reduce/join_names.hpp"
#include "petavox/stage/map_stage.hpp"
#include "petavox/testing/memory_block.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/testing/stage_kit.hpp"

#include <gtest/gtest.h>

namespace petavox {
namespace {

using testing::check_stage;

/// Correct: mean over three voxels along x, repeating the edge of the volume.
class Smooth final : public MapStage<Smooth> {
 public:
  static constexpr std::string_view name = "smooth", summary = "test stage";
  explicit Smooth(Params&) {}
  Halo halo() const { return Halo::symmetric({0, 0, 1}); }
  template <Voxel T>
  void apply(View<const T> in, View<T> out, const BlockContext&) const {
    out.box().for_each([&](Coord p) {
      const T a = in.clamped({p.z, p.y, p.x - 1}), b = in.clamped({p.z, p.y, p.x + 1});
      out[p] = static_cast<T>(a / 2 + b / 2);
    });
  }
};

/// Clamps to what it was given instead of the volume.
class CheatingClamp final : public MapStage<CheatingClamp> {
 public:
  static constexpr std::string_view name = "cheating_clamp", summary = "mutant";
  explicit CheatingClamp(Params&) {}
  Halo halo() const { return Halo::none(); }
  template <Voxel T>
  void apply(View<const T> in, View<T> out, const BlockContext&) const {
    out.box().for_each([&](Coord p) {
      const T a = in[in.box().clamp({p.z, p.y, p.x - 1})], b = in[in.box().clamp({p.z, p.y, p.x + 1})];
      out[p] = static_cast<T>(a / 2 + b / 2);
    });
  }
};

/// Declares no halo and reads one.
class IgnoredHalo final : public Stage {
 public:
  static constexpr std::string_view name = "ignored_halo", summary = "mutant";
  explicit IgnoredHalo(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back({.name = "image", .accepts = {DType::u8}});
    c.writes.push_back({.name = "image"});
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Box wide = inputs.core().grow(Halo::uniform(1)).intersect(context.domain());
    const Array in = inputs.image("image", wide);
    copy_box(in, outputs.image("image"), inputs.core());
  }
};

/// Uses the block's own corner.
class LocalOrigin final : public MapStage<LocalOrigin> {
 public:
  static constexpr std::string_view name = "local_origin", summary = "mutant";
  explicit LocalOrigin(Params&) {}
  Halo halo() const { return Halo::none(); }
  template <Voxel T>
  void apply(View<const T> in, View<T> out, const BlockContext&) const {
    out.box().for_each(
        [&](Coord p) { out[p] = (p.x - out.box().begin.x) % 2 == 0 ? in[p] : static_cast<T>(in[p] + 1); });
  }
};

/// Objects of equal value; `Numbering` says how the mutant calls them.
template <bool FirstVoxel>
class Numbered final : public Stage {
 public:
  static constexpr std::string_view name = "numbered", summary = "test stage";
  explicit Numbered(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back({.name = "image", .accepts = {DType::u8}});
    c.writes.push_back({.name = "labels", .kind = PortKind::labels});
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    // One object per voxel that is not 0: no joining needed.
    const Array image = inputs.image("image");
    LabelArray& labels = outputs.labels("labels");
    inputs.core().for_each([&](Coord p) {
      if (image.view<std::uint8_t>()[p] == 0) return;
      labels.names.push_back(FirstVoxel ? name_of_voxel(context.domain(), p) : labels.names.size() + 1);
      labels.ids.view<std::uint32_t>()[p] = static_cast<std::uint32_t>(labels.names.size());
    });
  }
};

/// Carries a counter from block to block.
class Remembers final : public Stage {
 public:
  static constexpr std::string_view name = "remembers", summary = "mutant";
  explicit Remembers(Params&) {}
  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back({.name = "image", .accepts = {DType::u8}});
    c.writes.push_back({.name = "image"});
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    ++blocks_;
    inputs.core().for_each([&](Coord p) { outputs.image("image").view<std::uint8_t>()[p] = blocks_; });
  }

 private:
  mutable std::uint8_t blocks_ = 0;
};

TEST(StageKit, AcceptsCorrectStages) {
  EXPECT_TRUE(check_stage<Smooth>());
  EXPECT_TRUE(check_stage<Numbered<true>>());
}

void expect_caught(const ::testing::AssertionResult& result, const std::string& text) {
  EXPECT_FALSE(result) << "the mutant was not caught";
  EXPECT_NE(std::string{result.message()}.find(text), std::string::npos) << result.message();
}

TEST(StageKit, CatchesACheatingClamp) { expect_caught(check_stage<CheatingClamp>(), "first at voxel ("); }
TEST(StageKit, CatchesAnIgnoredHalo) { expect_caught(check_stage<IgnoredHalo>(), "declare a larger halo"); }
TEST(StageKit, CatchesALocalOrigin) { expect_caught(check_stage<LocalOrigin>(), "first at voxel ("); }
TEST(StageKit, CatchesNumberingByBlock) { expect_caught(check_stage<Numbered<false>>(), "voxels differ"); }
TEST(StageKit, CatchesMemoryBetweenBlocks) { expect_caught(check_stage<Remembers>(), "first at voxel ("); }

/// Labels of which only names matter; the reductions below rename or sum them.
Contract renaming_contract() {
  Contract c;
  c.reads.push_back({.name = "labels", .kind = PortKind::labels});
  c.writes.push_back({.name = "renamed", .kind = PortKind::labels});
  c.writes.push_back({.name = "summary", .kind = PortKind::summary});
  return c;
}

enum class Flaw { no, settles_early, keeps_first, counts_joins, loses_state };

/// Gives every object the number of its voxels as name, and sums these in the summary.
template <Flaw flaw>
class SizeAsName {
 public:
  static constexpr std::string_view name = "size_as_name", summary = "test reduction";
  explicit SizeAsName(Params&) {}
  struct Entry {
    Name name = 0;
    std::uint64_t size = 0, faces = 0;
  };
  struct State {
    SpillVector<Entry> open;
    std::uint64_t total = 0;
  };
  Contract contract(const Setup&) const { return renaming_contract(); }
  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges&) const {
    State state{context.array<Entry>(), 0};
    const LabelTable table = inputs.label_table("labels");
    for (std::size_t i = 0; i < table.names.size(); ++i)
      state.open.push_back({table.names[i], table.sizes[i], table.faces[i]});
    std::sort(state.open.begin(), state.open.end(), [](auto& a, auto& b) { return a.name < b.name; });
    return state;
  }
  State merge(State a, State b, const Join& join, const ReductionContext& context, NameChanges&) const {
    State merged{context.array<Entry>(), a.total + b.total};
    if (flaw == Flaw::counts_joins) ++merged.total;
    for (Entry& e : a.open) e.faces &= ~std::uint64_t{join.face_of_a()};
    for (Entry& e : b.open) e.faces &= ~std::uint64_t{join.face_of_b()};
    std::merge(a.open.begin(), a.open.end(), b.open.begin(), b.open.end(), Into{&merged.open},
               [](auto& x, auto& y) { return x.name < y.name; });
    std::size_t kept = 0;
    for (const Entry& e : merged.open.span())
      if (kept > 0 && merged.open[kept - 1].name == e.name) {
        if (flaw != Flaw::keeps_first) merged.open[kept - 1].size += e.size;
        merged.open[kept - 1].faces |= e.faces;
      } else {
        merged.open[kept++] = e;
      }
    merged.open.resize(kept);
    return merged;
  }
  void settle(State& state, const ReductionContext& context, NameChanges& changes) const {
    std::size_t kept = 0;
    for (const Entry& e : state.open.span())
      if ((e.faces & context.open()) != 0 && !(flaw == Flaw::settles_early && e.size > 3)) {
        state.open[kept++] = e;
      } else {
        changes.settle(e.name, e.size);
        state.total += e.size;
      }
    state.open.resize(kept);
  }
  Bytes finish(State state, const ReductionContext&) const {
    ByteWriter writer;
    writer.put(state.total);
    return writer.take();
  }
  std::vector<Name> open_names(const State& state) const {
    std::vector<Name> names;
    for (const Entry& e : state.open) names.push_back(e.name);
    return names;
  }
  void pack(const State& state, ByteWriter& writer) const {
    writer.put_span(state.open.span());
    writer.put(flaw == Flaw::loses_state ? 0 : state.total);
  }
  State unpack(ByteReader& reader, const ReductionContext& context) const {
    State state{context.array<Entry>(), 0};
    const auto entries = reader.get_vector<Entry>();
    state.open.append(std::span<const Entry>{entries});
    state.total = reader.get<std::uint64_t>();
    return state;
  }

 private:
  struct Into {
    using difference_type = std::ptrdiff_t;
    SpillVector<Entry>* target;
    Into& operator*() { return *this; }
    Into& operator++() { return *this; }
    Into operator++(int) { return *this; }
    Into& operator=(const Entry& e) {
      target->push_back(e);
      return *this;
    }
  };
};

template <Flaw flaw>
::testing::AssertionResult check() {
  return testing::check_reduction<SizeAsName<flaw>>({}, {.rounds = 2});
}

TEST(ReductionKit, AcceptsACorrectReduction) { EXPECT_TRUE(check<Flaw::no>()); }
TEST(ReductionKit, CatchesSettlingTooEarly) { EXPECT_FALSE(check<Flaw::settles_early>()); }
TEST(ReductionKit, CatchesForgettingOneSide) { EXPECT_FALSE(check<Flaw::keeps_first>()); }
TEST(ReductionKit, CatchesDependenceOnTheTree) {
  expect_caught(check<Flaw::counts_joins>(), "summary 'summary' differs");
}
TEST(ReductionKit, CatchesALossyPack) { EXPECT_FALSE(check<Flaw::loses_state>()); }

TEST(RandomLabels, AreConnectedAndCalledByTheirFirstVoxel) {
  const Array labels = testing::random_labels(Box::from({1, -2, 3}, {6, 7, 8}), 9, 4);
  EXPECT_TRUE(testing::same_voxels(labels, testing::naive_components(labels, 6)));
}

TEST(Partition, GuillotineBoxesPartitionTheDomain) {
  const Box domain = Box::from({-4, 2, 0}, {9, 5, 7});
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    const auto p = testing::Partition::guillotine(domain, 12, seed);
    Array count{DType::u8, domain};
    for (const Box& core : p.cores) core.for_each([&](Coord v) { ++count.view<std::uint8_t>()[v]; });
    for (const auto c : count.view<std::uint8_t>().channel()) EXPECT_EQ(c, 1);
    EXPECT_EQ(p.nodes.back().box, domain);
  }
}

}  // namespace
}  // namespace petavox
