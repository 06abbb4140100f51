// The plan as a graph: every edge from both ends, and against a count of all blocks by hand.

#include "unit/run/world.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace petavox::test {
namespace {

using Edges = std::set<std::pair<TaskId, TaskId>>;

std::vector<TaskId> all_tasks(const Plan& plan) {
  std::vector<TaskId> tasks;
  for (int s = 0; s < plan.num_steps(); ++s)
    for (Index i = 0; i < plan.num_tasks(s); ++i) tasks.push_back({s, i});
  return tasks;
}

/// What a block must wait for by the boxes that its ports declare, found by looking at every block.
std::set<TaskId> sources_by_hand(const Plan& plan, const StepPlan& step, Index block) {
  std::set<TaskId> tasks;
  const auto add_touched = [&](int writer, const Box& box) {
    const Tiling& tiling = plan.step(writer).tiling;
    for (Index b = 0; b < tiling.count(); ++b)
      if (!tiling.core(b).intersect(box).empty()) tasks.insert({writer, b});
  };
  for (const ReadEdge& read : step.reads) {
    const VolumePlan& v = plan.volume(read.volume);
    if (v.input >= 0) continue;
    const Box box = read.port.reads.box(step.tiling.core(block), v.domain).intersect(v.domain);
    if (v.kind == PortKind::summary)
      tasks.insert({v.voxels_step, plan.step(v.voxels_step).tree.root()});
    else
      add_touched(v.voxels_step, box);
    if (v.kind == PortKind::labels) add_touched(v.names_step, box);
  }
  return tasks;
}

std::set<TaskId> dependencies_by_hand(const Plan& plan, TaskId task) {
  const StepPlan& step = plan.step(static_cast<int>(task.step));
  std::set<TaskId> tasks;
  const auto from_parent = [&](const MergeTree& tree, int down, Index node) {
    if (node != tree.root()) tasks.insert({down, tree.parent(node) - tree.leaves()});
  };
  switch (step.kind) {
    case StepKind::up:
      if (step.tree.is_leaf(task.index)) return sources_by_hand(plan, step, task.index);
      for (const Index child : step.tree.children(task.index)) tasks.insert({task.step, child});
      return tasks;
    case StepKind::down:
      tasks.insert({step.up, task.index + step.tree.leaves()});
      from_parent(step.tree, static_cast<int>(task.step), task.index + step.tree.leaves());
      return tasks;
    case StepKind::resolve:
      tasks = sources_by_hand(plan, step, task.index);
      tasks.insert({step.up, task.index});
      from_parent(plan.step(step.up).tree, step.down, task.index);
      return tasks;
    case StepKind::map:
    case StepKind::store:
      return sources_by_hand(plan, step, task.index);
  }
  return tasks;
}

void expect_edges_agree(const Plan& plan) {
  Edges forward, backward;
  for (const TaskId task : all_tasks(plan)) {
    std::set<TaskId> found;
    plan.dependencies(task, [&](TaskId d) {
      EXPECT_TRUE(found.insert(d).second) << plan.describe(task) << " names " << plan.describe(d) << " twice";
      forward.emplace(d, task);
      return true;
    });
    EXPECT_EQ(found, dependencies_by_hand(plan, task)) << plan.describe(task);
    EXPECT_EQ(plan.dependency_list(task).size(), found.size());
    plan.dependents(task, [&](TaskId d) {
      EXPECT_TRUE(backward.emplace(task, d).second)
          << plan.describe(d) << " is named twice as a reader of " << plan.describe(task);
      return true;
    });
  }
  EXPECT_EQ(forward, backward);
}

void expect_acyclic(const Plan& plan) {
  std::map<TaskId, std::size_t> missing;
  std::vector<TaskId> ready;
  for (const TaskId task : all_tasks(plan)) {
    missing[task] = plan.dependency_list(task).size();
    if (missing[task] == 0) ready.push_back(task);
  }
  std::size_t finished = 0;
  for (; !ready.empty(); ++finished) {
    const TaskId task = ready.back();
    ready.pop_back();
    plan.dependents(task, [&](TaskId d) {
      if (--missing[d] == 0) ready.push_back(d);
      return true;
    });
  }
  EXPECT_EQ(finished, missing.size()) << "tasks that wait for each other";
}

void expect_rest_sound(const Plan& plan) {
  std::set<std::string> names;
  for (int s = 0; s < plan.num_steps(); ++s) {
    std::set<Index> order;
    bool roots = false;
    for (Index i = 0; i < plan.num_tasks(s); ++i) {
      order.insert(plan.in_order(s, i));
      roots |= plan.dependency_list({s, i}).empty();
      EXPECT_TRUE(names.insert(plan.describe({s, i})).second) << plan.describe({s, i});
    }
    EXPECT_EQ(static_cast<Index>(order.size()), plan.num_tasks(s)) << plan.step(s).name;
    if (!order.empty()) {
      EXPECT_EQ(*order.begin(), 0);
      EXPECT_EQ(*order.rbegin(), plan.num_tasks(s) - 1);
    }
    EXPECT_EQ(plan.has_roots(s), roots) << plan.step(s).name;
  }
  // Visitors that have had enough are not called again.
  for (const TaskId task : all_tasks(plan))
    for (const bool up : {false, true}) {
      int calls = 0;
      const auto once = [&](TaskId) { return ++calls < 1; };
      up ? plan.dependents(task, once) : plan.dependencies(task, once);
      EXPECT_LE(calls, 1) << plan.describe(task);
    }
}

void expect_sound(const Plan& plan) {
  expect_edges_agree(plan);
  expect_acyclic(plan);
  expect_rest_sound(plan);
}

std::string header(const std::string& blocks, const std::string& shard = "[8, 8, 8]") {
  return "petavox: 1\n"
         "input: {path: raw.h5, dataset: /raw}\n"
         "inputs: {other: {path: other.h5, dataset: /raw}}\n"
         "output: {dir: run, final: {chunk_shape: [4, 4, 4], shard_shape: " +
         shard + "}}\nblocks: {shape: " + blocks + "}\n";
}

const std::string whole_chain =
    "stages:\n"
    "  boundary: {scales_nm: [8], context_nm: 8}\n"
    "  watershed:\n"
    "  region_graph:\n"
    "  agglomerate: {threshold: 0.5}\n"
    "  score: {reads: {truth: other}}\n";

const Box domain = Box::from({-3, 2, 5}, {10, 9, 13});
const std::vector<std::string> shapes{"[4, 4, 4]", "[3, 9, 5]", "[64, 64, 64]", "[10, 1, 13]", "[7, 5, 2]"};

std::vector<InputInfo> two_inputs() { return {input_info("input", domain), input_info("other", domain)}; }

TEST(PlanGraph, WholeChainIsSound) {
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    const auto plan = plan_of(header(shape) + whole_chain, two_inputs());
    expect_sound(*plan);
  }
}

TEST(PlanGraph, SummaryIsReadByEveryBlock) {
  const auto plan = plan_of(header("[5, 5, 5]") + whole_chain + "  needs_score:\n", two_inputs());
  expect_sound(*plan);
  const int score = plan->volume(plan->find_volume("score")).voxels_step;
  const int reader = plan->volume(plan->find_volume("scored")).voxels_step;
  for (Index i = 0; i < plan->num_tasks(reader); ++i)
    EXPECT_EQ(plan->dependency_list({reader, i}),
              (std::vector<TaskId>{{score, plan->step(score).tree.root()}}));
}

TEST(PlanGraph, DownsampledImagesAndLabelsAreSound) {
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    const std::string stages =
        "stages:\n"
        "  half: {stage: downsample, factor: [2, 2, 2], writes: {image: half}}\n"
        "  quarter: {stage: downsample, factor: [1, 2, 3], reads: {image: half}, writes: {image: quarter}}\n"
        "  components: {reads: {image: quarter}}\n"
        "  relabel: {dense: true, reads: {labels: components}, writes: {labels: numbered}}\n";
    expect_sound(*plan_of(header(shape, "[4, 12, 4]") + stages, two_inputs()));
  }
}

TEST(PlanGraph, UnevenHalosAndFactorsAreSound) {
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    const std::string stages =
        "stages:\n"
        "  flaky: {writes: {image: copy}}\n"
        "  lopsided: {reads: {image: copy}}\n";
    expect_sound(*plan_of(header(shape) + stages, two_inputs()));
  }
}

const std::string canvas_stages =
    "stages:\n"
    "  flaky: {writes: {image: copy}}\n"
    "  coarse: {stage: downsample, factor: [1, 2, 3], reads: {image: copy}, writes: {image: coarse}}\n"
    "  canvas: {reads: {image: copy}}\n";

TEST(PlanGraph, DivisorsWholeAxesAndDomainsOfTheirOwnAreSound) {
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    const auto plan = plan_of(header(shape) + canvas_stages, two_inputs());
    expect_sound(*plan);
    const VolumePlan& wide = plan->volume(plan->find_volume("wide"));
    EXPECT_EQ(wide.domain, domain.grow(Halo::symmetric({0, Canvas::margin, Canvas::margin})));
  }
}

TEST(PlanGraph, WhatIsHeldAtOnceBoundsTheMemoryOfWholeAxes) {
  const auto plan = plan_of(header("[4, 4, 4]") + canvas_stages, two_inputs());
  for (const StepCost& cost : plan->costs())
    if (cost.name == "canvas.wide") {
      // 64 voxels of the image, two rows of three of the coarse one, the block of 8 bytes and its bundle.
      EXPECT_LE(cost.peak_task_bytes, 64 + 4 * 4 * 4 + 2 * 8 * 4 * 4 * 4);
      EXPECT_GE(cost.peak_task_bytes, 64 + 2 * 8 * 4 * 4 * 4);
    }
}

TEST(PlanGraph, BlocksBesideASmallVolumeAreRoots) {
  // The second image covers a corner of the first one: most blocks read nothing that a task writes.
  const std::vector<InputInfo> inputs{input_info("input", domain),
                                      input_info("other", Box::from({5, 9, 15}, {2, 2, 3}))};
  const std::string stages =
      "stages:\n"
      "  flaky: {reads: {image: other}, writes: {image: copy}}\n"
      "  lopsided: {reads: {other: copy}}\n";
  expect_sound(*plan_of(header("[4, 4, 4]") + stages, inputs));
}

TEST(PlanGraph, OneBlockIsOneLeafWithoutAWayDown) {
  const auto plan = plan_of(header("[64, 64, 64]") + whole_chain, two_inputs());
  for (const StepPlan& step : plan->steps()) {
    if (step.kind == StepKind::up) {
      EXPECT_EQ(step.tree.count(), 1);
    }
  }
  for (int s = 0; s < plan->num_steps(); ++s)
    EXPECT_EQ(plan->num_tasks(s), plan->step(s).kind == StepKind::down    ? 0
                                  : plan->step(s).kind == StepKind::store ? 2 * 2 * 2
                                                                          : 1);
}

TEST(PlanGraph, CostsAreThoseOfACountByHand) {
  for (const std::string& shape : shapes) {
    SCOPED_TRACE(shape);
    // An image port that reads labels gets names, of 8 bytes.
    const std::string stages = whole_chain +
                               "  lopsided:\n"
                               "  half: {stage: downsample, method: mode, factor: [1, 2, 2], reads: {image: "
                               "supervoxels}, writes: {image: half}}\n";
    const auto plan = plan_of(
        header(shape) + stages,
        {input_info("input", domain), input_info("other", Box::from({6, 2, 17}, {1, 9, 1}), DType::u16)});
    const std::vector<StepCost> costs = plan->costs();
    ASSERT_EQ(static_cast<int>(costs.size()), plan->num_steps());
    for (int s = 0; s < plan->num_steps(); ++s) {
      const StepPlan& step = plan->step(s);
      const StepCost& cost = costs[static_cast<std::size_t>(s)];
      EXPECT_EQ(cost.tasks, plan->num_tasks(s));
      if (step.kind != StepKind::map && step.kind != StepKind::up) continue;
      double read = 0, core = 0, largest = 0;
      for (Index b = 0; b < step.tiling.count(); ++b) {
        double held = 0;
        for (const ReadEdge& edge : step.reads) {
          const VolumePlan& v = plan->volume(edge.volume);
          if (edge.port.kind != PortKind::image && edge.port.kind != PortKind::labels) continue;
          const double width = edge.port.kind == PortKind::labels
                                   ? 4
                                   : static_cast<double>(size_of(v.dtype)) * static_cast<double>(v.channels);
          const Box box = edge.port.reads.box(step.tiling.core(b), v.domain).intersect(v.domain);
          held += width * static_cast<double>(box.voxels());
          core +=
              width * static_cast<double>(
                          refined(step.tiling.core(b), edge.port.reads.factor).intersect(v.domain).voxels());
        }
        read += held;
        largest = std::max(largest, held);
      }
      EXPECT_DOUBLE_EQ(cost.bytes_read, read) << step.name;
      EXPECT_DOUBLE_EQ(cost.bytes_core, core) << step.name;
      EXPECT_GE(cost.peak_task_bytes, largest) << step.name;
    }
    // The largest task, and the cache: all intermediates where they are fewer.
    double peak = 0, intermediates = 0;
    for (const StepCost& cost : costs) {
      peak = std::max(peak, cost.peak_task_bytes);
      if (cost.kind != StepKind::store) intermediates += cost.bytes_written;
    }
    EXPECT_DOUBLE_EQ(
        plan->worker_bytes(),
        peak + std::min(intermediates, static_cast<double>(plan->config().memory_chunk_cache_bytes)));
  }
}

// ------------------------------------------------------------------ fingerprints

/// Names of the steps whose fingerprints differ.
std::vector<std::string> changed(const Plan& a, const Plan& b) {
  std::vector<std::string> names;
  EXPECT_EQ(a.num_steps(), b.num_steps());
  for (int s = 0; s < std::min(a.num_steps(), b.num_steps()); ++s) {
    EXPECT_EQ(a.step(s).fingerprint == b.step(s).fingerprint, a.step(s).key == b.step(s).key);
    if (!(a.step(s).fingerprint == b.step(s).fingerprint)) names.push_back(a.step(s).name);
  }
  EXPECT_EQ(names.empty(), a.fingerprint() == b.fingerprint());
  return names;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(PlanFingerprints, ChangeFromTheChangedStageOn) {
  const std::string text = header("[4, 4, 4]") + whole_chain;
  const auto plan = plan_of(text, two_inputs());
  const auto with = [&](const std::string& from, const std::string& to) {
    return changed(*plan, *plan_of(replaced(text, from, to), two_inputs()));
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(with("threshold: 0.5", "threshold: 0.25"),
            (Names{"agglomerate.segments", "agglomerate.segments.down", "agglomerate.segments.resolve",
                   "score.score", "segments.store"}));
  EXPECT_EQ(with("truth: other}", "truth: other}, mode: 2d"), Names{"score.score"});
  EXPECT_EQ(with("[8, 8, 8]", "[8, 4, 8]"), Names{"segments.store"});

  Names all, later;
  for (const StepPlan& step : plan->steps()) {
    all.push_back(step.name);
    if (step.name != "boundary.affinities") later.push_back(step.name);
  }
  EXPECT_EQ(with("  watershed:\n", "  watershed: {threshold_low: 0.2}\n"), later);
  EXPECT_EQ(with("blocks: {shape: [4, 4, 4]}", "blocks: {shape: [4, 4, 5]}"), all);
  EXPECT_EQ(with("stages:\n", "run: {seed: 7}\nstages:\n"), all);
  std::vector<InputInfo> touched = two_inputs();
  touched[0].identity = "another file";
  EXPECT_EQ(changed(*plan, *plan_of(text, touched)), all);
  touched = two_inputs();
  touched[1].identity = "another truth";
  EXPECT_EQ(changed(*plan, *plan_of(text, touched)), Names{"score.score"});
}

TEST(PlanFingerprints, IgnoreWhatCannotChangeAResult) {
  const std::string text = header("[4, 4, 4]") + whole_chain;
  const auto plan = plan_of(text, two_inputs());
  for (const std::string lines : {"memory: {reduction_mb: 1, chunk_cache_mb: 1}\n",
                                  "run: {lease_s: 5, max_attempts: 9, snapshot_tasks: 7}\n"}) {
    const auto other = plan_of(text + lines, two_inputs());
    EXPECT_TRUE(changed(*plan, *other).empty()) << lines;
    EXPECT_EQ(plan->canonical(), other->canonical()) << lines;
  }
  EXPECT_TRUE(changed(*plan, *plan_of(replaced(text, "dir: run", "dir: elsewhere"), two_inputs())).empty());
}

}  // namespace
}  // namespace petavox::test
