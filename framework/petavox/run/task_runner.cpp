#include "petavox/run/task_runner.hpp"

#include "petavox/base/check.hpp"
#include "petavox/io/shard_writer.hpp"
#include "petavox/run/name_values.hpp"
#include "petavox/run/step_block.hpp"

#include <chrono>
#include <ctime>
#include <numeric>

#include <fmt/format.h>
#include <sys/resource.h>

namespace petavox {
namespace {

CodecOptions codec_of(const CodecSpec& spec) {
  return {parse_codec(spec.codec).value_or(Codec::zstd), spec.level,
          parse_shuffle(spec.shuffle).value_or(Shuffle::none)};
}

/// Failures of the run's own storage, as opposed to those of a stage or an input.
class StorageFailure : public Error {
 public:
  explicit StorageFailure(const Error& error) : Error{error.code(), error.what(), error.retryable()} {}
};

std::uint64_t thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t process_peak_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

Bytes StoredShard::encode() const {
  ByteWriter out;
  out.put_text(file);
  out.put(bytes);
  out.put(checksum);
  out.put(file_hash);
  out.put(digest);
  return out.take();
}

StoredShard StoredShard::decode(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  StoredShard shard;
  shard.file = in.get_text();
  shard.bytes = in.get<std::uint64_t>();
  shard.checksum = in.get<std::uint64_t>();
  shard.file_hash = in.get<Hash128>();
  shard.digest = in.get<DigestSum>();
  return shard;
}

std::string shard_directory(const std::string& volume) { return "volumes/" + volume + ".shards"; }

ShardSpec shard_spec_of(const Plan& plan, const StepPlan& step) {
  const VolumePlan& v = plan.volume(step.reads.front().volume);
  const CodecSpec& codec = plan.config().final_codec;
  ShardSpec spec;
  spec.layout = make_shard_layout(v.domain, step.tiling.block_shape(), step.chunk_shape, v.dtype);
  spec.dtype = v.dtype;
  spec.channels = v.channels;
  spec.voxel_size_nm = v.voxel_size_nm;
  spec.codec = parse_hdf5_codec(codec.codec, codec.level, codec.shuffle);
  spec.fingerprint = step.fingerprint;
  return spec;
}

Workplace::Workplace(const Plan& plan_, const InputSet& inputs_, OutputRoot root_, std::uint32_t generation_,
                     int rank_, int threads_, bool profile_)
    : plan{plan_},
      inputs{inputs_},
      root{std::move(root_)},
      generation{generation_},
      rank{rank_},
      threads{threads_},
      profile{profile_},
      store{plan, root, plan.config().memory_chunk_cache_bytes},
      data{plan, inputs, store},
      slots{root, generation, static_cast<std::uint32_t>(rank), static_cast<std::uint32_t>(threads)},
      watched{slots} {}

TaskRunner::TaskRunner(Workplace& place, int thread)
    : plan_{place.plan},
      inputs_{place.inputs},
      root_{place.root},
      store_{place.store},
      data_{place.data},
      slots_{place.slots},
      slot_{static_cast<std::uint32_t>(thread)},
      reduction_bytes_{plan_.config().memory_reduction_bytes / static_cast<std::size_t>(place.threads)},
      generation_{place.generation},
      worker_{static_cast<std::uint32_t>(worker_of(place.rank, thread, place.threads).value)},
      streams_(plan_.steps().size()) {
  if (worker_ >= max_workers || streams_.size() > max_streams)
    throw Error{
        ErrorCode::config,
        fmt::format("worker {} of a plan of {} steps (a pack has a number for at most {} workers and {} "
                    "steps); use fewer ranks, threads or stages",
                    worker_, streams_.size(), max_workers, max_streams)};
  std::iota(streams_.begin(), streams_.end(), 0U);
  if (place.profile)
    profile_.emplace(root_, generation_, std::to_string(worker_), static_cast<std::uint32_t>(place.rank),
                     slot_, plan_);
}

PackWriter& TaskRunner::pack_of(std::int64_t step) {
  const std::uint32_t stream = streams_.at(static_cast<std::size_t>(step));
  const auto found = packs_.find(stream);
  if (found != packs_.end()) return found->second;
  return packs_.emplace(stream, PackWriter{root_, generation_, writer_of(worker_, stream)}).first->second;
}

void TaskRunner::sync() {
  {
    const ProfileScope timed{profile(), ProfileEvent::sync};
    for (auto& [stream, pack] : packs_) pack.sync();
  }
  unsynced_bytes_ = 0;
  // What is reported is in the profile too.
  if (profile_) profile_->flush();
}

void TaskRunner::release(const Release& release) {
  if (release.stream.generation == generation_) packs_.erase(release.stream.number);
  streams_.at(static_cast<std::size_t>(release.step)) = static_cast<std::uint32_t>(release.next);
  store_.forget(release.stream);
}

TaskOutcome TaskRunner::run(const Work& work) {
  if (!profile_) return attempt(work);
  profile_->begin_task(!plan_.tiny(work.task));
  const TaskOutcome outcome = attempt(work);
  ProfileRecord record;
  record.task = work.task;
  record.attempt = static_cast<std::uint64_t>(work.attempt);
  record.outcome = static_cast<std::uint64_t>(outcome.kind);
  record.bytes_read = outcome.bytes_read;
  record.bytes_written = outcome.bytes_written;
  profile_->end_task(record);
  return outcome;
}

TaskOutcome TaskRunner::attempt(const Work& work) {
  TaskOutcome outcome;
  outcome.task = work.task;
  outcome.attempt = work.attempt;
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t cpu_start = thread_cpu_ns();
  slots_.start(slot_, work.task, static_cast<std::uint32_t>(work.attempt));
  const auto fail = [&](OutcomeKind kind, const std::string& text, bool retryable) {
    outcome.kind = kind;
    outcome.text = fmt::format("{}: {}", plan_.describe(work.task), text);
    outcome.retryable = retryable;
  };
  try {
    const ResultList results{work.inputs};
    const Bytes bundle = execute(work, results, outcome);
    if (outcome.kind == OutcomeKind::done) {
      try {
        const PhaseScope writing{Phase::write};
        count_stored_written(bundle.size());
        outcome.location = pack_of(work.task.step).append(bundle);
        unsynced_bytes_ += bundle.size();
      } catch (const Error& error) {
        throw StorageFailure{error};
      }
    }
  } catch (const StorageFailure& error) {
    fail(OutcomeKind::fatal, error.what(), error.retryable());
  } catch (const CorruptInput& error) {
    fail(OutcomeKind::corrupt, error.what(), true);
    outcome.culprit = error.task();
  } catch (const Error& error) {
    // A broken contract fails the same way every time.
    fail(OutcomeKind::failed, error.what(), error.code() != ErrorCode::contract);
  } catch (const std::bad_alloc&) {
    fail(OutcomeKind::failed, "out of memory (the block could not be computed); use smaller blocks", true);
  } catch (const std::exception& error) {
    fail(OutcomeKind::failed, error.what(), true);
  } catch (...) {
    fail(OutcomeKind::failed,
         "the stage threw something that is no std::exception (its cause is unknown); throw "
         "petavox::Error or another std::exception",
         true);
  }
  slots_.finish(slot_);
  outcome.nanoseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count());
  outcome.cpu_ns = thread_cpu_ns() - cpu_start;
  outcome.peak_bytes = process_peak_bytes();
  return outcome;
}

bool TaskRunner::outside_mask(const StepPlan& step, Index block) const {
  if (!inputs_.masked() || step.writes.empty() || !step.writes.front().port.masked) return false;
  const VolumePlan& v = plan_.volume(step.writes.front().volume);
  const Box box = step.tiling.core(block).grow(v.window).intersect(step.tiling.domain());
  const auto mask = inputs_.mask(box, step.tiling.domain(), step.locality_scale);
  for (const std::uint8_t inside : mask->view<std::uint8_t>().channel())
    if (inside != 0) return false;
  return true;
}

Bytes TaskRunner::execute(const Work& work, const ResultLookup& results, TaskOutcome& outcome) {
  const StepPlan& step = plan_.step(static_cast<int>(work.task.step));
  switch (step.kind) {
    case StepKind::map:
      return map(step, work.task, results, outcome);
    case StepKind::up:
      return up(step, work.task, results, outcome);
    case StepKind::down:
      return down(step, work.task, results);
    case StepKind::resolve:
      return resolve(step, work.task, results);
    case StepKind::store:
      return store(step, work, results, outcome);
  }
  return {};
}

Bytes TaskRunner::map(const StepPlan& step, TaskId task, const ResultLookup& results, TaskOutcome& outcome) {
  if (outside_mask(step, task.index)) {
    outcome.kind = OutcomeKind::skipped;
    outcome.text = "outside the mask";
    return {};
  }
  const StepInputs inputs{data_, results, step, task.index};
  StepOutputs outputs{plan_, step, task.index};
  const BlockContext context{step.setup.domain, step.setup.voxel_size_nm, plan_.config().seed};
  step.stage->run(inputs, outputs, context);
  Bytes bundle = outputs.pack(bundle_key(step, task.index), inputs_, codec_of(plan_.config().image_codec),
                              codec_of(plan_.config().label_codec));
  outcome.bytes_read = inputs.bytes_read();
  outcome.bytes_written = outputs.bytes_written();
  return bundle;
}

Bytes TaskRunner::up(const StepPlan& step, TaskId task, const ResultLookup& results, TaskOutcome& outcome) {
  NodeContext context;
  context.box = step.tree.box(task.index);
  context.domain = step.tiling.domain();
  context.voxel_size_nm = step.setup.voxel_size_nm;
  context.memory_bytes = reduction_bytes_;
  context.scratch_dir = root_.path_of("scratch");
  NodeResult node;
  if (step.tree.is_leaf(task.index)) {
    const StepInputs inputs{data_, results, step, task.index};
    node = step.reduction->leaf(inputs, context);
    outcome.bytes_read = inputs.bytes_read();
  } else {
    std::vector<Bytes> states;
    std::vector<ChildState> children;
    for (const Index child : step.tree.children(task.index)) {
      states.emplace_back();
      store_.with({task.step, child}, results,
                  [&](const BundleReader& reader) { states.back() = reader.blob(state_part); });
      outcome.bytes_read += states.back().size();
      children.push_back({step.tree.box(child), {}});
    }
    for (std::size_t i = 0; i < children.size(); ++i) children[i].state = states[i];
    node = step.reduction->node(children, context);
  }
  const PhaseScope encoding{Phase::encode};
  BundleWriter bundle{bundle_key(step, task.index)};
  bundle.add_blob(state_part, node.state);
  bundle.add_blob(assignments_part, encode_assignments(node.assignments));
  if (context.root()) bundle.add_blob(summary_part, node.summary);
  outcome.bytes_written =
      node.state.size() + node.assignments.size() * sizeof(NameAssignment) + node.summary.size();
  return bundle.finish();
}

Bytes TaskRunner::down(const StepPlan& step, TaskId task, const ResultLookup& results) {
  const Index node = task.index + step.tree.leaves();
  NameValues parent;
  if (node != step.tree.root()) {
    const TaskId above{task.step, step.tree.parent(node) - step.tree.leaves()};
    store_.with(above, results,
                [&](const BundleReader& reader) { parent = decode_values(reader.blob(values_part)); });
  }
  std::vector<NameAssignment> assignments;
  store_.with({step.up, node}, results, [&](const BundleReader& reader) {
    assignments = decode_assignments(reader.blob(assignments_part));
  });
  const NameValues values = compose(assignments, parent);
  const PhaseScope encoding{Phase::encode};
  BundleWriter bundle{bundle_key(step, task.index)};
  bundle.add_blob(values_part, encode_values(values));
  return bundle.finish();
}

Bytes TaskRunner::resolve(const StepPlan& step, TaskId task, const ResultLookup& results) {
  const MergeTree& tree = plan_.step(step.up).tree;
  NameValues parent;
  if (task.index != tree.root()) {
    const TaskId above{step.down, tree.parent(task.index) - tree.leaves()};
    store_.with(above, results,
                [&](const BundleReader& reader) { parent = decode_values(reader.blob(values_part)); });
  }
  std::vector<NameAssignment> assignments;
  store_.with({step.up, task.index}, results, [&](const BundleReader& reader) {
    assignments = decode_assignments(reader.blob(assignments_part));
  });
  const NameValues values = compose(assignments, parent);
  LabelTable table = read_label_table(data_, results, step.reads.front().volume, task.index);
  for (Name& name : table.names) name = value_of(values, name);
  const PhaseScope encoding{Phase::encode};
  BundleWriter bundle{bundle_key(step, task.index)};
  bundle.add_label_table(values_part, table);
  return bundle.finish();
}

Bytes TaskRunner::store(const StepPlan& step, const Work& work, const ResultLookup& results,
                        TaskOutcome& outcome) {
  const ShardSpec spec = shard_spec_of(plan_, step);
  const VolumePlan& v = plan_.volume(step.reads.front().volume);
  const PlanVolume source{data_, results, step.reads.front().volume};
  ShardResult shard;
  try {
    shard = write_shard(spec, work.task.index, source, root_.path_of(shard_directory(v.name)), generation_,
                        static_cast<std::uint64_t>(work.attempt));
  } catch (const CorruptObject&) {
    throw;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::io || error.code() == ErrorCode::resource) throw StorageFailure{error};
    throw;
  }
  outcome.digest = shard.digest;
  outcome.bytes_read = source.bytes_read();
  outcome.bytes_written = static_cast<std::uint64_t>(step.tiling.core(work.task.index).voxels()) *
                          size_of(v.dtype) * static_cast<std::uint64_t>(v.channels);
  BundleWriter bundle{bundle_key(step, work.task.index)};
  const ShardRecord& record = shard.record;
  const StoredShard stored{record.file, record.bytes, record.checksum, record.file_hash, shard.digest};
  bundle.add_blob(shard_part, stored.encode());
  return bundle.finish();
}

}  // namespace petavox
