#include "stages/place_sections/steps.hpp"

#include "stages/align/reduced_step.hpp"
#include "stages/coarse_align/plane.hpp"
#include "stages/coarse_align/sought.hpp"
#include "stages/place_sections/chain.hpp"
#include "stages/place_sections/course.hpp"
#include "stages/place_sections/evidence.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>

namespace petavox::place_sections {
namespace {

using align::grey_types;
using align::image_port;
using align::lattice_port;
using coarse_align::enlarged;
using coarse_align::SmallSection;
using coarse_align::Sought;

constexpr double parts = 1048576;  // 2^20

std::int64_t to_parts(double v, double units) {
  return static_cast<std::int64_t>(std::floor(v * units + 0.5));
}

/// One number for each section and each number of sections back.
Box pairs_of(const Box& domain, int reach) { return {{domain.begin.z, 0, 0}, {domain.end.z, reach, 1}}; }

OutPort pair_port(std::string name, DType type, int channels) {
  return lattice_port(std::move(name), type, channels, {1, 1, 1});
}

/// A port of which a pair reads both sections.
InPort sections_port(std::string name, int channels, DTypeSet accepts, int reach) {
  return align::sections_port(std::move(name), channels, accepts, reach, 0);
}

/// So many sections are on the one before them, or compared, in one task: of each what a search needs is
/// computed once for them all.
constexpr Index sections_of_task = 4;

/// For each pixel of a section that a task may read: it holds their grey levels, four planes of
/// floats of `reach` + 1 of them, and a scale space of one.
constexpr double bytes_of_search = 48;

/// The sections of place_small that a task looks at, in ascending order.
class Sections {
 public:
  Sections(const BlockInputs& inputs, Index reach) : inputs_{inputs}, reach_{reach} {}
  /// Nothing more is asked of sections before z - reach.
  Sought& at(Index z) {
    auto found = held_.find(z);
    if (found == held_.end()) {
      // All at once: blocks that hold many sections are unpacked once for them.
      if (!small_) small_ = inputs_.image("place_small");
      held_.erase(held_.begin(), held_.lower_bound(z - reach_));
      found = held_.try_emplace(z, *small_, align::section_box(inputs_, "place_small", z)).first;
    }
    return found->second.sought;
  }

 private:
  struct Held {
    SmallSection section;
    Sought sought{section.section()};
    Held(const Array& small, const Box& plane) : section{small, plane} {}
  };
  const BlockInputs& inputs_;
  Index reach_;
  std::optional<Array> small_;
  std::map<Index, Held> held_;
};

class PairStep : public Stage {
 public:
  /// `of_task`: how many pairs make a task.
  PairStep(SharedSettings settings, std::string name, Extent of_task)
      : settings_{std::move(settings)}, name_{std::move(name)}, of_task_{of_task} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {sections_port("place_small", 2, grey_types, settings_->reach)};
    c.writes = {pair_port(name_, DType::i64, PairField::count)};
    c.domain = pairs_of(setup.domain, settings_->reach);
    c.subvolume = of_task_;
    c.scratch_bytes_per_voxel = bytes_of_search;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    Sections sections{inputs, settings_->reach};
    inputs.core().for_each([&](Coord pair) {
      const Index fixed_z = pair.z - pair.y - 1;
      if (fixed_z < context.domain().begin.z || !wanted(inputs, pair)) return;
      Sought &fixed = sections.at(fixed_z), &moving = sections.at(pair.z);
      const coarse_align::Result found = coarse_align::align(fixed, moving, settings_->match);
      const auto out = outputs.image(name_).view<std::int64_t>();
      coarse_align::store_affine(out, pair, found.to_fixed, PairField::to_fixed);
      out.at(PairField::state, pair) = found.found ? 2 : 1;
      out.at(PairField::flipped, pair) = found.flipped ? 1 : 0;
      out.at(PairField::inliers, pair) = found.inliers;
      out.at(PairField::ncc, pair) = to_parts(found.ncc, parts);
      out.at(PairField::confidence, pair) = to_parts(found.confidence, parts);
    });
  }

 protected:
  virtual bool wanted(const BlockInputs& inputs, Coord pair) const = 0;
  SharedSettings settings_;

 private:
  std::string name_;
  Extent of_task_;
};

class NearStep final : public PairStep {
 public:
  explicit NearStep(SharedSettings settings)
      : PairStep{settings, "place_near", {sections_of_task, settings->reach, 1}} {}

 private:
  bool wanted(const BlockInputs&, Coord pair) const override { return pair.y == 0; }
};

class FarStep final : public PairStep {
 public:
  /// A task a pair: these are few, and take long.
  explicit FarStep(SharedSettings settings) : PairStep{std::move(settings), "place_far", {1, 1, 1}} {}
  Contract contract(const Setup& setup) const override {
    Contract c = PairStep::contract(setup);
    c.reads.push_back(sections_port("place_near", PairField::count, DTypeSet{DType::i64}, settings_->reach));
    return c;
  }

 private:
  /// A break in the chain of neighbours between the two.
  bool wanted(const BlockInputs& inputs, Coord pair) const override {
    if (pair.y == 0) return false;
    const Array near = inputs.image("place_near");
    for (Index z = pair.z - pair.y; z <= pair.z; ++z)
      if (near.view<std::int64_t>().at(PairField::state, {z, 0, 0}) != 2) return true;
    return false;
  }
};

InPort pairs_input(const std::string& name) {
  InPort port = image_port(name, PairField::count, DTypeSet{DType::i64});
  port.reads.whole = {true, true, true};
  return port;
}

class ChainStep final : public Stage {
 public:
  explicit ChainStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {align::domain_of_input(), pairs_input("place_near"), pairs_input("place_far")};
    c.writes = {pair_port("placement", DType::i64, coarse_align::placement_channels)};
    c.domain = coarse_align::column_of(setup.domain);
    c.subvolume = {setup.domain.shape().z, 1, 1};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Box& domain = context.domain();
    const Affine up = enlarged(settings_->factor(domain)), down = up.inverse();
    std::vector<PairLink> links;
    for (const char* name : {"place_near", "place_far"}) {
      const Array pairs = inputs.image(name);
      const auto view = pairs.view<std::int64_t>();
      pairs.box().for_each([&](Coord p) {
        if (view.at(PairField::state, p) != 2) return;
        const Affine small = coarse_align::load_affine(view, p, PairField::to_fixed);
        links.push_back({p.z - domain.begin.z, static_cast<int>(p.y) + 1, up.after(small.after(down)),
                         static_cast<double>(view.at(PairField::confidence, p)) / parts});
      });
    }
    std::vector<Placed> placed = chain(domain.shape().z, std::move(links), domain);
    if (settings_->course) keep_course(placed, domain);
    const auto out = outputs.image("placement").view<std::int64_t>();
    for (Index i = 0; i < domain.shape().z; ++i) {
      const Placed& p = placed[static_cast<std::size_t>(i)];
      const Coord at{domain.begin.z + i, 0, 0};
      coarse_align::store_affine(out, at, p.from_canvas);
      out.at(coarse_align::placement_bad, at) = p.found ? 0 : 1;
      out.at(coarse_align::placement_confidence, at) = to_parts(p.confidence, 1024);
    }
  }

 private:
  SharedSettings settings_;
};

/// The angle of the turn in a placement, degrees.
double turn_of(const Affine& t) {
  const double flip = t.determinant() < 0 ? -1 : 1;
  const double angle =
      coarse_align::angle_of(flip * t.yx - t.xy, t.yy + flip * t.xx) * 180 / std::numbers::pi;
  return angle > 180 ? angle - 360 : angle;
}

class EvidenceStep final : public Stage {
 public:
  explicit EvidenceStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {
        align::domain_of_input(), sections_port("place_small", 2, grey_types, settings_->reach),
        sections_port("place_near", PairField::count, DTypeSet{DType::i64}, 0),
        sections_port("placement", coarse_align::placement_channels, DTypeSet{DType::i64}, settings_->reach)};
    c.writes = {pair_port("place_evidence", DType::i32, evidence_channels)};
    c.domain = pairs_of(setup.domain, settings_->reach);
    c.subvolume = {sections_of_task, settings_->reach, 1};
    c.scratch_bytes_per_voxel = bytes_of_search;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Array column = inputs.image("placement"), near = inputs.image("place_near");
    const auto placements = column.view<std::int64_t>();
    const auto out = outputs.image("place_evidence").view<std::int32_t>();
    Sections sections{inputs, settings_->reach};
    inputs.core().for_each([&](Coord pair) {
      const Affine own = coarse_align::load_affine(placements, {pair.z, 0, 0});
      const auto put = [&](EvidenceChannel c, double v) {
        out.at(c, pair) = static_cast<std::int32_t>(std::clamp(std::floor(v + 0.5), -2e9, 2e9));
      };
      put(evidence_found, placements.at(coarse_align::placement_bad, {pair.z, 0, 0}) == 0 ? 1 : 0);
      put(evidence_flipped, own.determinant() < 0 ? 1 : 0);
      put(evidence_turn, 1000 * turn_of(own));
      put(evidence_scale, 10000 * std::sqrt(std::abs(own.determinant())));
      put(evidence_inliers,
          static_cast<double>(near.view<std::int64_t>().at(PairField::inliers, {pair.z, 0, 0})));
      put(evidence_likeness, -1);
      const Index fixed_z = pair.z - pair.y - 1;
      if (fixed_z < context.domain().begin.z) return;
      const Affine other = coarse_align::load_affine(placements, {fixed_z, 0, 0});
      const Affine up = enlarged(settings_->factor(context.domain()));
      const Affine to_fixed = up.inverse().after(other.after(own.inverse().after(up)));
      Sought &fixed = sections.at(fixed_z), &moving = sections.at(pair.z);
      put(evidence_likeness, 10000 * coarse_align::likeness(fixed, moving, to_fixed, settings_->match));
    });
  }

 private:
  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> small_step(SharedSettings s) {
  return align::reduced_step(
      {"place_small", [s](const Box& domain) { return s->factor(domain); }, s->background});
}
std::unique_ptr<Stage> near_step(SharedSettings s) { return std::make_unique<NearStep>(std::move(s)); }
std::unique_ptr<Stage> far_step(SharedSettings s) { return std::make_unique<FarStep>(std::move(s)); }
std::unique_ptr<Stage> chain_step(SharedSettings s) { return std::make_unique<ChainStep>(std::move(s)); }
std::unique_ptr<Stage> evidence_step(SharedSettings s) {
  return std::make_unique<EvidenceStep>(std::move(s));
}

}  // namespace petavox::place_sections
