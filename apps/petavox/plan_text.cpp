#include "apps/petavox/plan_text.hpp"

#include "apps/petavox/bytes_text.hpp"

#include <cmath>
#include <fstream>

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
  Index tasks = 0, steps = 0, blocks = 0, shards = 0, volumes = 0;
  double read = 0, core = 0, written = 0, base = 0;
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
  totals.blocks = Tiling{pipeline.plan().inputs().front().domain, pipeline.config().block_shape}.count();
  totals.base = base_bytes();
  return totals;
}

/// At most a pack for each thread and step, and a running file for each rank; shards, a virtual dataset for
/// each volume; journal, index, records.
Index files_of(const Totals& totals, int ranks, int threads) {
  return (threads * totals.steps + 1) * ranks + totals.shards + totals.volumes + 8;
}

double halo_overhead(const Totals& totals) { return totals.core > 0 ? totals.read / totals.core - 1 : 0; }

}  // namespace

std::string plan_text(const Pipeline& pipeline, int ranks) {
  const Plan& plan = pipeline.plan();
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
                     bytes_text(plan.worker_bytes()), bytes_text(totals.base),
                     threads > 1 ? fmt::format(" ({} threads)", threads) : "");
  out += fmt::format("{:<24} {} + {} of program and libraries\n", "peak of the master",
                     bytes_text(plan.master_bytes()), bytes_text(totals.base));
  return out;
}

std::string plan_json(const Pipeline& pipeline, int ranks) {
  const Plan& plan = pipeline.plan();
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
  json["worker_bytes"] = std::round(plan.worker_bytes());
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
  for (const StepCost& cost : plan.costs())
    json["steps"].push_back({{"name", cost.name},
                             {"kind", name_of(cost.kind)},
                             {"tasks", cost.tasks},
                             {"bytes_read", std::round(cost.bytes_read)},
                             {"bytes_core", std::round(cost.bytes_core)},
                             {"bytes_written", std::round(cost.bytes_written)},
                             {"peak_task_bytes", std::round(cost.peak_task_bytes)}});
  json["notes"] = pipeline.notes();
  return json.dump() + "\n";
}

}  // namespace petavox::app
