#pragma once
// What steps cost on a machine, measured on a few sample blocks by `petavox calibrate`, and what a plan costs
// by that measure. Values.

#include "petavox/io/output_root.hpp"
#include "petavox/pipeline/plan.hpp"
#include "petavox/simulate/cluster.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace petavox::app {

/// Of a step, or of a voxel of its domain.
struct Cost {
  double cpu_s = 0, wall_s = 0;                ///< of workers' threads; wall without waiting
  double read = 0, written = 0;                ///< bytes before compression
  double stored_read = 0, stored_written = 0;  ///< bytes as stored
};

/// Of a step, for each voxel of its domain.
struct StepRate {
  std::string name;
  Cost inner;            ///< in a domain without faces
  Cost edge;             ///< what faces change: so much for each edge_share()
  double log_sigma = 0;  ///< spread of its tasks' durations, of ln(seconds)

  Cost per_voxel(double edge_share) const;
};

/// How much of a tiling is its faces: blocks there have no neighbours beyond, so that halos, contacts and
/// merges are missing. The mean over the axes of 1 / blocks along the axis.
double edge_share(Extent grid);

struct Costs {
  std::string host;
  Extent block_shape{1, 1, 1};
  int at_once = 1;             ///< processes that worked on the machine while it was measured
  double disk_bytes_s = 0;     ///< written and synced, alone; 0: not measured
  double task_overhead_s = 0;  ///< of a worker for each task, beside the step itself and syncs
  double sync_s = 0;           ///< making durable what a report names; as much again for the records
  double start_s = 0;          ///< until the first task begins
  std::vector<StepRate> steps;
};

/// What two samples of the same place tell about a domain of any size. Expects the same steps in both; the
/// first has the smaller share of edges, and all else is taken from it.
void separate_edges(Costs& large, double large_share, const Costs& small, double small_share);
std::string costs_to_json(const Costs& costs);
/// Throws Error{config} if the file is not what costs_to_json() makes.
Costs read_costs(const std::filesystem::path& file);

/// Where a plan would run.
struct Machine {
  int ranks = 1;
  int cores = 0;            ///< that the ranks have in all; 0: one for each thread of each worker
  double disk_bytes_s = 0;  ///< of all ranks together; 0: as in the costs
};

struct Estimate {
  std::vector<Cost> steps;
  double cpu_s = 0, stored_read = 0, stored_written = 0;
  double seconds = 0;                ///< from begin to end
  double disk_share = 0;             ///< of that time, what the disk alone would need
  double core_hours = 0;             ///< of cores held from begin to end, idle or not
  bool simulated = false;            ///< the scheduler was run on the plan; else work is divided by workers
  std::vector<std::string> missing;  ///< steps that the costs do not have, counted as nothing
};

/// Workers of so many ranks: the master works where ranks are few.
std::int64_t num_workers(int ranks, int threads);
/// Costs of a task of each step, for the simulator.
std::vector<simulate::TaskCost> task_costs(const Plan& plan, const Costs& costs);
Estimate estimate(const Plan& plan, const Costs& costs, const Machine& machine);

}  // namespace petavox::app
