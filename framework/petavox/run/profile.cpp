#include "petavox/run/profile.hpp"

#include "petavox/base/hash.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace petavox {
namespace {

constexpr std::uint64_t max_steps = 1U << 16;

/// One log, frame by frame.
class LogReader {
 public:
  explicit LogReader(File file) : file_{std::move(file)}, size_bytes_{file_.size_bytes()} {}

  /// Nothing at the end of what is whole.
  std::optional<std::span<const std::byte>> next() {
    std::uint64_t frame[2];
    if (size_bytes_ - at_ < sizeof frame) return std::nullopt;
    file_.read_exact_at(std::as_writable_bytes(std::span{frame}), at_);
    if (frame[0] > max_profile_frame_bytes || frame[0] > size_bytes_ - at_ - sizeof frame)
      return std::nullopt;
    payload_.resize(static_cast<std::size_t>(frame[0]));
    file_.read_exact_at(payload_, at_ + sizeof frame);
    if (checksum(payload_) != frame[1]) return std::nullopt;
    at_ += sizeof frame + frame[0];
    return payload_;
  }
  bool begins_well() {
    std::array<char, 8> magic{};
    if (size_bytes_ < sizeof magic) return false;
    file_.read_exact_at(std::as_writable_bytes(std::span{magic}), 0);
    at_ = sizeof magic;
    return magic == profile_magic;
  }
  bool at_end() const { return at_ == size_bytes_; }

 private:
  File file_;
  std::uint64_t size_bytes_, at_ = 0;
  Bytes payload_;
};

ProfileHeader decode_header(std::span<const std::byte> bytes) {
  ByteReader in{bytes};
  ProfileHeader header;
  for (std::uint32_t* value : {&header.generation, &header.rank, &header.thread, &header.pid})
    *value = in.get<std::uint32_t>();
  for (std::uint64_t* value : {&header.unix_ns, &header.monotonic_ns, &header.base_bytes})
    *value = in.get<std::uint64_t>();
  header.host = in.get_text();
  const auto steps = in.get<std::uint64_t>();
  if (steps > max_steps)
    throw Error{ErrorCode::io, "a profile log claims " + std::to_string(steps) +
                                   " steps (it is damaged); delete it, or profile again"};
  for (std::uint64_t i = 0; i < steps; ++i) {
    header.steps.push_back(in.get_text());
    header.kinds.push_back(in.get_text());
  }
  return header;
}

/// False if the bytes cannot be a record of this log.
bool decode_record(std::span<const std::byte> bytes, const ProfileHeader& header, ProfileRecord& record,
                   std::vector<PhaseClock::Slice>& slices) {
  ByteReader in{bytes};
  record = in.get<ProfileRecord>();
  const bool is_task = record.event == ProfileEvent::task;
  if (record.event > ProfileEvent::end || record.idle_since_ns > record.begin_ns ||
      record.begin_ns > record.end_ns || record.num_slices != in.remaining() / 24 ||
      (is_task &&
       (record.task.step < 0 || record.task.step >= static_cast<std::int64_t>(header.steps.size()))))
    return false;
  slices.clear();
  for (std::uint64_t i = 0; i < record.num_slices; ++i) {
    const auto phase = in.get<std::uint64_t>(), begin = in.get<std::uint64_t>(),
               end = in.get<std::uint64_t>();
    if (phase >= num_phases || begin > end) return false;
    slices.push_back({static_cast<Phase>(phase), begin, end});
  }
  return true;
}

double seconds(std::uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

void add(ProfileRow& row, const ProfileRecord& record) {
  ++row.tasks;
  for (std::size_t i = 0; i < num_phases; ++i) row.seconds[i] += seconds(record.phases_ns[i]);
  row.seconds[static_cast<std::size_t>(Phase::wait)] += seconds(record.begin_ns - record.idle_since_ns);
  row.cpu_s += seconds(record.cpu_ns);
  row.bytes_read += record.bytes_read;
  row.bytes_written += record.bytes_written;
  row.stored_bytes_read += record.stored_bytes_read;
  row.stored_bytes_written += record.stored_bytes_written;
}

}  // namespace

double ProfileRow::total_s() const {
  double sum = 0;
  for (const double s : seconds) sum += s;
  return sum;
}

std::uint64_t visit_profile(const OutputRoot& root, const std::function<void(const ProfileHeader&)>& log,
                            const std::function<void(const ProfileHeader&, const ProfileRecord&,
                                                     std::span<const PhaseClock::Slice>)>& use) {
  std::uint64_t damaged = 0;
  ProfileRecord record;
  std::vector<PhaseClock::Slice> slices;
  for (const std::string& name : root.list("profile")) {
    if (name.ends_with(".json")) continue;
    auto file = root.find_for_reading("profile/" + name);
    if (!file) continue;
    LogReader reader{std::move(*file)};
    bool good = false;
    try {
      if (reader.begins_well())
        if (const auto first = reader.next()) {
          const ProfileHeader header = decode_header(*first);
          log(header);
          good = true;
          while (const auto payload = reader.next()) {
            good = decode_record(*payload, header, record, slices);
            if (!good) break;
            use(header, record, slices);
          }
        }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::io) throw;
      good = false;
    }
    if (!good || !reader.at_end()) ++damaged;
  }
  return damaged;
}

Profile read_profile(const OutputRoot& root) {
  Profile profile;
  profile.sync.name = "(sync)";
  std::map<std::string, std::size_t> rows;  // step name -> row
  struct Launch {
    std::uint64_t begin = ~std::uint64_t{0}, end = 0;  // unix time
  };
  std::map<std::uint32_t, Launch> launches;
  bool any = false;
  const auto log = [&](const ProfileHeader& header) {
    any = true;
    profile.base_bytes = std::max(profile.base_bytes, header.base_bytes);
    profile.threads += header.thread == profile_master_thread ? 0 : 1;
    for (std::size_t i = 0; i < header.steps.size(); ++i)
      if (rows.try_emplace(header.steps[i], profile.steps.size()).second) {
        profile.steps.emplace_back();
        profile.steps.back().name = header.steps[i];
        profile.steps.back().kind = header.kinds[i];
      }
    Launch& launch = launches[header.generation];
    launch.begin = std::min(launch.begin, header.unix_ns);
  };
  profile.damaged_logs = visit_profile(
      root, log,
      [&](const ProfileHeader& header, const ProfileRecord& record, std::span<const PhaseClock::Slice>) {
        Launch& launch = launches[header.generation];
        launch.end = std::max(launch.end, header.unix_ns + (record.end_ns - header.monotonic_ns));
        // The master's thread waits for messages nearly all of the time: only what it does counts.
        const bool master = header.thread == profile_master_thread;
        ProfileRecord counted = record;
        if (master) counted.idle_since_ns = counted.begin_ns;
        if (!master) profile.span_s += seconds(record.end_ns - record.idle_since_ns);
        if (record.event == ProfileEvent::end) {
          if (!master) profile.idle_s += seconds(record.end_ns - record.idle_since_ns);
          return;
        }
        if (record.event != ProfileEvent::task) {
          if (master) profile.span_s += seconds(record.end_ns - record.begin_ns);
          add(profile.sync, counted);
          return;
        }
        ProfileRow& row = profile.steps[rows.at(header.steps[static_cast<std::size_t>(record.task.step)])];
        add(row, counted);
        if (record.peak_bytes > header.base_bytes)
          row.peak_bytes = std::max(row.peak_bytes, record.peak_bytes - header.base_bytes);
      });
  if (!any)
    throw Error{ErrorCode::io, fmt::format("{} has no profile (the run was not profiled); use `petavox run "
                                           "--profile`",
                                           root.path())};
  for (const auto& [generation, launch] : launches)
    if (launch.end > launch.begin) profile.wall_s += seconds(launch.end - launch.begin);
  return profile;
}

}  // namespace petavox
