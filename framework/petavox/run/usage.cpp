#include "petavox/run/usage.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace petavox {
namespace {

constexpr std::string_view prefix = "usage";

/// Takes " <number>" off the text.
bool take(std::string_view& text, std::uint64_t& value) {
  if (text.empty() || text.front() != ' ') return false;
  text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

void Usage::add(std::int64_t step, std::uint64_t wall_ns, std::uint64_t cpu_ns, std::uint64_t bytes_read,
                std::uint64_t bytes_written, std::uint64_t process_peak_bytes) {
  StepUsage& used = steps.at(static_cast<std::size_t>(step));
  ++used.tasks;
  used.wall_ns += wall_ns;
  used.cpu_ns += cpu_ns;
  used.bytes_read += bytes_read;
  used.bytes_written += bytes_written;
  peak_bytes = std::max(peak_bytes, process_peak_bytes);
}

std::string to_note(const Usage& usage) {
  std::string text =
      fmt::format("{} {} {} {}", prefix, usage.elapsed_ms, usage.peak_bytes, usage.steps.size());
  for (const StepUsage& s : usage.steps)
    fmt::format_to(std::back_inserter(text), " {} {} {} {} {}", s.tasks, s.wall_ns, s.cpu_ns, s.bytes_read,
                   s.bytes_written);
  return text;
}

std::optional<Usage> parse_usage(std::string_view note) {
  if (!note.starts_with(prefix)) return std::nullopt;
  note.remove_prefix(prefix.size());
  Usage usage;
  std::uint64_t steps = 0;
  // Five numbers of a digit and a blank each are the least that a step takes.
  if (!take(note, usage.elapsed_ms) || !take(note, usage.peak_bytes) || !take(note, steps) ||
      steps > note.size() / 10)
    return std::nullopt;
  usage.steps.resize(static_cast<std::size_t>(steps));
  for (StepUsage& s : usage.steps)
    for (std::uint64_t* value : {&s.tasks, &s.wall_ns, &s.cpu_ns, &s.bytes_read, &s.bytes_written})
      if (!take(note, *value)) return std::nullopt;
  if (!note.empty()) return std::nullopt;
  return usage;
}

}  // namespace petavox
