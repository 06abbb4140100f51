#include "unit/schedule/graphs.hpp"

#include "petavox/geometry/morton_order.hpp"

#include <algorithm>
#include <random>
#include <set>

namespace petavox::testing {

ChainGraph::ChainGraph(const Box& domain, const std::vector<MapStep>& maps, bool with_tree)
    : with_tree_{with_tree} {
  for (const MapStep& map : maps) {
    tilings_.emplace_back(domain, map.block_shape);
    halos_.push_back(map.halo);
  }
  tree_ = MergeTree{last()};
}

Index ChainGraph::num_tasks(int step) const {
  if (step < up()) return tiling(step).count();
  if (step == up()) return tree_.count();
  if (step == up() + 1) return tree_.count() - tree_.leaves();
  return tree_.leaves();
}

namespace {

// Last in raster order first: false if the visitor has had enough.
bool visit_blocks(int step, const Tiling& tiling, const Box& region, TaskVisitor visit) {
  const Box positions = tiling.touching(region);
  for (Index z = positions.end.z - 1; z >= positions.begin.z; --z)
    for (Index y = positions.end.y - 1; y >= positions.begin.y; --y)
      for (Index x = positions.end.x - 1; x >= positions.begin.x; --x)
        if (!visit({step, tiling.block_at({z, y, x})})) return false;
  return true;
}

}  // namespace

void ChainGraph::dependencies(TaskId task, TaskVisitor visit) const {
  const int step = static_cast<int>(task.step);
  if (step == 0) return;
  if (step < up()) {
    visit_blocks(step - 1, tiling(step - 1),
                 tiling(step).core(task.index).grow(halos_[static_cast<std::size_t>(step)]), visit);
  } else if (step == up()) {
    if (tree_.is_leaf(task.index)) {
      visit({up() - 1, task.index});
      return;
    }
    const auto children = tree_.children(task.index);
    for (auto child = children.rbegin(); child != children.rend(); ++child)
      if (!visit({up(), *child})) return;
  } else if (step == up() + 1) {
    const Index node = task.index + tree_.leaves();
    if (visit({up(), node}) && node != tree_.root()) visit({up() + 1, tree_.parent(node) - tree_.leaves()});
  } else if (visit({up(), task.index}) && task.index != tree_.root()) {
    visit({up() + 1, tree_.parent(task.index) - tree_.leaves()});
  }
}

void ChainGraph::dependents(TaskId task, TaskVisitor visit) const {
  const int step = static_cast<int>(task.step);
  if (step < up() - 1) {
    const Halo& halo = halos_[static_cast<std::size_t>(step) + 1];
    visit_blocks(step + 1, tiling(step + 1), tiling(step).core(task.index).grow({halo.high, halo.low}),
                 visit);
  } else if (step == up() - 1) {
    if (with_tree_) visit({up(), task.index});
  } else if (step == up()) {
    if (task.index != tree_.root() && !visit({up(), tree_.parent(task.index)})) return;
    if (tree_.is_leaf(task.index))
      visit({up() + 2, task.index});
    else
      visit({up() + 1, task.index - tree_.leaves()});
  } else if (step == up() + 1) {
    for (const Index child : tree_.children(task.index + tree_.leaves())) {
      const bool leaf = tree_.is_leaf(child);
      if (!visit(leaf ? TaskId{up() + 2, child} : TaskId{up() + 1, child - tree_.leaves()})) return;
    }
  }
}

std::uint64_t ChainGraph::locality(TaskId task) const {
  const int step = static_cast<int>(task.step);
  Box box;
  if (step < up())
    box = tiling(step).core(task.index);
  else
    box = tree_.box(step == up() + 1 ? task.index + tree_.leaves() : task.index);
  const Coord from = last().domain().begin;
  return morton({box.begin.z - from.z, box.begin.y - from.y, box.begin.x - from.x});
}

Index ChainGraph::in_order(int step, Index k) const {
  const int s = step < up() ? step : up() - 1;
  if (step < up() || k < tree_.leaves()) return tiling(s).block_at(morton_nth(tiling(s).grid(), k));
  return k;
}

ListGraph::ListGraph(Reads reads, std::vector<bool> tiny_steps)
    : reads_{std::move(reads)}, tiny_{std::move(tiny_steps)} {
  for (const auto& step : reads_) {
    readers_.emplace_back(step.size());
    roots_.push_back(std::any_of(step.begin(), step.end(), [](const auto& on) { return on.empty(); }));
  }
  for (std::size_t s = 0; s < reads_.size(); ++s)
    for (std::size_t i = 0; i < reads_[s].size(); ++i)
      for (const TaskId& on : reads_[s][i])
        readers_[static_cast<std::size_t>(on.step)][static_cast<std::size_t>(on.index)].push_back(
            {static_cast<Index>(s), static_cast<Index>(i)});
}

ListGraph random_graph(std::uint64_t seed, int max_steps, int max_tasks) {
  std::mt19937_64 random{seed};
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  ListGraph::Reads reads;
  std::vector<bool> tiny;
  const std::size_t steps = 1 + below(static_cast<std::size_t>(max_steps));
  for (std::size_t s = 0; s < steps; ++s) {
    reads.emplace_back(1 + below(static_cast<std::size_t>(max_tasks)));
    tiny.push_back(below(3) == 0);
    for (std::size_t i = 0; i < reads[s].size(); ++i) {
      std::set<TaskId> on;
      for (std::size_t n = below(5); n > 0; --n) {
        const std::size_t from = below(s + 1);
        const std::size_t choices = from == s ? i : reads[from].size();
        if (choices > 0) on.insert({static_cast<Index>(from), static_cast<Index>(below(choices))});
      }
      reads[s][i].assign(on.begin(), on.end());
    }
  }
  return ListGraph{std::move(reads), std::move(tiny)};
}

}  // namespace petavox::testing
