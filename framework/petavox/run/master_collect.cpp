// Deleting intermediates while the run goes on: a step's packs go when every step that reads it is done and
// that is on record. docs/decisions/0006-deleting-intermediates.md has the argument.

#include "petavox/run/master.hpp"

#include <algorithm>

namespace petavox {

bool Master::collects() const { return plan_.config().keep != KeepMode::all && !options_.keep_packs; }

// Complete, as all that read it are, and not needed for the end of the run.
bool Master::unread(int step) const {
  const StepPlan& s = plan_.step(step);
  if (s.kind == StepKind::store) return false;
  for (const WriteEdge& write : s.writes)
    if (write.port.kind == PortKind::summary) return false;
  const auto complete = [&](int i) { return scheduler_.counts(i).done == plan_.num_tasks(i); };
  const std::vector<int> readers = plan_.readers_of(step);
  return complete(step) && std::all_of(readers.begin(), readers.end(), complete);
}

// Expects that the journal has just been committed: what is done is on record.
void Master::collect() {
  if (!collects() || journal_.pending_bytes() > 0) return;
  // A second execution reads what the first has read.
  if (!checks_.empty() || !checking_.empty()) return;
  std::vector<std::pair<Stream, std::int64_t>> gone;
  for (const auto& [stream, step] : streams_) {
    if (collected_.contains(stream) || !unread(static_cast<int>(step))) continue;
    // What an older master wrote is left alone while it may still be at work. Without a number for later
    // results a step keeps its stream until the end.
    const bool own = stream.generation == generation();
    if (own ? next_stream_ + gone.size() < max_streams : predecessors_gone_) gone.emplace_back(stream, step);
  }
  if (gone.empty()) return;
  // The last look before something is deleted: a newer master may count on it.
  superseded_ = superseded_ || journal_.superseded();
  if (superseded_) return;
  for (const auto& [stream, step] : gone) journal_.collected(stream);
  journal_.commit();
  for (const auto& [stream, step] : gone) {
    collected_.insert(stream);
    auto& own = own_streams_[static_cast<std::size_t>(step)];
    if (stream == Stream{generation(), own}) own = next_stream_++;
    releases_.push_back({stream, step, own});
  }
  remove_collected_packs();
}

void Master::remove_collected_packs() {
  if (collected_.empty()) return;
  for (const std::string& name : root_.list("packs")) {
    const auto stream = stream_of_pack(name);
    if (!stream || !collected_.contains(*stream)) continue;
    if (stream->generation == generation() || predecessors_gone_) (void)root_.remove("packs/" + name);
  }
}

}  // namespace petavox
