#include "apps/petavox/costs.hpp"

#include "petavox/run/commit_interval.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t max_file_bytes = std::size_t{16} << 20;
/// Up to so many tasks the real scheduler is run on the plan: a second or two.
constexpr Index max_simulated_tasks = 300'000;
constexpr int max_ranks_with_working_master = 8;  // as run/run.cpp

const StepRate* find(const Costs& costs, const std::string& step) {
  for (const StepRate& rate : costs.steps)
    if (rate.name == step) return &rate;
  return nullptr;
}

double voxels_of(const StepPlan& step) { return static_cast<double>(step.tiling.domain().voxels()); }

constexpr std::array<std::pair<const char*, double Cost::*>, 6> cost_keys{{
    {"cpu_s", &Cost::cpu_s},
    {"wall_s", &Cost::wall_s},
    {"read_bytes", &Cost::read},
    {"written_bytes", &Cost::written},
    {"stored_read_bytes", &Cost::stored_read},
    {"stored_written_bytes", &Cost::stored_written},
}};

double finite(const Json& json, const char* key) {
  const auto value = json.at(key).get<double>();
  if (!std::isfinite(value) || std::abs(value) > 1e18)
    throw std::range_error{std::string{key} + " is no cost"};
  return value;
}

double sane(const Json& json, const char* key) {
  const double value = finite(json, key);
  if (value < 0) throw std::range_error{std::string{key} + " is no cost"};
  return value;
}

}  // namespace

Cost StepRate::per_voxel(double edge_share) const {
  Cost sum;
  for (const auto& [key, member] : cost_keys)
    sum.*member = std::max(0.0, inner.*member + edge_share * edge.*member);
  return sum;
}

double edge_share(Extent grid) {
  double sum = 0;
  for (int axis = 0; axis < 3; ++axis) sum += 1 / static_cast<double>(std::max<Index>(1, grid[axis]));
  return sum / 3;
}

void separate_edges(Costs& large, double large_share, const Costs& small, double small_share) {
  if (small_share <= large_share) return;
  for (std::size_t i = 0; i < large.steps.size(); ++i) {
    StepRate& rate = large.steps[i];
    for (const auto& [key, member] : cost_keys) {
      const double with_few = rate.inner.*member, with_many = small.steps[i].inner.*member;
      // A sample is small: what it does not show is not made up.
      const double inner = std::clamp(
          with_few + (with_few - with_many) * large_share / (small_share - large_share), 0.0, 2 * with_few);
      rate.inner.*member = inner;
      rate.edge.*member = (with_few - inner) / large_share;
    }
  }
}

std::string costs_to_json(const Costs& costs) {
  Json json;
  json["petavox_costs"] = 4;
  json["host"] = costs.host;
  json["block_shape"] = {costs.block_shape.z, costs.block_shape.y, costs.block_shape.x};
  json["at_once"] = costs.at_once;
  json["disk_bytes_s"] = std::round(costs.disk_bytes_s);
  json["task_overhead_s"] = costs.task_overhead_s;
  json["sync_s"] = costs.sync_s;
  json["start_s"] = costs.start_s;
  json["per_voxel"] = Json::array();
  for (const StepRate& r : costs.steps) {
    Json row = {{"step", r.name}};
    for (const auto& [key, member] : cost_keys) row[key] = r.inner.*member;
    for (const auto& [key, member] : cost_keys) row["edge"][key] = r.edge.*member;
    row["log_sigma"] = r.log_sigma;
    json["per_voxel"].push_back(std::move(row));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Costs read_costs(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  if (!stream)
    throw Error{
        ErrorCode::config,
        fmt::format("cannot read {} (the costs of steps); make it with `petavox calibrate`", file.string())};
  std::string text(max_file_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  try {
    if (text.size() > max_file_bytes) throw std::length_error{"it is larger than 16 MiB"};
    const Json json = Json::parse(text);
    if (json.at("petavox_costs").get<int>() != 4) throw std::range_error{"it is of another version"};
    Costs costs;
    costs.host = json.at("host").get<std::string>();
    for (int axis = 0; axis < 3; ++axis)
      costs.block_shape[axis] = json.at("block_shape").at(static_cast<std::size_t>(axis)).get<Index>();
    costs.at_once = std::max(1, json.value("at_once", 1));
    costs.disk_bytes_s = sane(json, "disk_bytes_s");
    costs.task_overhead_s = sane(json, "task_overhead_s");
    costs.sync_s = sane(json, "sync_s");
    costs.start_s = sane(json, "start_s");
    for (const Json& r : json.at("per_voxel")) {
      StepRate& rate = costs.steps.emplace_back();
      rate.name = r.at("step").get<std::string>();
      rate.log_sigma = sane(r, "log_sigma");
      for (const auto& [key, member] : cost_keys) {
        rate.inner.*member = sane(r, key);
        rate.edge.*member = finite(r.at("edge"), key);
      }
    }
    return costs;
  } catch (const std::exception& error) {
    throw Error{ErrorCode::config, fmt::format("{} holds no costs ({}); make it with `petavox calibrate`",
                                               file.string(), error.what())};
  }
}

std::int64_t num_workers(int ranks, int threads) {
  return std::int64_t{ranks <= max_ranks_with_working_master ? ranks : ranks - 1} * threads;
}

std::vector<simulate::TaskCost> task_costs(const Plan& plan, const Costs& costs) {
  std::vector<simulate::TaskCost> all;
  for (int i = 0; i < plan.num_steps(); ++i) {
    const StepPlan& step = plan.step(i);
    const StepRate* rate = find(costs, step.name);
    const StepRate none;
    if (rate == nullptr) rate = &none;
    const double share = voxels_of(step) / static_cast<double>(std::max<Index>(1, plan.num_tasks(i)));
    const Cost cost = rate->per_voxel(edge_share(step.tiling.grid()));
    all.push_back({cost.wall_s * share, rate->log_sigma, (cost.stored_read + cost.stored_written) * share});
  }
  return all;
}

namespace {

/// Of the time of work, in an executor that waits for them.
double share_of_commits(double commit_s) {
  const auto took = std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>{commit_s});
  return commit_s / std::chrono::duration<double>(sparing_interval(took)).count();
}

}  // namespace

Estimate estimate(const Plan& plan, const Costs& costs, const Machine& machine) {
  Estimate result;
  Index tasks = 0;
  double wall = 0;
  for (int i = 0; i < plan.num_steps(); ++i) {
    const StepPlan& step = plan.step(i);
    tasks += plan.num_tasks(i);
    Cost cost;
    if (const StepRate* rate = find(costs, step.name)) {
      cost = rate->per_voxel(edge_share(step.tiling.grid()));
      for (const auto& [key, member] : cost_keys) cost.*member *= voxels_of(step);
    } else {
      result.missing.push_back(step.name);
    }
    result.cpu_s += cost.cpu_s;
    result.stored_read += cost.stored_read;
    result.stored_written += cost.stored_written;
    wall += cost.wall_s;
    result.steps.push_back(cost);
  }
  const bool serial = machine.ranks == 1 && plan.config().threads == 1;
  const std::int64_t workers = num_workers(machine.ranks, plan.config().threads);
  // More threads than cores do not work faster.
  const double parallel =
      static_cast<double>(machine.cores > 0 ? std::min<std::int64_t>(workers, machine.cores) : workers);
  const double slowdown = static_cast<double>(workers) / parallel;
  const double overhead = costs.task_overhead_s;
  result.seconds = (wall + overhead * static_cast<double>(tasks)) / parallel;
  if (tasks <= max_simulated_tasks) {
    simulate::Cluster cluster;
    cluster.workers = workers;
    cluster.worker_task_s = overhead * slowdown;
    if (!serial) cluster.worker_report_s = costs.sync_s;
    std::vector<simulate::TaskCost> of_tasks = task_costs(plan, costs);
    for (simulate::TaskCost& cost : of_tasks) {
      cost.mean_s *= slowdown;
      cost.bytes = 0;
    }
    result.seconds = simulate::run(plan, of_tasks, cluster, {}).makespan_s;
    result.simulated = true;
  }
  if (serial) result.seconds *= 1 + share_of_commits(2 * costs.sync_s);
  const double disk = machine.disk_bytes_s > 0 ? machine.disk_bytes_s : costs.disk_bytes_s;
  const double disk_s = disk > 0 ? (result.stored_read + result.stored_written) / disk : 0;
  result.seconds = std::max(result.seconds, disk_s) + costs.start_s;
  result.disk_share = result.seconds > 0 ? disk_s / result.seconds : 0;
  const double cores = machine.cores > 0 ? machine.cores : machine.ranks * plan.config().threads;
  result.core_hours = cores * result.seconds / 3600;
  return result;
}

}  // namespace petavox::app
