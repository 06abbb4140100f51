#include "petavox/run/profile_log.hpp"

#include "petavox/base/clock.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/base/log.hpp"
#include "petavox/io/process_identity.hpp"
#include "petavox/run/peak_watch.hpp"

#include <chrono>

namespace petavox {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{256} << 10;

Bytes encode(const ProfileHeader& header) {
  ByteWriter out;
  for (const std::uint32_t value : {header.generation, header.rank, header.thread, header.pid})
    out.put(value);
  for (const std::uint64_t value : {header.unix_ns, header.monotonic_ns, header.base_bytes}) out.put(value);
  out.put_text(header.host);
  out.put(static_cast<std::uint64_t>(header.steps.size()));
  for (std::size_t i = 0; i < header.steps.size(); ++i) {
    out.put_text(header.steps[i]);
    out.put_text(header.kinds[i]);
  }
  return out.take();
}

ProfileHeader header_of(std::uint32_t generation, std::uint32_t rank, std::uint32_t thread,
                        const Plan& plan) {
  const ProcessIdentity self = this_process();
  ProfileHeader header;
  header.generation = generation;
  header.rank = rank;
  header.thread = thread;
  header.pid = self.pid;
  header.unix_ns = unix_time_ns();
  header.monotonic_ns = monotonic_ns();
  header.base_bytes = peak_watch::resident_bytes();
  header.host = self.host;
  for (const StepPlan& step : plan.steps()) {
    header.steps.push_back(step.name);
    header.kinds.emplace_back(name_of(step.kind));
  }
  return header;
}

void put_frame(Bytes& into, std::span<const std::byte> payload) {
  const std::uint64_t frame[2] = {payload.size(), checksum(payload)};
  const auto head = std::as_bytes(std::span{frame});
  into.insert(into.end(), head.begin(), head.end());
  into.insert(into.end(), payload.begin(), payload.end());
}

}  // namespace

std::string profile_log_name(std::uint32_t generation, const std::string& writer) {
  return "profile/" + std::to_string(generation) + "." + writer;
}

ProfileLog::ProfileLog(const OutputRoot& root, std::uint32_t generation, const std::string& writer,
                       std::uint32_t rank, std::uint32_t thread, const Plan& plan) {
  const ProfileHeader header = header_of(generation, rank, thread, plan);
  idle_since_ns_ = header.monotonic_ns;
  const auto magic = std::as_bytes(std::span{profile_magic});
  buffer_.assign(magic.begin(), magic.end());
  put_frame(buffer_, encode(header));
  try {
    root.make_directories("profile");
    file_ = root.create_new(profile_log_name(generation, writer));
  } catch (const Error& error) {
    log::warning(std::string{error.what()} + " (this thread is missing in the profile)");
  }
  flush();
}

ProfileLog::~ProfileLog() {
  ProfileRecord end;
  end.event = ProfileEvent::end;
  end.idle_since_ns = idle_since_ns_;
  end.begin_ns = end.end_ns = monotonic_ns();
  append(end, {});
  flush();
}

void ProfileLog::begin_task(bool watch_memory) {
  watch_ = watch_memory ? peak_watch::begin() : -1;
  clock_.start();
}

void ProfileLog::end_task(ProfileRecord record) {
  clock_.stop();
  record.idle_since_ns = idle_since_ns_;
  record.begin_ns = clock_.begin_ns();
  record.end_ns = clock_.end_ns();
  record.cpu_ns = clock_.cpu_ns();
  record.phases_ns = clock_.sums_ns();
  record.stored_bytes_read = clock_.stored_bytes_read();
  record.stored_bytes_written = clock_.stored_bytes_written();
  record.peak_bytes = peak_watch::end(std::exchange(watch_, -1));
  append(record, clock_.slices());
}

void ProfileLog::begin_event() {
  watch_ = -1;
  clock_.start();
  clock_.change_to(Phase::write);
}

void ProfileLog::end_event(ProfileEvent event) {
  ProfileRecord record;
  record.event = event;
  end_task(record);
}

void ProfileLog::append(const ProfileRecord& record, std::span<const PhaseClock::Slice> slices) {
  idle_since_ns_ = record.end_ns;
  if (!file_.is_open()) return;
  ByteWriter out;
  ProfileRecord counted = record;
  counted.num_slices = slices.size();
  out.put(counted);
  for (const PhaseClock::Slice& slice : slices) {
    out.put(static_cast<std::uint64_t>(slice.phase));
    out.put(slice.begin_ns);
    out.put(slice.end_ns);
  }
  put_frame(buffer_, out.bytes());
  if (buffer_.size() >= buffer_bytes) flush();
}

void ProfileLog::flush() noexcept {
  if (!file_.is_open()) return;
  try {
    file_.write_all_at(buffer_, size_bytes_);
    size_bytes_ += buffer_.size();
  } catch (const std::exception& error) {
    log::warning(std::string{error.what()} + " (the profile of this thread ends here)");
    file_ = {};
  }
  buffer_.clear();
}

}  // namespace petavox
