// Counts of a plan: what it reads, writes and holds. Sums over blocks are products of sums along the axes, so
// that a plan of a petavoxel costs no more to print than one of a megavoxel.

#include "petavox/io/shard_layout.hpp"
#include "petavox/isolation/isolated_stage.hpp"
#include "petavox/pipeline/plan.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace petavox {
namespace {

/// As it is held for a port of this kind: labels as local ids, unless they are read as an image of names.
double bytes_per_voxel(const VolumePlan& v, PortKind port) {
  if (v.kind == PortKind::labels && port == PortKind::labels) return 4;
  return static_cast<double>(size_of(v.dtype)) * v.channels;
}

/// Voxels that all blocks of the tiling read through `reads` from `domain`.
double voxels_read(const Tiling& tiling, const Reads& reads, const Box& domain) {
  // Where the place is known from data only, what a block asks for at once stands for what it reads.
  if (reads.held_voxels > 0)
    return static_cast<double>(tiling.count()) * static_cast<double>(reads.held_voxels);
  double product = 1;
  for (int axis = 0; axis < 3; ++axis) {
    double sum = 0;
    for (Index i = 0; i < tiling.grid()[axis]; ++i) {
      Coord position;
      position[axis] = i;
      const Box box = reads.box(tiling.core_of(position), domain).intersect(domain);
      sum += static_cast<double>(box.shape()[axis]);
    }
    product *= sum;
  }
  return product;
}

/// Voxels of the largest box that one block holds.
double largest_read(const Tiling& tiling, const Reads& reads, const Box& domain) {
  if (reads.held_voxels > 0) return static_cast<double>(reads.held_voxels);
  double product = 1;
  for (int axis = 0; axis < 3; ++axis) {
    Index largest = 0;
    for (Index i = 0; i < std::min<Index>(tiling.grid()[axis], 3); ++i) {
      Coord position;
      position[axis] = i;
      largest =
          std::max(largest, reads.box(tiling.core_of(position), domain).intersect(domain).shape()[axis]);
    }
    product *= static_cast<double>(largest);
  }
  return product;
}

}  // namespace

std::vector<StepCost> Plan::costs() const {
  std::vector<StepCost> all;
  for (int i = 0; i < num_steps(); ++i) {
    const StepPlan& s = step(i);
    StepCost cost;
    cost.name = s.name;
    cost.kind = s.kind;
    cost.tasks = num_tasks(i);
    const bool by_block = s.kind != StepKind::down && s.kind != StepKind::resolve;
    double largest_primary = 0, exchanged = 0;
    if (by_block) {
      for (const ReadEdge& read : s.reads) {
        const VolumePlan& v = volume(read.volume);
        if (v.kind == PortKind::table || v.kind == PortKind::summary) continue;
        // A shard is made of voxels as they will be stored: labels as names.
        const double width = s.kind == StepKind::store ? static_cast<double>(size_of(v.dtype)) * v.channels
                                                       : bytes_per_voxel(v, read.port.kind);
        cost.bytes_read += width * voxels_read(s.tiling, read.port.reads, v.domain);
        Reads core = read.port.reads;
        core.halo = Halo::none();
        core.whole = {};
        core.held_voxels = 0;
        cost.bytes_core += width * voxels_read(s.tiling, core, v.domain);
        const double largest = largest_read(s.tiling, read.port.reads, v.domain);
        largest_primary = std::max(largest_primary, largest);
        cost.peak_task_bytes += width * largest;
        exchanged = std::max(exchanged, width * largest);
      }
    }
    if (s.kind == StepKind::map) {
      const double block = largest_read(s.tiling, {}, s.tiling.domain());
      double written = 0;
      for (const WriteEdge& write : s.writes) {
        const VolumePlan& v = volume(write.volume);
        if (v.kind == PortKind::table) continue;
        cost.bytes_written += bytes_per_voxel(v, v.kind) * static_cast<double>(s.tiling.domain().voxels());
        // The voxels, and the compressed bundle beside them (at most as large).
        cost.peak_task_bytes += 2 * bytes_per_voxel(v, v.kind) * block;
        written += bytes_per_voxel(v, v.kind) * block;
      }
      exchanged = std::max(exchanged, written);
      cost.peak_task_bytes += s.contract.scratch_bytes_per_voxel * largest_primary;
    } else if (s.kind == StepKind::store) {
      const VolumePlan& v = volume(s.reads.front().volume);
      const double width = static_cast<double>(size_of(v.dtype)) * v.channels;
      cost.bytes_written += width * static_cast<double>(v.domain.voxels());
      ShardSpec spec;
      spec.layout = make_shard_layout(v.domain, s.tiling.block_shape(), s.chunk_shape, v.dtype);
      spec.dtype = v.dtype;
      spec.channels = v.channels;
      // Beside it a block's local labels, before they are names.
      cost.peak_task_bytes = static_cast<double>(shard_write_bytes(spec));
      if (v.kind == PortKind::labels)
        cost.peak_task_bytes +=
            bytes_per_voxel(v, v.kind) *
            largest_read(step(v.voxels_step).tiling, {}, step(v.voxels_step).tiling.domain());
    } else if (s.kind == StepKind::up) {
      cost.peak_task_bytes += s.contract.scratch_bytes_per_voxel * largest_primary;
    }
    // It holds what the task holds, and shares with its rank a piece of memory for the largest of what they
    // exchange.
    if (isolation::is_isolated(s.stage) || isolation::is_isolated(s.reduction))
      cost.helper_bytes = cost.peak_task_bytes + exchanged;
    all.push_back(cost);
  }
  return all;
}

double Plan::worker_bytes() const {
  double peak = 0, intermediates = 0;
  for (const StepCost& cost : costs()) {
    peak = std::max(peak, cost.peak_task_bytes);
    if (cost.kind != StepKind::store) intermediates += cost.bytes_written;
  }
  // The cache holds no more than there is.
  return peak * config_.threads +
         std::min(intermediates, static_cast<double>(config_.memory_chunk_cache_bytes));
}

int Plan::num_helpers() const {
  std::set<std::string> plugins;
  for (const StepPlan& s : steps_)
    if (isolation::is_isolated(s.stage) || isolation::is_isolated(s.reduction))
      plugins.insert(instances_[static_cast<std::size_t>(s.instance)].origin);
  return static_cast<int>(plugins.size()) * config_.threads;
}

double Plan::helper_bytes() const {
  std::map<std::string, double> peaks;  // of each plugin
  const auto all = costs();
  for (int i = 0; i < num_steps(); ++i) {
    if (all[static_cast<std::size_t>(i)].helper_bytes == 0) continue;
    double& peak = peaks[instances_[static_cast<std::size_t>(step(i).instance)].origin];
    peak = std::max(peak, all[static_cast<std::size_t>(i)].helper_bytes);
  }
  double sum = 0;
  for (const auto& [plugin, peak] : peaks) sum += peak;
  return sum * config_.threads;
}

double Plan::master_bytes() const {
  double tasks = 0;
  for (int i = 0; i < num_steps(); ++i) tasks += static_cast<double>(num_tasks(i));
  return tasks / 2;  // four bits of state each
}

}  // namespace petavox
