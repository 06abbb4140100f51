#include "stages/register.hpp"

#include "petavox/reduce/reduction.hpp"

#include "stages/affinities/affinities.hpp"
#include "stages/agglomerate/agglomerate_stage.hpp"
#include "stages/align/align.hpp"
#include "stages/boundary/boundary.hpp"
#include "stages/components/components.hpp"
#include "stages/distance/distance.hpp"
#include "stages/downsample/downsample.hpp"
#include "stages/ffn/ffn.hpp"
#include "stages/ffn/resegment_stage.hpp"
#include "stages/long_range/long_range.hpp"
#include "stages/mutex_watershed/mutex_watershed.hpp"
#include "stages/network/network_stage.hpp"
#include "stages/normalize/normalize.hpp"
#include "stages/open_folds/open_folds.hpp"
#include "stages/place_sections/place_sections.hpp"
#include "stages/region_graph/region_graph_stage.hpp"
#include "stages/relabel/relabel.hpp"
#include "stages/score/score_stage.hpp"
#include "stages/size_filter/size_filter.hpp"
#include "stages/size_merge/size_merge_stage.hpp"
#include "stages/stitch/stitch.hpp"
#include "stages/tiles/stitch_tiles.hpp"
#include "stages/upsample/upsample.hpp"
#include "stages/watershed/watershed.hpp"

namespace petavox {
namespace {

template <Reduction R>
void add_reduction(StageRegistry& registry) {
  registry.add({std::string{R::name}, std::string{R::summary}, "built-in", [](Params& params) {
                  StageProgram program;
                  program.steps.emplace_back(std::make_unique<TreeReductionOf<R>>(params));
                  return program;
                }});
}

}  // namespace

void register_stages(StageRegistry& registry) {
  registry.add(stitch_tiles_stage());
  registry.add<Normalize>();
  registry.add(open_folds_stage());
  registry.add(place_sections_stage());
  registry.add(align_stage());
  registry.add<Downsample>();
  registry.add<Upsample>();
  registry.add<Distance>();
  registry.add<Boundary>();
  registry.add<NetworkStage>();
  registry.add<Affinities>();
  registry.add<LongRange>();
  registry.add(watershed_stage());
  registry.add(mutex_watershed_stage());
  registry.add(ffn_stage());
  registry.add(resegment_stage());
  registry.add(components_stage());
  registry.add(stitch_stage());
  registry.add(size_filter_stage());
  registry.add(relabel_stage());
  registry.add<RegionGraphStage>();
  add_reduction<SizeMerge>(registry);
  add_reduction<Agglomerate>(registry);
  add_reduction<Score>(registry);
}

}  // namespace petavox
