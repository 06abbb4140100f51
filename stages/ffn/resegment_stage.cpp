#include "stages/ffn/resegment_stage.hpp"

#include "stages/agglomerate/agglomerate_stage.hpp"
#include "stages/ffn/flooder.hpp"
#include "stages/ffn/resegment.hpp"
#include "stages/region_graph/region_graph_stage.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox {
namespace {

/// First step: the decisions of the pairs that come nearest to each other in a subvolume, as a region graph,
/// and the part of each segment in it, because tables and the labels that are renamed by them belong to one
/// lattice.
class Decide final : public Stage {
 public:
  Decide(Params& params, Extent subvolume) : subvolume_{subvolume}, flooder_{params} {
    reach_ = params.integer("reach", 3, {1, 16},
                            "segments are compared that are both within so many voxels of one voxel");
    rule_.radius =
        params.extent("radius", rule_.radius, {1, 1024}, "voxels round a place that are segmented anew");
    rule_.analysis_radius = params.extent("analysis_radius", rule_.analysis_radius, {1, 1024},
                                          "voxels round a place that are compared");
    rule_.exclusion_radius = params.extent("exclusion_radius", rule_.exclusion_radius, {0, 1024},
                                           "no second seed within so many voxels of a first one");
    rule_.max_seeds = static_cast<int>(
        params.integer("max_seeds", rule_.max_seeds, {1, 1000}, "seeds tried for each segment"));
    constexpr NumberRange share{0, 1};
    rule_.recovery =
        params.number("recovery", rule_.recovery, share,
                      "share of its segment that an object must hold, or the next seed is tried");
    rule_.iou = params.number("min_iou", rule_.iou, share, "least intersection over union of both objects");
    rule_.consistency = params.number("min_consistency", rule_.consistency, share,
                                      "least share of each segment that each object holds");
    rule_.deleted =
        params.number("max_deleted", rule_.deleted, share,
                      "greatest share of its segment that one of the objects has held and let go");
    if (flooder_.ready()) check_radius(params);
  }

  Contract contract(const Setup& setup) const override {
    Contract c;
    const InPort image = flooder_.image_port(rule_.radius);
    Extent halo = rule_.radius;
    for (int axis = 0; axis < 3; ++axis) halo[axis] = std::max(halo[axis], reach_);
    InPort labels;
    labels.name = "supervoxels";
    labels.volume = "stitched";
    labels.kind = PortKind::labels;
    labels.reads.halo = Halo::symmetric(halo);
    c.reads = {labels, image};
    c.writes = region_graph_tables();
    OutPort parts;
    parts.name = "parts";
    parts.kind = PortKind::labels;
    c.writes.push_back(parts);
    c.subvolume = subvolume_;
    // Of a place: image, logits, ids, two objects, and the seeds of a segment.
    const double place =
        (4.0 * image.channels + 60) * static_cast<double>(ffn::around({}, rule_.radius).voxels());
    constexpr double candidates = 8;
    c.scratch_bytes_per_voxel = candidates + network::per_voxel_read(flooder_.bytes() + place, subvolume_,
                                                                     rule_.radius, setup.domain);
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const LabelArray labels = inputs.labels("supervoxels");
    std::vector<region_graph::Edge> edges;
    const auto points = ffn::decision_points(labels.ids, inputs.core(), reach_);
    if (!points.empty())
      flooder_.with_network([&](ffn::Network network) {
        for (const ffn::DecisionPoint& point : points) decide(inputs, context, labels, point, network, edges);
      });
    std::ranges::sort(edges, {}, [](const region_graph::Edge& e) { return std::pair{e.u, e.v}; });
    outputs.table("region_graph").append(std::span<const region_graph::Edge>{edges});
    write_parts(labels, inputs.core(), outputs);
  }

 private:
  void check_radius(Params& params) const {
    const Extent field = flooder_.field_of_view(), deltas = flooder_.settings().flooding.deltas;
    for (int axis = 0; axis < 3; ++axis)
      if (rule_.radius[axis] < field[axis] / 2 + deltas[axis])
        return params.problem(
            "radius", fmt::format("{} leaves a field of view of {} no room to move (an object could not "
                                  "grow); use at least half of it and deltas",
                                  to_string(rule_.radius), to_string(field)));
  }

  static void write_parts(const LabelArray& labels, const Box& core, BlockOutputs& outputs) {
    LabelArray& parts = outputs.labels("parts");
    std::vector<std::uint64_t> voxels(labels.names.size() + 1);
    std::vector<std::uint32_t> number(labels.names.size() + 1, 0);
    const auto from = labels.ids.view<std::uint32_t>();
    const auto to = parts.ids.view<std::uint32_t>();
    core.for_each([&](Coord p) {
      const std::uint32_t id = from[p];
      ++voxels[id];
      if (id != 0 && number[id] == 0) {
        parts.names.push_back(labels.name(id));
        number[id] = static_cast<std::uint32_t>(parts.names.size());
      }
      to[p] = number[id];
    });
    const std::vector<region_graph::Node> nodes = region_graph::nodes_of(labels, core, voxels);
    outputs.table("region_nodes").append(std::span<const region_graph::Node>{nodes});
  }

  void decide(const BlockInputs& inputs, const BlockContext& context, const LabelArray& labels,
              const ffn::DecisionPoint& at, ffn::Network network,
              std::vector<region_graph::Edge>& edges) const {
    const Box box = ffn::around(at.point, rule_.radius).intersect(context.domain());
    for (int axis = 0; axis < 3; ++axis)
      if (box.shape()[axis] < flooder_.field_of_view()[axis]) return;  // too near to the end of a thin volume
    const std::vector<float> image = flooder_.image(inputs.image("image", box), box);
    const ffn::Resegmented found =
        ffn::resegment(image, inputs.mask(box), labels.ids, box, at, rule_, flooder_.settings(), network);
    const Name a = labels.name(at.a), b = labels.name(at.b);
    edges.push_back({std::min(a, b), std::max(a, b),
                     ffn::belong_together(found, rule_) ? region_graph::affinity_one : 0, 1,
                     3 * static_cast<std::uint64_t>(context.domain().raster(at.point))});
  }

  Extent subvolume_;
  ffn::Flooder flooder_;
  ffn::Resegmentation rule_;
  Index reach_ = 3;
};

/// Second step: linkage by votes.
class JoinByVotes : public Agglomerate {
 public:
  static constexpr std::string_view name = "resegment";
  static constexpr std::string_view summary =
      "joins segments that a flood-filling network finds to be one object";

  explicit JoinByVotes(const agglomerate::MergeRule& rule) : Agglomerate{rule, false} {}

  Contract contract(const Setup& setup) const {
    Contract c = Agglomerate::contract(setup);
    c.reads.front().name = "parts";
    return c;
  }
};

}  // namespace

StageType resegment_stage() {
  return {std::string{JoinByVotes::name}, std::string{JoinByVotes::summary}, "built-in", [](Params& params) {
            const Extent subvolume =
                params.extent("subvolume", Extent{128, 128, 128}, {1, 1 << 20},
                              "lattice in whose cells places are looked for; the result depends on it");
            agglomerate::MergeRule rule;
            rule.threshold = agglomerate::billionths(
                params.number("agreement", 0.5, {0.01, 1},
                              "share of the places of two segments that must say that they are one"));
            StageProgram program;
            program.steps.emplace_back(std::make_unique<Decide>(params, subvolume));
            program.steps.emplace_back(std::make_unique<TreeReductionOf<JoinByVotes>>(rule));
            program.exports = {"segments"};
            return program;
          }};
}

}  // namespace petavox
