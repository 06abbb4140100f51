// The plans of the simulation: maps with halos and trees up and down, without voxels.

#include "petavox/pipeline/plan.hpp"

#include "stages/register.hpp"

#include "simulation/trial.hpp"

#include <numeric>

namespace petavox::simulation {
namespace {

/// An input that is never read.
class Unread final : public Volume {
 public:
  explicit Unread(const Box& domain) : domain_{domain} {}
  Box domain() const override { return domain_; }
  DType dtype() const override { return DType::u8; }
  int channels() const override { return 3; }
  VoxelSizeNm voxel_size_nm() const override { return {8, 8, 8}; }
  void read(Array&) const override {}

 private:
  Box domain_;
};

std::uint64_t value_of(const Plan& plan, std::vector<std::vector<std::uint64_t>>& known, TaskId task) {
  std::uint64_t& value = known[static_cast<std::size_t>(task.step)][static_cast<std::size_t>(task.index)];
  if (value != 0) return value;
  std::uint64_t sum = mix64(static_cast<std::uint64_t>(task.step * 1'000'003 + task.index + 1));
  plan.dependencies(task, [&](TaskId on) {
    sum = mix64(sum ^ value_of(plan, known, on));
    return true;
  });
  return value = std::max<std::uint64_t>(1, sum);
}

Setting make_setting(const StageRegistry& stages, const Box& domain, bool keeps_packs, const std::string& run,
                     bool reliable) {
  // Nothing ends as a volume: shards would have to be real.
  const std::string text =
      "petavox: 1\ninput: {path: raw.h5, dataset: /raw}\nblocks: {shape: [4, 4, 4]}\noutput: {dir: out}\n"
      "run: {snapshot_tasks: 24, " +
      run +
      "}\nstages:\n  watershed: {reads: {affinities: input}}\n  region_graph: {reads: {affinities: input}}\n";
  Setting setting;
  setting.reliable = reliable;
  setting.keeps_packs = keeps_packs;
  Problems problems;
  const RunConfig config = parse_config(text, "/simulated/run.yaml", {}, problems);
  setting.inputs = InputSet::open(
      config, [&](const InputSpec&) { return std::make_unique<Unread>(domain); }, problems);
  problems.throw_if_any();
  setting.plan = make_plan(config, stages, setting.inputs->infos());
  for (int s = 0; s < setting.plan->num_steps(); ++s)
    setting.expected.emplace_back(static_cast<std::size_t>(setting.plan->num_tasks(s)), 0);
  for (int s = 0; s < setting.plan->num_steps(); ++s)
    for (Index i = 0; i < setting.plan->num_tasks(s); ++i)
      (void)value_of(*setting.plan, setting.expected, {s, i});
  return setting;
}

}  // namespace

Index Setting::total() const {
  return std::accumulate(expected.begin(), expected.end(), Index{0},
                         [](Index sum, const auto& step) { return sum + static_cast<Index>(step.size()); });
}

std::vector<Setting> make_settings() {
  StageRegistry stages;
  register_stages(stages);
  const Box small = Box::from({}, {4, 8, 8}), larger = Box::from({-4, 0, 4}, {12, 8, 12});
  std::vector<Setting> settings;
  // Where messages may be lost, innocent tasks are charged: they have attempts without end.
  for (const Box& domain : {small, larger})
    for (const bool keeps_packs : {false, true}) {
      settings.push_back(make_setting(stages, domain, keeps_packs, "lease_s: 10", true));
      settings.push_back(make_setting(stages, domain, keeps_packs, "lease_s: 1000", true));
      settings.push_back(make_setting(stages, domain, keeps_packs, "lease_s: 10, max_attempts: 100", false));
    }
  return settings;
}

}  // namespace petavox::simulation
