#include "stages/mutex_watershed/mutex_watershed.hpp"

#include "stages/long_range/offsets.hpp"
#include "stages/mutex_watershed/kernel.hpp"
#include "stages/stitch/stitch.hpp"

#include <cmath>

namespace petavox {
namespace {

/// First step: the segments of each subvolume's window.
class Windows final : public Stage {
 public:
  Windows(Params& params, const Stitching& lattice)
      : lattice_{lattice},
        offsets_{long_range::ask_offsets(params, 1024)},
        num_attractive_{static_cast<int>(
            params.integer("attractive", 3, {1, 64}, "the first channels attract, the others repel"))},
        strides_{params.extent("strides", {1, 1, 1}, {1, 1024},
                               "repulsive edges exist at every so manieth voxel of each axis")},
        threshold_{
            params.number("threshold", 0, {0, 1},
                          "attractive edges of a lower affinity are left out (fraction of full scale)")},
        repulsive_bias_{params.number("repulsive_bias", 0, {-1, 1},
                                      "added to the weight of repulsive edges (fraction of full scale)")},
        min_voxels_{params.integer("min_voxels", 1, {1, 1 << 30},
                                   "segments with fewer voxels in their window become background")} {
    if (num_attractive_ > static_cast<int>(offsets_.size()))
      params.problem("attractive",
                     "more channels attract than there are offsets (each needs one); list more offsets");
  }

  Contract contract(const Setup&) const override {
    Contract c;
    InPort affinities;
    affinities.name = "affinities";
    affinities.volume = "long_range";
    affinities.accepts = {DType::u8, DType::u16};
    affinities.channels = static_cast<int>(offsets_.size());
    affinities.reads.halo = Halo::symmetric(lattice_.overlap);
    c.reads.push_back(affinities);
    OutPort labels;
    labels.name = "labels";
    labels.kind = PortKind::labels;
    labels.window = Halo::symmetric(lattice_.overlap);
    c.writes.push_back(labels);
    c.subvolume = lattice_.subvolume;
    // First edges or sorted ones, the mask, names; and what excludes what, on all but absurd affinities
    // (docs/performance.md).
    const auto repulsive = static_cast<double>(static_cast<int>(offsets_.size()) - num_attractive_);
    c.scratch_bytes_per_voxel = 10 + 3.5 * repulsive / static_cast<double>(strides_.voxels());
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Array affinities = inputs.image("affinities");
    const double full = affinities.dtype() == DType::u8 ? 255 : 65535;
    mutex_watershed::Graph graph{offsets_, num_attractive_, strides_, 0, 0};
    graph.threshold = static_cast<std::int32_t>(std::ceil(threshold_ * full));
    graph.repulsive_bias = static_cast<std::int32_t>(std::floor(repulsive_bias_ * full + 0.5));
    mutex_watershed::Work work;
    LabelArray& labels = outputs.labels("labels");
    mutex_watershed::segment(affinities, inputs.mask(affinities.box()), graph, labels, work);
    mutex_watershed::remove_small(labels, static_cast<std::uint64_t>(min_voxels_));
  }

 private:
  Stitching lattice_;
  std::vector<Extent> offsets_;
  int num_attractive_;
  Extent strides_;
  double threshold_, repulsive_bias_;
  std::int64_t min_voxels_;
};

}  // namespace

StageType mutex_watershed_stage() {
  return {"mutex_watershed", "segments from attractive and long-range repulsive affinities", "built-in",
          [](Params& params) {
            return stitched_program<Windows>(params, Stitching{params, Extent{128, 256, 256}});
          }};
}

}  // namespace petavox
