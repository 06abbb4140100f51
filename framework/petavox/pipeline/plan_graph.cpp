// The plan as a task graph: which task reads the result of which.

#include "petavox/geometry/morton_order.hpp"
#include "petavox/pipeline/plan.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace petavox {
namespace {

/// Visits blocks backwards: the last in raster order is usually finished last (see TaskGraph::dependencies).
bool visit_blocks(int step, const Tiling& tiling, const Box& positions, TaskVisitor visit) {
  for (Index i = positions.voxels() - 1; i >= 0; --i)
    if (!visit({step, tiling.block_at(positions.at(i))})) return false;
  return true;
}

/// True if every position of `all` lies in one of the boxes. Only positions where some box begins or ends can
/// differ from the one before them, so only those are looked at.
bool covers(const std::vector<Box>& boxes, const Box& all) {
  std::array<std::set<Index>, 3> edges;
  for (int axis = 0; axis < 3; ++axis) {
    edges[static_cast<std::size_t>(axis)].insert(all.begin[axis]);
    for (const Box& box : boxes)
      for (const Index edge : {box.begin[axis], box.end[axis]})
        if (edge > all.begin[axis] && edge < all.end[axis])
          edges[static_cast<std::size_t>(axis)].insert(edge);
  }
  for (const Index z : edges[0])
    for (const Index y : edges[1])
      for (const Index x : edges[2])
        if (std::ranges::none_of(boxes, [&](const Box& box) { return box.contains(Coord{z, y, x}); }))
          return false;
  return true;
}

}  // namespace

const char* name_of(StepKind kind) noexcept {
  switch (kind) {
    case StepKind::map:
      return "map";
    case StepKind::up:
      return "up";
    case StepKind::down:
      return "down";
    case StepKind::resolve:
      return "resolve";
    case StepKind::store:
      return "store";
  }
  return "unknown";
}

int Plan::find_volume(std::string_view name) const {
  for (std::size_t i = 0; i < volumes_.size(); ++i)
    if (volumes_[i].name == name) return static_cast<int>(i);
  return -1;
}

Index Plan::num_tasks(int step) const {
  const StepPlan& s = this->step(step);
  switch (s.kind) {
    case StepKind::map:
    case StepKind::resolve:
    case StepKind::store:
      return s.tiling.count();
    case StepKind::up:
      return s.tree.count();
    case StepKind::down:
      return s.tree.count() - s.tree.leaves();
  }
  return 0;
}

// What a block of a map, a leaf, a resolve step or a shard reads from other steps.
bool Plan::visit_sources(int step, Index block, TaskVisitor visit) const {
  const Box core = this->step(step).tiling.core(block);
  for (const Source& source : sources_[static_cast<std::size_t>(step)]) {
    const StepPlan& from = this->step(source.step);
    if (source.how == Source::How::root) {
      if (!visit({source.step, from.tree.root()})) return false;
    } else if (!visit_blocks(source.step, from.tiling,
                             from.tiling.touching(source.reads.box(core, from.tiling.domain())), visit)) {
      return false;
    }
  }
  return true;
}

// The inverse of visit_sources: the blocks of every reader whose box touches the block of `task`.
bool Plan::visit_readers(TaskId task, TaskVisitor visit) const {
  const StepPlan& from = step(static_cast<int>(task.step));
  for (const Source& reader : readers_[static_cast<std::size_t>(task.step)]) {
    const StepPlan& to = step(reader.step);
    if (reader.how == Source::How::root) {
      if (task.index != from.tree.root()) continue;
      for (Index i = 0; i < to.tiling.count(); ++i)
        if (!visit({reader.step, i})) return false;
    } else {
      const Box cores = reader.reads.readers(from.tiling.core(task.index), to.tiling.domain());
      if (!visit_blocks(reader.step, to.tiling, to.tiling.touching(cores), visit)) return false;
    }
  }
  return true;
}

void Plan::dependencies(TaskId task, TaskVisitor visit) const {
  const int index = static_cast<int>(task.step);
  const StepPlan& s = step(index);
  switch (s.kind) {
    case StepKind::map:
    case StepKind::store:
      visit_sources(index, task.index, visit);
      return;
    case StepKind::up:
      if (s.tree.is_leaf(task.index)) {
        visit_sources(index, task.index, visit);
      } else {
        const std::vector<Index> children = s.tree.children(task.index);
        for (auto child = children.rbegin(); child != children.rend(); ++child)
          if (!visit({task.step, *child})) return;
      }
      return;
    case StepKind::down: {
      const Index node = task.index + s.tree.leaves();
      if (!visit({s.up, node})) return;
      if (node != s.tree.root()) visit({task.step, s.tree.parent(node) - s.tree.leaves()});
      return;
    }
    case StepKind::resolve: {
      const MergeTree& tree = step(s.up).tree;
      if (task.index != tree.root() && !visit({s.down, tree.parent(task.index) - tree.leaves()})) return;
      if (!visit({s.up, task.index})) return;
      visit_sources(index, task.index, visit);
      return;
    }
  }
}

std::vector<TaskId> Plan::dependency_list(TaskId task) const {
  std::vector<TaskId> list;
  dependencies(task, [&](TaskId d) {
    list.push_back(d);
    return true;
  });
  return list;
}

void Plan::dependents(TaskId task, TaskVisitor visit) const {
  const StepPlan& s = step(static_cast<int>(task.step));
  switch (s.kind) {
    case StepKind::map:
    case StepKind::resolve:
      visit_readers(task, visit);
      return;
    case StepKind::store:
      return;
    case StepKind::up: {
      const bool leaf = s.tree.is_leaf(task.index);
      if (task.index != s.tree.root() && !visit({task.step, s.tree.parent(task.index)})) return;
      // The way down: inner nodes have a down task, leaves a resolve task (the step after it).
      if (s.down >= 0 &&
          !(leaf ? visit({s.down + 1, task.index}) : visit({s.down, task.index - s.tree.leaves()})))
        return;
      visit_readers(task, visit);
      return;
    }
    case StepKind::down:
      for (const Index child : s.tree.children(task.index + s.tree.leaves())) {
        const bool leaf = s.tree.is_leaf(child);
        if (!(leaf ? visit({task.step + 1, child}) : visit({task.step, child - s.tree.leaves()}))) return;
      }
      return;
  }
}

std::vector<int> Plan::readers_of(int step) const {
  std::vector<int> readers;
  for (const Source& reader : readers_[static_cast<std::size_t>(step)]) readers.push_back(reader.step);
  const StepPlan& s = this->step(step);
  // The way down: inner nodes have a down task, leaves a resolve task (the step after it).
  if (s.kind == StepKind::up && s.down >= 0) readers.insert(readers.end(), {s.down, s.down + 1});
  if (s.kind == StepKind::down) readers.push_back(step + 1);
  return readers;
}

Index Plan::in_order(int step, Index k) const {
  const StepPlan& s = this->step(step);
  switch (s.kind) {
    case StepKind::map:
    case StepKind::resolve:
    case StepKind::store:
      return s.tiling.block_at(morton_nth(s.tiling.grid(), k));
    case StepKind::up:
      return k < s.tree.leaves() ? s.tiling.block_at(morton_nth(s.tiling.grid(), k)) : k;
    case StepKind::down:
      return num_tasks(step) - 1 - k;
  }
  return k;
}

bool Plan::has_roots(int step) const {
  const StepPlan& s = this->step(step);
  if (s.kind != StepKind::map && s.kind != StepKind::up && s.kind != StepKind::store) return false;
  // The blocks that read from each source are a box of grid positions. A small source leaves blocks beside it
  // that read nothing that a task writes.
  std::vector<Box> reading;
  for (const Source& source : sources_[static_cast<std::size_t>(step)]) {
    if (source.how == Source::How::root) return false;
    const Box written = this->step(source.step).tiling.domain();
    reading.push_back(s.tiling.touching(source.reads.readers(written, s.tiling.domain())));
  }
  return !covers(reading, Box::from({}, s.tiling.grid()));
}

std::uint64_t Plan::locality(TaskId task) const {
  const StepPlan& s = step(static_cast<int>(task.step));
  Box region;
  switch (s.kind) {
    case StepKind::map:
    case StepKind::resolve:
    case StepKind::store:
      region = s.tiling.core(task.index);
      break;
    case StepKind::up:
      region = s.tree.box(task.index);
      break;
    case StepKind::down:
      region = s.tree.box(task.index + s.tree.leaves());
      break;
  }
  // In units of the smallest block edge in use, so that a coarse step and a fine one share one curve.
  Coord position;
  for (int axis = 0; axis < 3; ++axis) {
    const Index fine_begin = (region.begin[axis] - s.tiling.domain().begin[axis]) * s.locality_scale[axis];
    position[axis] = fine_begin / std::max<Index>(1, config_.block_shape[axis]);
  }
  return morton(position);
}

bool Plan::tiny(TaskId task) const {
  const StepKind kind = step(static_cast<int>(task.step)).kind;
  return kind == StepKind::down || kind == StepKind::resolve;
}

std::string Plan::describe(TaskId task) const {
  const StepPlan& s = step(static_cast<int>(task.step));
  const auto place = [&](Coord p) { return to_string(p); };
  switch (s.kind) {
    case StepKind::map:
    case StepKind::resolve:
      return s.name + " block " + place(s.tiling.position(task.index));
    case StepKind::store:
      return s.name + " shard " + place(s.tiling.position(task.index));
    case StepKind::up:
    case StepKind::down: {
      const Index id = s.kind == StepKind::up ? task.index : task.index + s.tree.leaves();
      const MergeTree::Node node = s.tree.node(id);
      return s.name + " node " + std::to_string(node.level) + ":" + place(node.position);
    }
  }
  return s.name;
}

}  // namespace petavox
