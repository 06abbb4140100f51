// How a master takes up what earlier launches left: snapshot and journals, shards, and the tasks that were
// running when one died.

#include "petavox/base/log.hpp"
#include "petavox/io/snapshot.hpp"
#include "petavox/run/master.hpp"
#include "petavox/run/run_record.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace petavox {
namespace {

std::vector<Hash128> fingerprints_of(const Plan& plan) {
  std::vector<Hash128> all;
  for (const StepPlan& step : plan.steps()) all.push_back(step.fingerprint);
  return all;
}

}  // namespace

/// Collects what earlier launches did, with their steps mapped to those of this plan by fingerprint.
class Master::Restorer final : public JournalVisitor {
 public:
  /// `sign_of_life` is called now and then while records are read.
  Restorer(const Plan& plan, const OutputRoot& root, ResultIndex& index, std::function<void()> sign_of_life)
      : plan_{plan},
        root_{root},
        index_{index},
        sign_of_life_{std::move(sign_of_life)},
        finished_{index.tasks_per_step()} {}

  /// Begins with what a snapshot knows. False, and nothing changed, if packs that it refers to are gone.
  bool adopt(Snapshot& snapshot) {
    std::set<Stream> collected(snapshot.content().collected.begin(), snapshot.content().collected.end());
    std::map<Stream, std::int64_t> streams;
    for (const SnapshotPack& pack : snapshot.packs()) {
      const Stream stream = stream_of(Location{pack.generation, pack.writer, 0, 0, 0});
      streams[stream] = pack.step;
      if (!collected.contains(stream) && !root_.exists(pack_name(pack.generation, pack.writer))) return false;
    }
    finished_ = snapshot.take_finished();
    collected_ = std::move(collected);
    streams_ = std::move(streams);
    for (const AttemptRecord& record : snapshot.content().lost)
      charges_[record.task].push_back({record.attempt, record.worker});
    return true;
  }

  bool generation(std::uint32_t, const JournalHeader& header) override {
    steps_ = match_steps(header.steps, fingerprints_of(plan_));
    return true;
  }
  void done(const DoneRecord& record, std::string_view) override {
    constexpr std::uint64_t between_signs = 65536;
    if (++num_read_ % between_signs == 0) sign_of_life_();
    const TaskId task = here(record.task);
    if (!finished_.known(task) || finished_.contains(task)) return;
    if ((record.flags & done_skipped) == 0) {
      const PackKey pack{record.location.generation, record.location.writer};
      if (lost_packs_.contains(pack)) return;
      packs_.insert(pack);
      streams_[stream_of(record.location)] = task.step;
    }
    finished_.insert(task);
    index_.put(task, {record.location, record.flags});
  }
  void lost(const AttemptRecord& record) override {
    if (const TaskId task = here(record.task); finished_.known(task))
      charges_[task].push_back({record.attempt, record.worker});
  }
  void invalidated(TaskId task) override {
    task = here(task);
    if (finished_.known(task) && finished_.erase(task)) index_.erase(task);
  }

  void collected(Stream stream) override { collected_.insert(stream); }

  /// Packs that are missing though nobody has collected them: they take their results with them, and what was
  /// read of the journals must be read again without them. (Damage in a pack is found by checksum when it is
  /// read.) False if there are no more of them.
  bool loses_packs() {
    const std::size_t before = lost_packs_.size();
    for (const auto& [generation, writer] : packs_)
      if (!collected_.contains(stream_of(Location{generation, writer, 0, 0, 0})) &&
          !root_.exists(pack_name(generation, writer)))
        lost_packs_.insert({generation, writer});
    return lost_packs_.size() > before;
  }
  /// Forgets all but which packs are lost.
  void begin_again() {
    finished_ = FinishedTasks{index_.tasks_per_step()};
    packs_.clear();
    streams_.clear();
    charges_.clear();
  }

  const FinishedTasks& finished() const { return finished_; }
  const std::set<Stream>& collected() const { return collected_; }
  const std::map<Stream, std::int64_t>& streams() const { return streams_; }
  void forget(TaskId task) {
    if (finished_.erase(task)) index_.erase(task);
  }
  const std::map<TaskId, std::vector<Charge>>& charges() const { return charges_; }

 private:
  TaskId here(TaskId task) const {
    if (task.step < 0 || task.step >= static_cast<std::int64_t>(steps_.size())) return {};
    return {steps_[static_cast<std::size_t>(task.step)], task.index};
  }
  using PackKey = std::pair<std::uint32_t, std::uint32_t>;  // generation, writer
  const Plan& plan_;
  const OutputRoot& root_;
  ResultIndex& index_;
  std::function<void()> sign_of_life_;
  std::uint64_t num_read_ = 0;
  FinishedTasks finished_;
  std::vector<std::int64_t> steps_;
  std::set<PackKey> packs_, lost_packs_;
  std::set<Stream> collected_;
  std::map<Stream, std::int64_t> streams_;
  std::map<TaskId, std::vector<Charge>> charges_;
};

void Master::restore() {
  Restorer restorer{plan_, root_, index_, [this] { show_life(); }};
  auto snapshot = Snapshot::open_newest(root_, journal_.header().steps, index_.tasks_per_step());
  if (snapshot && !restorer.adopt(*snapshot)) snapshot = nullptr;
  done_at_snapshot_ = restorer.finished().total();
  if (snapshot) index_.set_base(snapshot, [this, name = snapshot->name()] { refill_index(name); });
  ReplayReport replay = replay_journal(
      root_, restorer, snapshot ? snapshot->content().covered : std::vector<JournalPosition>{});
  while (restorer.loses_packs()) {
    restorer.begin_again();
    index_.clear();
    replay = replay_journal(root_, restorer);
  }
  collected_ = restorer.collected();
  streams_ = restorer.streams();
  for (const JournalPosition& end : replay.ends)
    if (end.generation != generation()) covered_.push_back(end);
  if (replay.records_lost > 0)
    log::warning(
        fmt::format("{} journal records lie behind a damaged one and were not used (their blocks run again); "
                    "check the disk of {}",
                    replay.records_lost, root_.path()));
  charges_ = restorer.charges();
  recheck_shards(restorer);
  for (std::size_t s = 0; s < plan_.steps().size(); ++s) {
    const auto step = static_cast<std::int64_t>(s);
    if (restorer.finished().count(step) == 0) continue;
    for (Index i = 0; i < plan_.num_tasks(static_cast<int>(s)); ++i)
      if (restorer.finished().contains({step, i})) scheduler_.restore({step, i}, TaskState::done);
  }
  tasks_resumed_ = restorer.finished().total();
  remove_collected_packs();
  blame_the_dead();
  if (!options_.retry_quarantined)
    for (const auto& [task, charges] : charges_) {
      if (restorer.finished().contains(task)) continue;
      // It is set aside if the charges are enough for that, also by the number of ranks.
      std::vector<std::uint32_t> ranks;
      for (const Charge& charge : charges) ranks.push_back(charge.rank);
      scheduler_.restore(task, TaskState::pending, ranks);
      errors_[task] = fmt::format(
          "{}: killed its worker {} times (the block or the stage crashes); correct the stage, or "
          "try again with --retry-quarantined",
          plan_.describe(task), charges.size());
    }
  journal_.commit();
}

// A page of the snapshot of this name is damaged: everything comes from the journals instead.
void Master::refill_index(const std::string& damaged) {
  log::warning(
      "the snapshot of the journal is damaged and is not used any more (nothing is lost); the journals are "
      "read");
  commit();  // what the records name is made durable first
  (void)root_.remove(damaged);
  Restorer restorer{plan_, root_, index_, [this] { show_life(); }};
  (void)replay_journal(root_, restorer);
}

void Master::snapshot_if_due(bool leaving) {
  // Each costs a copy of all results: at growing distances it is a fixed share of the work. When leaving, a
  // small one makes the next start quick, and a large one would keep the caller waiting.
  constexpr Index most_when_leaving = 20'000'000;
  const Index done = scheduler_.counts().done, fresh = done - done_at_snapshot_;
  const Index every = plan_.config().snapshot_tasks;
  if (leaving ? fresh < every / 16 || fresh == 0 || done > most_when_leaving
              : fresh < std::max(every, done_at_snapshot_ / 4))
    return;
  commit();
  SnapshotContent content{journal_.header().steps, index_.tasks_per_step(), covered_, {}, {}};
  content.covered.push_back(journal_.position());
  for (const auto& [task, charges] : charges_)
    for (const Charge& charge : charges) content.lost.push_back({task, charge.generation, charge.rank});
  content.collected.assign(collected_.begin(), collected_.end());
  std::vector<std::int64_t> num_done;
  for (int s = 0; s < plan_.num_steps(); ++s) num_done.push_back(scheduler_.counts(s).done);
  done_at_snapshot_ = done;
  try {
    if (!write_snapshot(root_, generation(), content, index_, num_done, [this] { show_life(); }))
      log::warning(
          "the index of results is damaged (a snapshot of the journal was not written); nothing is lost");
  } catch (const Error& error) {
    log::warning(std::string{error.what()} + " (a snapshot of the journal was not written; nothing is lost)");
  }
}

// A shard is a file of its own beside the packs: it may have been deleted or cut short since.
void Master::recheck_shards(Restorer& restorer) {
  const ObjectStore store{plan_, root_, 0};
  for (int s = 0; s < plan_.num_steps(); ++s) {
    const StepPlan& step = plan_.step(s);
    if (step.kind != StepKind::store) continue;
    const std::string directory = shard_directory(plan_.volume(step.reads.front().volume).name);
    for (Index i = 0; i < step.tiling.count(); ++i) {
      const TaskId task{s, i};
      const auto result = index_.get(task);
      if (!result && !restorer.finished().contains(task)) continue;
      bool good = false;
      try {
        if (result)
          store.with(task, ResultList{{{task, *result}}}, [&](const BundleReader& reader) {
            const StoredShard shard = StoredShard::decode(reader.blob(shard_part));
            const auto file = root_.find_for_reading(directory + "/" + shard.file);
            good = file && file->size_bytes() == shard.bytes;
          });
      } catch (const CorruptObject&) {
        good = false;
      }
      if (good) continue;
      log::warning(
          fmt::format("{}: its file is missing or damaged; it is written again", plan_.describe(task)));
      restorer.forget(task);
      journal_.invalidated(task);
    }
  }
}

// Which task was running when the last launch died? One candidate is charged; several run one at a time.
void Master::blame_the_dead() {
  const RunningReport report = read_running_files(root_, journal_.generation());
  std::vector<std::pair<TaskId, Charge>> running;
  for (const RunningFile& file : report.files) {
    const auto header = read_journal_header(root_, file.generation);
    if (!header) continue;
    const std::vector<std::int64_t> steps = match_steps(header->steps, fingerprints_of(plan_));
    for (const RunningSlot& slot : file.slots) {
      if (slot.state != SlotState::running) continue;
      TaskId task{-1, slot.task.index};
      if (slot.task.step >= 0 && slot.task.step < static_cast<std::int64_t>(steps.size()))
        task.step = steps[static_cast<std::size_t>(slot.task.step)];
      if (task.step < 0 || task.index < 0 || task.index >= plan_.num_tasks(static_cast<int>(task.step)))
        continue;
      if (scheduler_.state(task) == TaskState::done) continue;
      // Its lease may have told already, before that launch ended.
      const Charge charge{file.generation, file.rank};
      const auto known = charges_.find(task);
      if (known != charges_.end() &&
          std::find(known->second.begin(), known->second.end(), charge) != known->second.end())
        continue;
      running.emplace_back(task, charge);
    }
  }
  if (running.size() == 1) {
    const auto& [task, blame] = running.front();
    charge(task, blame);
    journal_.commit();
    log::warning(fmt::format("{} was running when the last launch died (charge {} of {}); it runs again",
                             plan_.describe(task), charges_[task].size(), plan_.config().max_attempts));
  }
  if (!running.empty()) {
    std::vector<TaskId> suspects;
    for (const auto& [task, blame] : running) suspects.push_back(task);
    scheduler_.set_suspects(std::move(suspects));
  }
  remove_running_files(root_, journal_.generation());
}

}  // namespace petavox
