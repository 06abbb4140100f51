#include "simulation/trial.hpp"

#include "petavox/run/dispatcher.hpp"
#include "petavox/run/run_directory.hpp"

#include "simulation/memory_files.hpp"

#include <numeric>

#include <fmt/format.h>

namespace petavox::simulation {
namespace {

/// Packs: what is in them is kept here; the files are real, but empty.
class Disk {
 public:
  struct Object {
    TaskId task;
    std::uint64_t value = 0;
    bool durable = false, damaged = false;
  };
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // generation, writer

  std::vector<Object>& pack(const Key& key) { return packs_[key]; }
  bool has(const Key& key) const { return packs_.contains(key); }
  const Object* find(const Location& at) const {
    const auto found = packs_.find({at.generation, at.writer});
    if (found == packs_.end() || at.offset >= found->second.size()) return nullptr;
    const Object& object = found->second[static_cast<std::size_t>(at.offset)];
    return object.damaged || object.value != at.checksum ? nullptr : &object;
  }
  /// Some durable object, if there are any.
  Object* any(Random& random) {
    if (packs_.empty()) return nullptr;
    auto pack = packs_.begin();
    std::advance(pack, random.below(static_cast<std::int64_t>(packs_.size())));
    if (pack->second.empty()) return nullptr;
    Object& object =
        pack->second[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(pack->second.size())))];
    return object.durable ? &object : nullptr;
  }

 private:
  std::map<Key, std::vector<Object>> packs_;
};

/// What the journals say, read by the simplest rules.
struct Records final : JournalVisitor {
  void done(const DoneRecord& record, std::string_view) override {
    done_tasks.try_emplace(record.task, record);
  }
  void invalidated(TaskId task) override { done_tasks.erase(task); }
  void collected(Stream stream) override { collected_streams.insert(stream); }
  std::map<TaskId, DoneRecord> done_tasks;
  std::set<Stream> collected_streams;
};

/// How many of each fault are still to come.
struct Faults {
  std::int64_t worker_crashes = 0, master_crashes = 0, hangs = 0, damages = 0, stops = 0, stalls = 0,
               jumps = 0;
  double fail = 0;
  std::set<TaskId> poison;
};

class Trial {
 public:
  Trial(const Setting& setting, std::uint64_t seed)
      : setting_{setting},
        plan_{*setting.plan},
        machine_{seed},
        root_{OutputRoot::create(std::string{memory_root} + "/run")} {
    draw_faults();
  }

  TrialReport run() {
    TrialReport report;
    try {
      constexpr int max_launches = 60;
      while (!launch()) {
        if (++launches_ >= max_launches) throw Violation{"the run does not end"};
        machine_.jump(Time{random().between(0, 5'000'000)});
      }
      check_end();
    } catch (const Violation& violation) {
      report.violation = violation.text;
    } catch (const std::exception& error) {
      report.violation = fmt::format("unexpected error: {}", error.what());
    }
    request_stop(false);
    report.trace = machine_.trace();
    report.launches = launches_ + 1;
    report.crashes = crashes_;
    report.executions = executions_;
    report.virtual_s = std::chrono::duration<double>(machine_.now()).count();
    return report;
  }

 private:
  class SimulatedRunner;

  Random& random() { return machine_.random(); }
  /// One of a budget, with some probability.
  bool take(std::int64_t& budget, double probability) {
    if (budget <= 0 || !random().chance(probability)) return false;
    --budget;
    return true;
  }

  std::uint64_t expected(TaskId task) const {
    return setting_.expected[static_cast<std::size_t>(task.step)][static_cast<std::size_t>(task.index)];
  }

  void draw_faults() {
    NetworkFaults network;
    network.delay = random().chance(0.5) ? 0.02 : 0;
    if (!setting_.reliable) {
      network.drop = random().chance(0.5) ? 0.01 : 0;
      network.duplicate = random().chance(0.5) ? 0.02 : 0;
      network.reorder = random().chance(0.5) ? 0.05 : 0;
    }
    machine_.set_network(network);
    const auto some = [&](std::int64_t most) { return random().chance(0.5) ? random().between(1, most) : 0; };
    faults_.worker_crashes = some(4);
    faults_.master_crashes = some(4);
    faults_.hangs = some(2);
    faults_.damages = some(3);
    faults_.stops = some(3);
    faults_.stalls = some(2);
    faults_.jumps = some(2);
    faults_.fail = random().chance(0.3) ? 0.02 : 0;
    damage_possible_ = faults_.damages > 0;
    if (setting_.reliable && random().chance(0.2))
      faults_.poison.insert({0, random().below(static_cast<std::int64_t>(setting_.expected[0].size()))});
  }

  bool launch();
  void check_start(const Master& master);
  void tear_journal(std::uint32_t generation);
  void before_commit();
  void check_end();
  /// A time in which no rank hears of another.
  Time silence(Time duration) {
    ++silences_;
    return duration;
  }
  void incident(int rank) {
    ++incidents_;
    blamed_ranks_.insert(rank);
  }

  const Setting& setting_;
  const Plan& plan_;
  Machine machine_;
  OutputRoot root_;
  Disk disk_;
  Faults faults_;
  std::set<TaskId> finished_before_;
  std::set<int> blamed_ranks_;
  Index executions_ = 0;
  int launches_ = 0, crashes_ = 0, incidents_ = 0, silences_ = 0;
  bool damage_possible_ = false;
};

/// Takes the place of the task runner, and of the disk under it.
class Trial::SimulatedRunner final : public Runner {
 public:
  SimulatedRunner(Trial& trial, std::uint32_t generation, int rank)
      : trial_{trial},
        generation_{generation},
        rank_{rank},
        slots_{trial.root_, generation, static_cast<std::uint32_t>(rank)},
        streams_(trial.setting_.expected.size()) {
    std::iota(streams_.begin(), streams_.end(), 0U);
  }
  /// What was not synced is lost in part when the rank dies.
  ~SimulatedRunner() override {
    for (const auto& [key, synced] : synced_) {
      auto& objects = trial_.disk_.pack(key);
      const auto kept = synced + static_cast<std::size_t>(trial_.random().below(
                                     static_cast<std::int64_t>(objects.size() - synced) + 1));
      for (std::size_t i = kept; i < objects.size(); ++i) objects[i].damaged = true;
    }
  }

  TaskOutcome run(const Work& work) override {
    Machine& machine = trial_.machine_;
    machine.note(static_cast<std::uint64_t>(work.task.step * 4096 + work.task.index) << 16 |
                 static_cast<std::uint64_t>(work.attempt));
    ++trial_.executions_;
    if (trial_.finished_before_.contains(work.task) && !trial_.damage_possible_)
      throw Violation{to_string(work.task) + " runs again though an earlier launch has finished it"};
    slots_.start(0, work.task, static_cast<std::uint32_t>(work.attempt));
    const Time begin = machine.now();
    TaskOutcome outcome;
    outcome.task = work.task;
    outcome.attempt = work.attempt;
    machine.sleep(duration());
    execute(work, outcome);
    slots_.finish(0);
    outcome.nanoseconds = static_cast<std::uint64_t>((machine.now() - begin).count()) * 1000;
    return outcome;
  }

  void sync() override {
    trial_.machine_.sleep(Time{trial_.random().between(100, 5000)});
    for (auto& [key, synced] : synced_) {
      auto& objects = trial_.disk_.pack(key);
      for (std::size_t i = synced; i < objects.size(); ++i) objects[i].durable = true;
      synced = objects.size();
    }
  }
  std::uint64_t unsynced_bytes() const override { return 0; }
  void release(const Release& release) override {
    if (release.stream.generation == generation_)
      std::erase_if(
          synced_, [&](const auto& entry) { return stream_of(entry.first.second) == release.stream.number; });
    streams_.at(static_cast<std::size_t>(release.step)) = static_cast<std::uint32_t>(release.next);
  }

 private:
  Time duration() {
    Random& random = trial_.random();
    const double lease_us = trial_.plan_.config().lease_s * 1e6;
    if (trial_.take(trial_.faults_.hangs, 0.02)) {
      trial_.incident(rank_);
      return Time{static_cast<std::int64_t>(lease_us * static_cast<double>(random.between(1, 4)) * 1.01)};
    }
    if (random.chance(0.01)) return Time{static_cast<std::int64_t>(lease_us * 0.3)};
    return Time{random.chance(0.5) ? random.between(50, 800) : random.between(1000, 40'000)};
  }

  void execute(const Work& work, TaskOutcome& outcome) {
    Random& random = trial_.random();
    if (Disk::Object* object =
            random.chance(0.02) && trial_.faults_.damages > 0 ? trial_.disk_.any(random) : nullptr) {
      --trial_.faults_.damages;
      object->damaged = true;
    }
    if (trial_.faults_.poison.contains(work.task)) {
      trial_.incident(rank_);
      trial_.machine_.note(0xbad);
      throw Crash{};
    }
    for (const auto& [task, result] : work.inputs) {
      if ((result.flags & done_skipped) != 0) continue;
      const Disk::Object* object = trial_.disk_.find(result.location);
      if (object == nullptr ||
          !trial_.root_.exists(pack_name(result.location.generation, result.location.writer))) {
        outcome.kind = OutcomeKind::corrupt;
        outcome.culprit = task;
        outcome.text = "a simulated damage";
        return;
      }
      if (object->task != task || object->value != trial_.expected(task))
        throw Violation{to_string(work.task) + " was given something else for the result of " +
                        to_string(task)};
    }
    if (random.chance(trial_.faults_.fail)) {
      trial_.incident(rank_);
      outcome.kind = OutcomeKind::failed;
      outcome.text = "a simulated failure";
      return;
    }
    const std::uint64_t value = trial_.expected(work.task);
    if (value % 13 == 0) {
      outcome.kind = OutcomeKind::skipped;
      outcome.text = "outside the mask";
      return;
    }
    const std::uint32_t writer =
        writer_of(static_cast<std::uint32_t>(rank_), streams_.at(static_cast<std::size_t>(work.task.step)));
    const Disk::Key key{generation_, writer};
    if (synced_.try_emplace(key, 0).second) {
      if (trial_.disk_.has(key)) throw Violation{"a pack was begun twice"};
      (void)trial_.root_.create_new(pack_name(generation_, writer));
    }
    auto& objects = trial_.disk_.pack(key);
    objects.push_back({work.task, value});
    outcome.location = {generation_, writer, objects.size() - 1, 1, value};
  }

  Trial& trial_;
  std::uint32_t generation_;
  int rank_;
  RunningSlots slots_;
  WatchedSlots watched_{slots_};
  std::vector<std::uint32_t> streams_;
  std::map<Disk::Key, std::size_t> synced_;  // packs of this runner, and how many objects are durable
};

// The master's disk may be slow, and the master may die before, in or after the writing of records.
void Trial::before_commit() {
  machine_.operation();
  Time takes{random().between(50, 3000)};
  if (take(faults_.stalls, 0.05)) takes = silence(Time{random().between(1, 200) * 1'000'000});
  machine_.sleep(takes);
}

// A write that was cut short: bytes behind the last whole record that mean nothing.
void Trial::tear_journal(std::uint32_t generation) {
  File file = root_.open_or_create("journal/" + std::to_string(generation));
  Bytes bytes(static_cast<std::size_t>(file.size_bytes()));
  file.read_exact_at(bytes, 0);
  const auto from = static_cast<std::size_t>(random().below(static_cast<std::int64_t>(bytes.size())));
  const auto size = std::min(static_cast<std::size_t>(random().between(1, 200)), bytes.size() - from);
  file.write_all_at(std::span{bytes}.subspan(from, size), bytes.size());
}

void Trial::check_start(const Master& master) {
  Records records;
  replay_journal(root_, records);
  finished_before_.clear();
  for (const auto& [task, record] : records.done_tasks) {
    finished_before_.insert(task);
    if ((record.flags & done_skipped) != 0 || records.collected_streams.contains(stream_of(record.location)))
      continue;
    if (disk_.find(record.location) == nullptr && !damage_possible_)
      throw Violation{"the journal names a result of " + to_string(task) + " that was never made durable"};
  }
  if (master.tasks_resumed() != static_cast<Index>(finished_before_.size()))
    throw Violation{fmt::format("{} tasks are on record, {} were resumed", finished_before_.size(),
                                master.tasks_resumed())};
}

/// True if the run is finished.
bool Trial::launch() {
  RunOptions options;
  options.live = false;
  options.keep_packs = setting_.keeps_packs;
  options.schedule_seed = random().chance(0.3) ? random().next() : 0;
  options.retry_quarantined = faults_.poison.empty();
  (void)prepare_run_directory(plan_, root_, options);
  const auto num_workers = static_cast<int>(random().between(1, 4));
  Master master{plan_, root_, options, num_workers};
  check_start(master);
  master.before_commit([this] { before_commit(); });
  bool left = false;
  machine_.spawn([&](Communicator& comm) {
    {
      Dispatcher dispatcher{comm, master, nullptr};
      dispatcher.run();
      (void)dispatcher.stop(0);
    }
    if (!master.finished()) (void)master.conclude(*setting_.inputs, stop_requested());
    left = true;
  });
  for (int rank = 1; rank <= num_workers; ++rank)
    machine_.spawn([&, rank](Communicator& comm) {
      WorkerCore core{std::make_unique<SimulatedRunner>(*this, master.generation(), rank)};
      const int code = serve_as_worker(comm, core);
      if (code == static_cast<int>(ExitCode::interrupted) && setting_.reliable && silences_ == 0)
        throw Violation{"a worker took its master for dead"};
    });
  // A launcher that ends everything when a rank dies, or one that lets the others go on.
  const bool all_die_together = random().chance(0.5);
  if (take(faults_.master_crashes, 0.6)) machine_.doom(0, random().between(1, 300));
  for (int rank = 1; rank <= num_workers; ++rank)
    if (take(faults_.worker_crashes, 0.4)) {
      machine_.doom(rank, random().between(1, 150));
      incident(rank);
    }
  Time worked = machine_.now();
  const auto ends = [&] {
    if (take(faults_.jumps, 0.001)) {
      machine_.jump(silence(Time{random().between(1, 400'000'000)}));
      for (int rank = 1; rank <= num_workers; ++rank) incident(rank);
    }
    if (take(faults_.stops, 0.002)) request_stop(true);
    if (!machine_.alive(0) || (all_die_together && machine_.num_died() > 0)) return true;
    // Whoever watches over the launch ends it when nobody is left to work.
    constexpr Time patience = std::chrono::seconds{60};
    for (int rank = 1; rank <= num_workers; ++rank)
      if (machine_.alive(rank)) worked = machine_.now();
    return machine_.now() - worked > patience;
  };
  constexpr std::int64_t max_events = 2'000'000;
  const bool ended = machine_.run(ends, max_events);
  crashes_ += machine_.num_died();
  const bool died = !left;
  // Of a launch that died nobody knows who died first: what ran alone is blamed.
  if (died)
    for (int rank = 1; rank <= num_workers; ++rank) incident(rank);
  machine_.kill_all();
  request_stop(false);
  if (!ended) throw Violation{"a launch does not end"};
  if (died && random().chance(0.5)) tear_journal(master.generation());
  if (!master.finished() || died) return false;
  Records records;
  replay_journal(root_, records);
  if (static_cast<Index>(records.done_tasks.size()) == setting_.total()) return true;
  // Something was set aside: by right, if enough has happened. A poisoned block gets well; then all must be
  // done.
  if (setting_.reliable && (incidents_ < 3 || (num_workers > 1 && blamed_ranks_.size() < 2)))
    throw Violation{"a task was set aside without reason"};
  faults_.poison.clear();
  return false;
}

void Trial::check_end() {
  Records records;
  replay_journal(root_, records);
  for (const auto& [task, record] : records.done_tasks) {
    if ((record.flags & done_skipped) != 0) {
      if (expected(task) % 13 != 0) throw Violation{to_string(task) + " was skipped without reason"};
      continue;
    }
    if (record.location.checksum != expected(task)) throw Violation{to_string(task) + " has a wrong result"};
    if (records.collected_streams.contains(stream_of(record.location))) continue;
    const Disk::Object* object = disk_.find(record.location);
    if (damage_possible_ && object == nullptr) continue;
    if (object == nullptr || !object->durable)
      throw Violation{"the result of " + to_string(task) + " is lost"};
  }
}

}  // namespace

TrialReport run_trial(const std::vector<Setting>& settings, std::uint64_t seed) {
  clear_memory_files();
  const Setting& setting = settings[static_cast<std::size_t>(mix64(seed) % settings.size())];
  return Trial{setting, seed}.run();
}

}  // namespace petavox::simulation
