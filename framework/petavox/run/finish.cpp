#include "petavox/run/finish.hpp"

#include "petavox/base/log.hpp"
#include "petavox/io/manifest.hpp"
#include "petavox/io/shard_writer.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/run/task_runner.hpp"
#include "petavox/run/volume_access.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace petavox {
namespace {

/// Looks results up in the master's own index.
class IndexLookup final : public ResultLookup {
 public:
  explicit IndexLookup(ResultIndex& index) : index_{index} {}
  IndexedResult find(TaskId task) const override {
    const auto found = index_.get(task);
    if (!found)
      throw Error{ErrorCode::internal,
                  "no result of " + to_string(task) + " (a bug in petavox); please report it"};
    return *found;
  }

 private:
  ResultIndex& index_;
};

/// Nothing if a shard is missing.
std::optional<ManifestVolume> finish_volume(const FinishContext& context, int step_number,
                                            const ObjectStore& store, const ResultLookup& results) {
  const StepPlan& step = context.plan.step(step_number);
  const VolumePlan& volume = context.plan.volume(step.reads.front().volume);
  const ShardSpec spec = shard_spec_of(context.plan, step);
  std::vector<ShardRecord> records;
  ManifestVolume entry;
  DigestSum sum;
  const std::string directory = shard_directory(volume.name);
  for (Index i = 0; i < step.tiling.count(); ++i) {
    if (!context.index.get({step_number, i})) return std::nullopt;
    store.with({step_number, i}, results, [&](const BundleReader& reader) {
      const StoredShard shard = StoredShard::decode(reader.blob(shard_part));
      sum += shard.digest;
      records.push_back({i, shard.file, shard.bytes, shard.checksum, shard.file_hash});
      entry.shards.push_back(
          {directory + "/" + shard.file, step.tiling.core(i), shard.bytes, shard.file_hash});
    });
  }
  const std::string file = "volumes/" + volume.name + ".h5";
  write_virtual_dataset(context.root.path_of(file), spec.dataset, spec, context.root.path_of(directory),
                        records);
  entry.name = volume.name;
  entry.kind = name_of(volume.kind);
  entry.dtype = volume.dtype;
  entry.channels = volume.channels;
  entry.domain = volume.domain;
  entry.voxel_size_nm = volume.voxel_size_nm;
  entry.file = file;
  entry.dataset = spec.dataset;
  entry.digest = finish_digest(sum, volume.dtype, volume.channels, volume.domain);
  return entry;
}

/// "<generation>" of a file that this or an earlier launch made, from its name; nothing for other names.
std::optional<std::uint32_t> generation_of(const std::string& name, std::size_t dots_before) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < dots_before; ++i) {
    at = name.find('.', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  std::uint32_t generation = 0;
  const auto [end, error] = std::from_chars(name.data() + at, name.data() + name.size(), generation);
  if (error != std::errc{} || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return generation;
}

/// Removes shards that lost a race, and intermediates that nobody will read again. Never what a master may
/// have made that might still be at work: a newer one, or an older one that is not known to be gone.
void clear_away(const FinishContext& context, const Manifest& manifest) {
  const auto mine = [&](std::optional<std::uint32_t> generation) {
    if (!generation) return false;
    return *generation == context.generation ||
           (context.predecessors_gone && *generation < context.generation);
  };
  std::vector<std::string> kept;
  for (const ManifestVolume& v : manifest.volumes)
    for (const ManifestShard& shard : v.shards) kept.push_back(shard.file);
  std::sort(kept.begin(), kept.end());
  for (const ManifestVolume& v : manifest.volumes) {
    const std::string directory = shard_directory(v.name);
    for (const std::string& name : context.root.list(directory)) {
      const std::string file = directory + "/" + name;
      if (mine(generation_of(name, 1)) && !std::binary_search(kept.begin(), kept.end(), file))
        context.root.remove(file);
    }
  }
  if (context.plan.config().keep == KeepMode::all || context.options.keep_packs) return;
  for (const std::string& name : context.root.list("packs"))
    if (mine(generation_of(name, 0))) context.root.remove("packs/" + name);
}

}  // namespace

Hash128 combined_digest(std::vector<VolumeReport> volumes) {
  std::sort(volumes.begin(), volumes.end(),
            [](const VolumeReport& a, const VolumeReport& b) { return a.name < b.name; });
  std::string text;
  for (const VolumeReport& v : volumes) text += v.name + " " + to_hex(v.digest) + "\n";
  return hash128(text);
}

void finish_run(const FinishContext& context, RunReport& report) {
  const ObjectStore store{context.plan, context.root, 0};
  const IndexLookup results{context.index};
  Manifest manifest;
  bool all_there = report.failures.empty();
  for (int s = 0; s < context.plan.num_steps(); ++s) {
    const StepPlan& step = context.plan.step(s);
    if (step.kind == StepKind::store) {
      auto entry = finish_volume(context, s, store, results);
      if (!entry) {
        all_there = false;
        continue;
      }
      report.volumes.push_back({entry->name, entry->kind, entry->digest});
      manifest.volumes.push_back(std::move(*entry));
    } else if (step.kind == StepKind::up) {
      for (const WriteEdge& write : step.writes) {
        if (write.port.kind != PortKind::summary || !context.index.get({s, step.tree.root()})) continue;
        const VolumePlan& volume = context.plan.volume(write.volume);
        if (volume.name.find('/') != std::string::npos) continue;  // not visible outside its stage
        store.with({s, step.tree.root()}, results, [&](const BundleReader& reader) {
          const Bytes bytes = reader.blob(summary_part);
          const std::string text = text_of(bytes);
          const std::string file = "reports/" + volume.name + ".json";
          context.root.atomically_replace(file, bytes);
          manifest.tables.push_back({volume.name, file, 1, bytes.size(), hash128(text), hash128(text)});
          report.summaries.emplace_back(volume.name, text);
        });
      }
    }
  }
  report.digest = combined_digest(report.volumes);
  if (!all_there) return;
  report.complete = true;
  manifest.digest = report.digest;
  manifest.provenance = provenance_of(context.plan);
  write_manifest(context.root, manifest);
  context.root.atomically_replace("COMPLETE", bytes_of(to_hex(context.plan.fingerprint()) + "\n"));
  clear_away(context, manifest);
}

}  // namespace petavox
