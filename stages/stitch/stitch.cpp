#include "stages/stitch/stitch.hpp"

#include "petavox/reduce/join_names.hpp"

#include "stages/stitch/kernel.hpp"

#include <unordered_map>

namespace petavox {
namespace {

InPort windows(const std::string& name, const Stitching& settings) {
  InPort port;
  port.name = name;
  port.kind = PortKind::labels;
  port.reads.halo = Halo::symmetric(settings.overlap);
  return port;
}

OutPort labels(const std::string& name) {
  OutPort port;
  port.name = name;
  port.kind = PortKind::labels;
  return port;
}

constexpr Coord own_window{0, 0, 0};

/// First step: the labels of a subvolume by their first voxel in the core. Labels without one get names
/// beyond all voxels, by their first voxel in the window: they take part in the counts and are in no core.
class NameWindows final : public Stage {
 public:
  explicit NameWindows(const Stitching& settings) : settings_{settings} {}

  Contract contract(const Setup&) const override {
    Contract c;
    c.reads.push_back(windows("labels", settings_));
    c.writes.push_back(labels("fragments"));
    c.writes.back().window = Halo::symmetric(settings_.overlap);
    c.subvolume = settings_.subvolume;
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const auto labels = inputs.window("labels", own_window, inputs.readable("labels"));
    if (!labels) return;
    LabelArray& out = outputs.labels("fragments");
    const Box box = out.ids.box().intersect(labels->ids.box());
    const auto from = labels->ids.view<std::uint32_t>();
    const auto to = out.ids.view<std::uint32_t>();
    // The segmenter may have given one name to several ids, and ids may have no voxel left inside the mask.
    std::vector<std::uint32_t> number(labels->names.size() + 1, 0);
    std::unordered_map<Name, std::uint32_t> number_of_name;
    box.for_each([&](Coord p) {
      const std::uint32_t id = from[p];
      if (id == 0) return;
      if (number[id] == 0) {
        const auto next = static_cast<std::uint32_t>(number_of_name.size() + 1);
        number[id] = number_of_name.try_emplace(labels->names[id - 1], next).first->second;
      }
      to[p] = number[id];
    });
    out.names.assign(number_of_name.size(), 0);
    const auto name_by_first_voxel = [&](const Box& where, Name beyond) {
      where.for_each([&](Coord p) {
        if (to[p] != 0 && out.names[to[p] - 1] == 0)
          out.names[to[p] - 1] = beyond + name_of_voxel(context.domain(), p);
      });
    };
    name_by_first_voxel(inputs.core(), 0);
    name_by_first_voxel(box, static_cast<Name>(context.domain().voxels()));
  }

 private:
  Stitching settings_;
};

/// Second step: each subvolume compares itself with its 26 neighbours; both find the same pairs.
class Stitch : public JoinNames {
 public:
  explicit Stitch(const Stitching& settings) : settings_{settings} {}

  Contract contract(const Setup&) const {
    Contract c;
    c.reads.push_back(windows("fragments", settings_));
    c.writes.push_back(labels("stitched"));
    c.subvolume = settings_.subvolume;
    return c;
  }

  State absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges&) const {
    std::vector<Fragment> fragments;
    std::vector<Pair> pairs;
    const auto voxels = static_cast<Name>(context.domain.voxels());
    Box{{-1, -1, -1}, {2, 2, 2}}.for_each([&](Coord offset) {
      if (offset == own_window) return;
      const Box box = stitch::shared_box(inputs.core(), offset, settings_.overlap, context.domain);
      if (box.empty()) return;
      const auto theirs = inputs.window("fragments", offset, box);
      const auto ours = theirs ? inputs.window("fragments", own_window, box) : std::nullopt;
      if (!ours) return;
      for (const stitch::Contact& c :
           stitch::joined(stitch::count_overlap(*ours, *theirs, box), settings_.iou_threshold))
        if (c.a <= voxels && c.b <= voxels) {
          pairs.push_back({c.a, c.b});
          fragments.push_back({c.a, faces_towards(offset)});
        }
    });
    return leaf_state(fragments, pairs, context);
  }

 private:
  static FaceMask faces_towards(Coord offset) {
    FaceMask faces = 0;
    for (int axis = 0; axis < 3; ++axis)
      if (offset[axis] != 0) faces = static_cast<FaceMask>(faces | face_bit(axis, offset[axis] > 0));
    return faces;
  }
  Stitching settings_;
};

}  // namespace

Stitching::Stitching(Params& params, std::optional<Extent> usual, Extent usual_overlap)
    : subvolume{params.extent("subvolume", usual.value_or(Extent{64, 64, 64}), {1, 1 << 20},
                              "lattice on which the labels are segmented; the result depends on it")},
      overlap{params.extent("overlap", usual_overlap, {0, 1 << 16},
                            "voxels by which each subvolume reaches beyond its core on each side")},
      iou_threshold{
          params.number("iou_threshold", 0.5, {0, 1},
                        "least intersection over union, in the overlap, of labels that are joined")} {
  if (!usual && !params.has("subvolume"))
    params.problem("subvolume",
                   "subvolume is missing (the result depends on the lattice of the segmenter); give the "
                   "segmenter's value");
  if (overlap == Extent{0, 0, 0})
    params.problem("overlap",
                   "overlap is 0 on every axis (labels could never be compared); give the segmenter's value");
}

void add_stitching(const Stitching& settings, StageProgram& program) {
  program.steps.emplace_back(std::make_unique<NameWindows>(settings));
  program.steps.emplace_back(std::make_unique<TreeReductionOf<Stitch>>(settings));
}

StageType stitch_stage() {
  return {"stitch", "joins labels of overlapping subvolumes by mutual greatest overlap", "built-in",
          [](Params& params) {
            StageProgram program;
            add_stitching(Stitching{params}, program);
            program.exports = {"stitched"};
            return program;
          }};
}

}  // namespace petavox
