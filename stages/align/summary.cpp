#include "stages/align/summary.hpp"

#include "stages/align/match.hpp"
#include "stages/align/quality.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace petavox::align {
namespace {

constexpr double micro = 1e6;

std::int64_t micros(double v) { return static_cast<std::int64_t>(std::floor(v * micro + 0.5)); }

void add_node(View<const float> quality, Coord p, AlignmentSummary::Row& row) {
  const auto value = [&](int channel) { return static_cast<double>(quality.at(channel, p)); };
  const std::int64_t area = micros(value(quality_area));
  row.least_area = row.nodes == 0 ? area : std::min(row.least_area, area);
  row.most_area = row.nodes == 0 ? area : std::max(row.most_area, area);
  ++row.nodes;
  ++row.states[std::clamp(static_cast<int>(value(quality_state)), 0, 5)];
  if (value(quality_residual) >= 0) {
    row.residual += micros(value(quality_residual));
    ++row.matched;
  }
  if (value(quality_before) > -2) {
    row.before += micros(value(quality_before));
    ++row.num_before;
  }
  if (value(quality_after) > -2) {
    row.after += micros(value(quality_after));
    ++row.num_after;
  }
}

void add_row(const AlignmentSummary::Row& from, AlignmentSummary::Row& to) {
  to.least_area = std::min(to.least_area, from.least_area);
  to.most_area = std::max(to.most_area, from.most_area);
  to.nodes += from.nodes;
  for (int i = 0; i < 6; ++i) to.states[i] += from.states[i];
  to.residual += from.residual;
  to.matched += from.matched;
  to.before += from.before;
  to.num_before += from.num_before;
  to.after += from.after;
  to.num_after += from.num_after;
}

/// The mean of a sum of millionths, or "null".
std::string mean(std::int64_t sum, std::int64_t count) {
  return count == 0 ? "null"
                    : fmt::format("{:.4f}", static_cast<double>(sum) / micro / static_cast<double>(count));
}

/// A section that could not be matched with the one before it: fewer than a quarter of the nodes that hold
/// something in either have a good match. Empty: nothing is wrong with it.
std::string complaint(const AlignmentSummary::Row& row, bool first) {
  if (first) return {};
  const std::int64_t nothing = row.states[static_cast<int>(MatchState::no_content)];
  if (nothing == row.nodes) return "nothing to match with the section before";
  const std::int64_t good = row.states[static_cast<int>(MatchState::good)];
  if (4 * good >= row.nodes - nothing) return {};
  return fmt::format("{} of {} places match the section before", good, row.nodes - nothing);
}

}  // namespace

Contract AlignmentSummary::contract(const Setup&) const {
  Contract c;
  InPort quality;
  quality.name = "quality";
  quality.channels = quality_channels;
  quality.accepts = DTypeSet{DType::f32};
  c.reads = {quality};
  OutPort summary;
  summary.name = "alignment";
  summary.kind = PortKind::summary;
  c.writes = {summary};
  return c;
}

AlignmentSummary::State AlignmentSummary::absorb(const BlockInputs& inputs, const ReductionContext&,
                                                 NameChanges&) const {
  const Array array = inputs.image("quality");
  const auto quality = array.view<float>();
  State state;
  inputs.core().for_each([&](Coord p) {
    if (state.rows.empty() || state.rows.back().z != p.z) {
      state.rows.emplace_back();
      state.rows.back().z = p.z;
    }
    add_node(quality, p, state.rows.back());
  });
  return state;
}

AlignmentSummary::State AlignmentSummary::merge(State a, State b, const Join&, const ReductionContext&,
                                                NameChanges&) const {
  State joined;
  auto i = a.rows.begin(), j = b.rows.begin();
  while (i != a.rows.end() || j != b.rows.end()) {
    if (j == b.rows.end() || (i != a.rows.end() && i->z < j->z)) {
      joined.rows.push_back(*i++);
    } else if (i == a.rows.end() || j->z < i->z) {
      joined.rows.push_back(*j++);
    } else {
      joined.rows.push_back(*i++);
      add_row(*j++, joined.rows.back());
    }
  }
  return joined;
}

Bytes AlignmentSummary::finish(State state, const ReductionContext&) const {
  Row all;
  std::string sections, bad;
  std::int64_t num_bad = 0;
  for (const Row& row : state.rows) {
    if (all.nodes == 0) {
      all.least_area = row.least_area;
      all.most_area = row.most_area;
    }
    add_row(row, all);
    sections += fmt::format(
        R"({}{{"z":{},"matched":{},"no_content":{},"at_edge":{},"ambiguous":{},"flat":{},"deviant":{},)"
        R"("residual_px":{},"correlation_before":{},"correlation_after":{},"least_area":{},"most_area":{}}})",
        sections.empty() ? "" : ",", row.z, row.states[0], row.states[1], row.states[2], row.states[3],
        row.states[4], row.states[5], mean(row.residual, row.matched), mean(row.before, row.num_before),
        mean(row.after, row.num_after), mean(row.least_area, 1), mean(row.most_area, 1));
    if (const std::string text = complaint(row, &row == &state.rows.front()); !text.empty()) {
      bad += fmt::format(R"({}{{"z":{},"problem":"{}"}})", bad.empty() ? "" : ",", row.z, text);
      ++num_bad;
    }
  }
  const std::string json = fmt::format(
      R"({{"sections":{},"sections_unmatched":{},"residual_px":{},"correlation_before":{},"correlation_after":{},)"
      R"("least_area":{},"most_area":{},"unmatched":[{}],"by_section":[{}]}})",
      state.rows.size(), num_bad, mean(all.residual, all.matched), mean(all.before, all.num_before),
      mean(all.after, all.num_after), mean(all.least_area, 1), mean(all.most_area, 1), bad, sections);
  const auto bytes = bytes_of(json);
  return Bytes(bytes.begin(), bytes.end());
}

void AlignmentSummary::pack(const State& state, ByteWriter& writer) const {
  writer.put_span(std::span<const Row>{state.rows});
}

AlignmentSummary::State AlignmentSummary::unpack(ByteReader& reader, const ReductionContext&) const {
  return {reader.get_vector<Row>()};
}

}  // namespace petavox::align
