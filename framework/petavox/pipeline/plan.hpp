#pragma once
// The frozen plan of a run: volumes, steps, tilings, fingerprints. Built from a configuration and the headers
// of its inputs, before any voxel is read; a function of these alone, so every rank builds the same one. A
// plan is the task graph of the scheduler (docs/decisions/0001-execution-model.md). Immutable after
// make_plan().

#include "petavox/geometry/merge_tree.hpp"
#include "petavox/pipeline/config.hpp"
#include "petavox/schedule/task_graph.hpp"
#include "petavox/stage/registry.hpp"

#include <memory>
#include <string>
#include <vector>

namespace petavox {

/// What the planner knows of an input: read from its header, not from its voxels.
struct InputInfo {
  std::string name;
  Box domain;  ///< after `box:`
  DType dtype = DType::u8;
  int channels = 1;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  std::string identity;  ///< what the input is, for fingerprints: path, dataset, size and time of change
};

enum class StepKind { map, up, down, resolve, store };
const char* name_of(StepKind kind) noexcept;

/// A volume, table or summary of the pipeline.
struct VolumePlan {
  std::string name;  ///< as in the config; "stage/port" where it is not visible outside its stage
  PortKind kind = PortKind::image;
  DType dtype = DType::u8;
  int channels = 1;
  Box domain;
  VoxelSizeNm voxel_size_nm{1, 1, 1};
  Extent factor{1, 1, 1};  ///< voxels of the main input per voxel
  std::vector<Column> columns;
  Halo window;
  int input = -1;        ///< index of the input, or -1
  int voxels_step = -1;  ///< step that wrote the voxels, table or summary
  std::uint32_t voxels_port = 0;
  int names_step = -1;  ///< of labels: step that wrote the current label table
  std::uint32_t names_port = 0;
  bool final = false;  ///< stored as a shard set at the end
  Hash128 fingerprint;
};

struct ReadEdge {
  InPort port;
  int volume = -1;
};
struct WriteEdge {
  OutPort port;
  int volume = -1;
};

struct StepPlan {
  std::string name;  ///< "watershed.fragments"
  StepKind kind = StepKind::map;
  int instance = -1;             ///< which stage of the config
  const Stage* stage = nullptr;  ///< of a map
  const TreeReduction* reduction = nullptr;
  Tiling tiling;   ///< blocks or shards; of the tree's leaves
  MergeTree tree;  ///< of up and down steps
  Setup setup;
  Contract contract;
  std::vector<ReadEdge> reads;
  std::vector<WriteEdge> writes;
  int up = -1, down = -1;  ///< partners of down and resolve steps
  Extent chunk_shape{64, 64, 64};
  Extent input_factor{1, 1, 1};    ///< voxels of the main input per voxel of the primary volume read
  Extent locality_scale{1, 1, 1};  ///< … per voxel of the step's tiling
  Hash128 fingerprint;
  /// Key of the checksums of everything that the step stores.
  std::uint64_t key = 0;
};

/// Memory, I/O and file counts of a plan, for `petavox plan`.
struct StepCost {
  std::string name;
  StepKind kind = StepKind::map;
  Index tasks = 0;
  double bytes_read = 0;       ///< logical: what tasks ask for, halos included
  double bytes_written = 0;    ///< logical, before compression
  double bytes_core = 0;       ///< what would be read without halos
  double peak_task_bytes = 0;  ///< of the largest task, above the worker's fixed base
  double helper_bytes = 0;     ///< the same of the helper that runs an isolated stage, shared memory included
};

class Plan final : public TaskGraph {
 public:
  struct Instance {
    std::string name, type;
    StageProgram program;
    std::string origin{};  ///< of the type: "built-in" or the plugin's path
  };

  const RunConfig& config() const { return config_; }
  const std::vector<InputInfo>& inputs() const { return inputs_; }
  const std::vector<VolumePlan>& volumes() const { return volumes_; }
  const std::vector<StepPlan>& steps() const { return steps_; }
  const StepPlan& step(int i) const { return steps_[static_cast<std::size_t>(i)]; }
  const VolumePlan& volume(int i) const { return volumes_[static_cast<std::size_t>(i)]; }
  const std::vector<Instance>& instances() const { return instances_; }
  /// Stages that cannot run in this configuration, with the reason (score without a truth).
  const std::vector<std::string>& notes() const { return notes_; }
  /// Index of a volume by name, or -1.
  int find_volume(std::string_view name) const;
  /// Of everything that determines the results.
  Hash128 fingerprint() const { return fingerprint_; }
  /// "key=value" lines of everything that determines the results, for naming what changed.
  const std::string& canonical() const { return canonical_; }

  std::vector<StepCost> costs() const;
  /// Of a rank above its fixed base: largest peak of a task for each of its threads, plus caches.
  double worker_bytes() const;
  /// Of the helpers of a rank beside it, above their own base: the largest for each thread and plugin.
  double helper_bytes() const;
  /// Helpers that a rank has at once.
  int num_helpers() const;
  double master_bytes() const;
  /// The pieces that a task's result is read from: the tasks it depends on.
  std::vector<TaskId> dependency_list(TaskId task) const;

  // TaskGraph
  int num_steps() const override { return static_cast<int>(steps_.size()); }
  Index num_tasks(int step) const override;
  void dependencies(TaskId task, TaskVisitor visit) const override;
  void dependents(TaskId task, TaskVisitor visit) const override;
  std::uint64_t locality(TaskId task) const override;
  Index in_order(int step, Index k) const override;
  bool has_roots(int step) const override;
  bool tiny(TaskId task) const override;
  /// The other steps that read results of the step.
  std::vector<int> readers_of(int step) const;
  std::string describe(TaskId task) const;  ///< "watershed.fragments block (0,1,2)"

 private:
  friend class PlanBuilder;
  /// What blocks of a step read from another step, all ports together.
  struct Source {
    int step = -1;  ///< the writer; in `readers_` the reader
    enum class How { boxes, root } how = How::boxes;
    Reads reads;  ///< the hull of what the ports read
  };
  bool visit_sources(int step, Index block, TaskVisitor visit) const;
  bool visit_readers(TaskId task, TaskVisitor visit) const;

  RunConfig config_;
  std::vector<InputInfo> inputs_;
  std::vector<Instance> instances_;
  std::vector<VolumePlan> volumes_;
  std::vector<StepPlan> steps_;
  std::vector<std::vector<Source>> sources_, readers_;  // of each step
  std::vector<std::string> notes_;
  Hash128 fingerprint_;
  std::string canonical_;
};

/// Throws Error{config} with every problem of the stages and their connections.
std::unique_ptr<Plan> make_plan(const RunConfig& config, const StageRegistry& registry,
                                const std::vector<InputInfo>& inputs);

}  // namespace petavox
