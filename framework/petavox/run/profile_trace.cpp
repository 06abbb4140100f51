// The trace of a profile, in Chrome's trace-event format:
// docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

#include "petavox/run/profile.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr const char* trace_name = "profile/trace.json";
constexpr const char* outcomes[] = {"done", "skipped", "failed", "corrupt", "fatal"};

/// Track of the master's own thread, behind all others.
constexpr std::uint32_t master_track = 1'000'000;

std::uint32_t track_of(const ProfileHeader& header) {
  return header.thread == profile_master_thread ? master_track : header.thread;
}

const char* title_of(ProfileEvent event) { return event == ProfileEvent::commit ? "commit" : "sync"; }

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Number of events for each power of two of nanoseconds: how short an event may be to be shown.
class Durations {
 public:
  void add(std::uint64_t ns) { ++counts_[static_cast<std::size_t>(std::bit_width(ns))]; }
  std::uint64_t shortest_for(std::uint64_t max_events) const {
    std::uint64_t sum = 0;
    for (std::size_t width = counts_.size(); width-- > 0;) {
      sum += counts_[width];
      if (sum > max_events) return std::uint64_t{1} << width;
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, 65> counts_{};
};

class TraceWriter {
 public:
  TraceWriter(File& file, std::uint64_t begin_unix_ns, std::uint64_t shortest_ns)
      : file_{file}, begin_unix_ns_{begin_unix_ns}, shortest_ns_{shortest_ns} {
    text_ = fmt::format(
        "{{\"displayTimeUnit\":\"ms\",\"otherData\":{{\"begin_unix_ns\":\"{}\",\"shortest_event_ns\":\"{}\"}}"
        ","
        "\"traceEvents\":[",
        begin_unix_ns, shortest_ns);
  }

  void name_track(const ProfileHeader& header) {
    const std::uint32_t track = track_of(header);
    const std::string thread = track == master_track ? "master" : fmt::format("thread {}", header.thread);
    if (ranks_.insert(header.rank).second) {
      event(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":{}}}}})", header.rank,
            quoted(fmt::format("rank {} ({})", header.rank, header.host)));
      event(R"({{"ph":"M","name":"process_sort_index","pid":{0},"args":{{"sort_index":{0}}}}})", header.rank);
    }
    event(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"{}"}}}})", header.rank, track,
          thread);
  }

  void add(const ProfileHeader& header, const ProfileRecord& record,
           std::span<const PhaseClock::Slice> slices) {
    if (record.event == ProfileEvent::end || record.end_ns - record.begin_ns < shortest_ns_) return;
    const double begin = microseconds(header, record.begin_ns), end = microseconds(header, record.end_ns);
    const std::uint32_t track = track_of(header);
    if (record.event != ProfileEvent::task) {
      event(R"({{"ph":"X","name":"{}","cat":"sync","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})",
            title_of(record.event), header.rank, track, begin, end - begin);
      return;
    }
    const auto step = static_cast<std::size_t>(record.task.step);
    event(
        R"({{"ph":"X","name":{},"cat":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"task":{},"attempt":{},)"
        R"("launch":{},"outcome":"{}","cpu_ms":{:.3f},"idle_before_ms":{:.3f},"bytes_read":{},"bytes_written":{},)"
        R"("stored_bytes_read":{},"stored_bytes_written":{},"peak_bytes":{}}}}})",
        quoted(header.steps[step]), quoted(header.kinds[step]), header.rank, track, begin, end - begin,
        record.task.index, record.attempt, header.generation,
        record.outcome < std::size(outcomes) ? outcomes[record.outcome] : "unknown",
        static_cast<double>(record.cpu_ns) * 1e-6,
        static_cast<double>(record.begin_ns - record.idle_since_ns) * 1e-6, record.bytes_read,
        record.bytes_written, record.stored_bytes_read, record.stored_bytes_written, record.peak_bytes);
    for (const PhaseClock::Slice& slice : slices)
      if (slice.end_ns - slice.begin_ns >= shortest_ns_)
        event(R"({{"ph":"X","name":"{}","cat":"phase","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})",
              name_of(slice.phase), header.rank, track, microseconds(header, slice.begin_ns),
              static_cast<double>(slice.end_ns - slice.begin_ns) * 1e-3);
    if (record.peak_bytes > 0)
      event(R"({{"ph":"C","name":"peak memory","pid":{},"ts":{:.3f},"args":{{"MB":{:.1f}}}}})", header.rank,
            end, static_cast<double>(record.peak_bytes) * 1e-6);
  }

  void finish() {
    text_ += "\n]}\n";
    file_.write_all(std::as_bytes(std::span{text_}));
  }

 private:
  double microseconds(const ProfileHeader& header, std::uint64_t monotonic_ns) const {
    const auto since_begin = static_cast<std::int64_t>(header.unix_ns - begin_unix_ns_);
    const auto since_header = static_cast<std::int64_t>(monotonic_ns - header.monotonic_ns);
    return static_cast<double>(since_begin + since_header) * 1e-3;
  }

  template <class... T>
  void event(fmt::format_string<T...> format, T&&... values) {
    text_ += std::exchange(first_, false) ? "\n" : ",\n";
    fmt::format_to(std::back_inserter(text_), format, std::forward<T>(values)...);
    if (text_.size() < buffer_bytes) return;
    file_.write_all(std::as_bytes(std::span{text_}));
    text_.clear();
  }

  File& file_;
  std::string text_;
  std::uint64_t begin_unix_ns_, shortest_ns_;
  std::set<std::uint32_t> ranks_;
  bool first_ = true;
};

}  // namespace

std::string write_profile_trace(const OutputRoot& root, std::uint64_t max_events) {
  Durations durations;
  std::uint64_t begin = ~std::uint64_t{0};
  visit_profile(
      root, [&](const ProfileHeader& header) { begin = std::min(begin, header.unix_ns); },
      [&](const ProfileHeader&, const ProfileRecord& record, std::span<const PhaseClock::Slice> slices) {
        durations.add(record.end_ns - record.begin_ns);
        for (const PhaseClock::Slice& slice : slices) durations.add(slice.end_ns - slice.begin_ns);
      });
  const std::uint64_t shortest = durations.shortest_for(max_events);
  root.remove(trace_name);
  root.publish_file(trace_name, [&](File& file) {
    TraceWriter writer{file, begin, shortest};
    visit_profile(
        root, [&](const ProfileHeader& header) { writer.name_track(header); },
        [&](const ProfileHeader& header, const ProfileRecord& record,
            std::span<const PhaseClock::Slice> slices) { writer.add(header, record, slices); });
    writer.finish();
  });
  return root.path_of(trace_name);
}

}  // namespace petavox
