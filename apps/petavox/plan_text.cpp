#include "apps/petavox/plan_text.hpp"

#include "petavox/base/units.hpp"
#include "petavox/io/image_stack.hpp"
#include "petavox/io/tile_list.hpp"

#include "apps/petavox/svg.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

/// Memory of this process now, before any block: program and libraries, what a worker has as a base.
double base_bytes() {
  std::ifstream stream{"/proc/self/statm"};
  double size = 0, resident = 0;
  stream >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

struct Totals {
  Index tasks = 0, steps = 0, blocks = 0, shards = 0, volumes = 0, summaries = 0;
  double read = 0, core = 0, written = 0, base = 0, worker = 0;
};

Totals totals_of(const Pipeline& pipeline) {
  Totals totals;
  totals.steps = pipeline.plan().num_steps();
  for (const StepCost& cost : pipeline.plan().costs()) {
    totals.tasks += cost.tasks;
    totals.read += cost.bytes_read;
    totals.core += cost.bytes_core;
    totals.written += cost.bytes_written;
    if (cost.kind == StepKind::store) {
      totals.shards += cost.tasks;
      ++totals.volumes;
    }
  }
  for (const StepPlan& step : pipeline.plan().steps())
    for (const WriteEdge& write : step.writes)
      if (write.port.kind == PortKind::summary) ++totals.summaries;
  totals.blocks = Tiling{pipeline.plan().inputs().front().domain, pipeline.config().block_shape}.count();
  const RunConfig& config = pipeline.config();
  // A phantom is set up when it is first read.
  for (std::size_t i = 0; i < config.inputs.size(); ++i)
    if (config.inputs[i].phantom) {
      const Coord first = pipeline.plan().inputs()[i].domain.begin;
      static_cast<void>(pipeline.inputs().read(static_cast<int>(i), Box::from(first, Extent::cube(1))));
    }
  totals.base = base_bytes();
  totals.worker = pipeline.plan().worker_bytes() + input_cache_bytes(pipeline);
  return totals;
}

/// What stays: shards, a virtual dataset for each volume, a report for each summary; the running file and the
/// log of each rank; journal, sign of life, index, and five records of the run.
Index final_files_of(const Totals& totals, int ranks) {
  return totals.shards + totals.volumes + totals.summaries + 2 * ranks + 8;
}

/// While it works: also a pack for each thread and step at most.
Index files_of(const Totals& totals, int ranks, int threads) {
  return threads * totals.steps * ranks + final_files_of(totals, ranks);
}

double halo_overhead(const Totals& totals) { return totals.core > 0 ? totals.read / totals.core - 1 : 0; }

std::string estimate_text(const Plan& plan, const Costs& costs, const Machine& machine) {
  const Estimate e = estimate(plan, costs, machine);
  std::string out = fmt::format("\n{:<32} {:>10} {:>12} {:>12}\n", "step (costs of " + costs.host + ")",
                                "CPU", "from disk", "to disk");
  for (std::size_t i = 0; i < e.steps.size(); ++i)
    out += fmt::format("{:<32} {:>10} {:>12} {:>12}\n", plan.step(static_cast<int>(i)).name,
                       seconds_text(e.steps[i].cpu_s), bytes_text(e.steps[i].stored_read),
                       bytes_text(e.steps[i].stored_written));
  const double bytes = e.stored_read + e.stored_written;
  out += fmt::format("\n{:<24} {} ({})\n", "time", seconds_text(e.seconds),
                     e.simulated ? "simulated: the scheduler was run on this plan"
                                 : "work divided by workers; see `petavox simulate`");
  out += fmt::format("{:<24} {:.3g}\n", "core-hours", e.core_hours);
  out += fmt::format("{:<24} {} from disk, {} to disk\n", "stored bytes", bytes_text(e.stored_read),
                     bytes_text(e.stored_written));
  out += fmt::format("{:<24} {}/s on average; the disk is busy {:.0f} % of the time\n", "bandwidth",
                     bytes_text(bytes / e.seconds), 100 * e.disk_share);
  if (costs.block_shape != plan.config().block_shape)
    out += fmt::format("note: the costs were measured with blocks of {}\n", to_string(costs.block_shape));
  if (num_workers(machine.ranks, plan.config().threads) > costs.at_once)
    out += fmt::format(
        "note: the costs were measured with {} at work; work takes longer where more share a node "
        "(calibrate --at-once)\n",
        costs.at_once == 1 ? "one process" : fmt::format("{} processes", costs.at_once));
  for (const std::string& step : e.missing)
    out += fmt::format("note: the costs do not have {}; it is counted as nothing\n", step);
  return out;
}

}  // namespace

double input_cache_bytes(const Pipeline& pipeline) {
  constexpr double mib = 1 << 20;
  double sum = 0;
  std::set<std::string> counted;  // inputs of one phantom or list of tiles share what they keep
  for (std::size_t i = 0; i < pipeline.config().inputs.size(); ++i) {
    const InputSpec& spec = pipeline.config().inputs[i];
    const InputInfo& info = pipeline.plan().inputs()[i];
    const auto voxels = static_cast<double>(info.domain.voxels());
    const double bytes = voxels * static_cast<double>(size_of(info.dtype)) * info.channels;
    if (spec.phantom) {
      PhantomSource source = *spec.phantom;
      source.volume = "";
      // A piece holds image, labels and types.
      if (counted.insert(to_string(source)).second) sum += std::min(48 * mib, 10 * voxels);
    } else if (is_tile_list(spec.path)) {
      if (counted.insert(spec.path.string()).second) sum += 256 * mib;
    } else {
      sum += std::min(bytes, (is_image_stack(spec.path) ? 256 : 64) * mib);
    }
  }
  return sum;
}

std::string plan_text(const Pipeline& pipeline, const Machine& machine, const std::optional<Costs>& costs) {
  const Plan& plan = pipeline.plan();
  const int ranks = machine.ranks;
  const Totals totals = totals_of(pipeline);
  std::string out;
  out += fmt::format("plan {}\n", to_hex(plan.fingerprint()));
  for (const InputInfo& input : plan.inputs())
    out += fmt::format("input {:<20} {} {} x{}  voxel {:g} x {:g} x {:g} nm\n", input.name,
                       to_string(input.domain), name_of(input.dtype), input.channels, input.voxel_size_nm[0],
                       input.voxel_size_nm[1], input.voxel_size_nm[2]);
  for (const VolumePlan& volume : plan.volumes())
    if (volume.final)
      out += fmt::format("final {:<20} {} {} {} x{}\n", volume.name, name_of(volume.kind),
                         to_string(volume.domain), name_of(volume.dtype), volume.channels);
  out += fmt::format("\n{:<32} {:<8} {:>10} {:>10} {:>10} {:>10}\n", "step", "kind", "tasks", "reads",
                     "writes", "peak");
  for (const StepCost& cost : plan.costs())
    out += fmt::format("{:<32} {:<8} {:>10} {:>10} {:>10} {:>10}\n", cost.name, name_of(cost.kind),
                       cost.tasks, bytes_text(cost.bytes_read), bytes_text(cost.bytes_written),
                       bytes_text(cost.peak_task_bytes));
  out +=
      fmt::format("\n{:<24} {} of {}\n", "blocks", totals.blocks, to_string(pipeline.config().block_shape));
  out += fmt::format("{:<24} {}\n", "tasks", totals.tasks);
  out += fmt::format("{:<24} {} (halos add {:.1f} %)\n", "bytes read", bytes_text(totals.read),
                     100 * halo_overhead(totals));
  out += fmt::format("{:<24} {} before compression\n", "bytes written", bytes_text(totals.written));
  out += fmt::format("{:<24} about {} with {} ranks\n", "files",
                     files_of(totals, ranks, plan.config().threads), ranks);
  const int threads = plan.config().threads;
  out += fmt::format("{:<24} {} + {} of program and libraries{}\n", "peak of a worker",
                     bytes_text(totals.worker), bytes_text(totals.base),
                     threads > 1 ? fmt::format(" ({} threads)", threads) : "");
  if (plan.num_helpers() > 0)
    out += fmt::format("{:<24} {} in {} helpers a rank, each limited to {}\n", "peak of plugins",
                       bytes_text(plan.helper_bytes()), plan.num_helpers(),
                       bytes_text(static_cast<double>(plan.config().memory_isolated_bytes)));
  out += fmt::format("{:<24} {} + {} of program and libraries\n", "peak of the master",
                     bytes_text(plan.master_bytes()), bytes_text(totals.base));
  if (costs) out += estimate_text(plan, *costs, machine);
  return out;
}

std::string plan_json(const Pipeline& pipeline, const Machine& machine, const std::optional<Costs>& costs) {
  const Plan& plan = pipeline.plan();
  const int ranks = machine.ranks;
  std::optional<Estimate> estimated;
  if (costs) estimated = estimate(plan, *costs, machine);
  const Totals totals = totals_of(pipeline);
  Json json;
  json["plan"] = to_hex(plan.fingerprint());
  json["ranks"] = ranks;
  json["threads"] = plan.config().threads;
  json["blocks"] = totals.blocks;
  json["tasks"] = totals.tasks;
  json["bytes_read"] = std::round(totals.read);
  json["bytes_written"] = std::round(totals.written);
  json["halo_overhead"] = halo_overhead(totals);
  json["files"] = files_of(totals, ranks, plan.config().threads);
  json["final_files"] = final_files_of(totals, ranks);
  if (estimated) {
    json["seconds"] = estimated->seconds;
    json["simulated"] = estimated->simulated;
    json["cpu_s"] = estimated->cpu_s;
    json["core_hours"] = estimated->core_hours;
    json["stored_read_bytes"] = std::round(estimated->stored_read);
    json["stored_written_bytes"] = std::round(estimated->stored_written);
    json["bandwidth_bytes_s"] =
        std::round((estimated->stored_read + estimated->stored_written) / estimated->seconds);
    json["costs_missing"] = estimated->missing;
    json["costs_at_once"] = costs->at_once;
  }
  json["worker_bytes"] = std::round(totals.worker);
  json["helper_bytes"] = std::round(plan.helper_bytes());
  json["master_bytes"] = std::round(plan.master_bytes());
  json["base_bytes"] = totals.base;
  json["inputs"] = Json::array();
  for (const InputInfo& input : plan.inputs())
    json["inputs"].push_back({{"name", input.name},
                              {"box", to_string(input.domain)},
                              {"dtype", name_of(input.dtype)},
                              {"channels", input.channels},
                              {"voxel_size_nm", input.voxel_size_nm}});
  json["volumes"] = Json::array();
  for (const VolumePlan& volume : plan.volumes())
    json["volumes"].push_back({{"name", volume.name},
                               {"kind", name_of(volume.kind)},
                               {"box", to_string(volume.domain)},
                               {"dtype", name_of(volume.dtype)},
                               {"channels", volume.channels},
                               {"final", volume.final}});
  json["steps"] = Json::array();
  int number = 0;
  for (const StepCost& cost : plan.costs()) {
    const StepPlan& step = plan.step(number++);
    const Extent grid = step.tiling.grid();
    json["steps"].push_back({{"name", cost.name},
                             {"kind", name_of(cost.kind)},
                             {"tasks", cost.tasks},
                             {"bytes_read", std::round(cost.bytes_read)},
                             {"bytes_core", std::round(cost.bytes_core)},
                             {"bytes_written", std::round(cost.bytes_written)},
                             {"peak_task_bytes", std::round(cost.peak_task_bytes)},
                             {"grid", {grid.z, grid.y, grid.x}},
                             {"fingerprint", to_hex(step.fingerprint)}});
    if (!estimated) continue;
    const Cost& e = estimated->steps[static_cast<std::size_t>(number - 1)];
    // What a reduction reads, and tables, depend on the data: known from the sample only.
    if (step.kind != StepKind::map && step.kind != StepKind::store)
      json["steps"].back()["bytes_read"] = std::round(e.read);
    if (step.kind != StepKind::store) json["steps"].back()["bytes_written"] = std::round(e.written);
    json["steps"].back()["seconds"] = e.cpu_s;
    json["steps"].back()["stored_read_bytes"] = std::round(e.stored_read);
    json["steps"].back()["stored_bytes"] = std::round(e.stored_written);
  }
  json["notes"] = pipeline.notes();
  return json.dump() + "\n";
}

}  // namespace petavox::app
