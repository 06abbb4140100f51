#include "stages/place_sections/report.hpp"

#include "stages/place_sections/evidence.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox::place_sections {
namespace {

constexpr double margin = 0.05;  // of likeness, for an order to be called better

/// A section as the report shows it.
struct Line {
  std::int64_t z = 0;
  std::int64_t values[evidence_channels] = {};
  std::vector<double> likeness;  // with the section d + 1 back
};

std::vector<Line> lines_of(const std::vector<PlacementReport::Row>& rows) {
  std::vector<Line> lines;
  for (const auto& row : rows) {
    if (lines.empty() || lines.back().z != row.z) {
      lines.emplace_back();
      lines.back().z = row.z;
    }
    for (int c = 0; c < evidence_channels; ++c) lines.back().values[c] = row.values[c];
    lines.back().likeness.push_back(static_cast<double>(row.values[evidence_likeness]) / 10000);
  }
  return lines;
}

/// A list of `{"z": …, "problem": …}`.
class Problems {
 public:
  void add(std::int64_t z, const std::string& text) {
    json_ += fmt::format(R"({}{{"z":{},"problem":"{}"}})", json_.empty() ? "" : ",", z, text);
    ++count_;
  }
  const std::string& json() const { return json_; }
  int count() const { return count_; }

 private:
  std::string json_;
  int count_ = 0;
};

}  // namespace

Contract PlacementReport::contract(const Setup&) const {
  Contract c;
  InPort evidence;
  evidence.name = "place_evidence";
  evidence.channels = evidence_channels;
  evidence.accepts = DTypeSet{DType::i32};
  c.reads = {evidence};
  OutPort report;
  report.name = "placements";
  report.kind = PortKind::summary;
  c.writes = {report};
  return c;
}

PlacementReport::State PlacementReport::absorb(const BlockInputs& inputs, const ReductionContext&,
                                               NameChanges&) const {
  const Array array = inputs.image("place_evidence");
  const auto view = array.view<std::int32_t>();
  State state;
  inputs.core().for_each([&](Coord p) {
    Row row;
    row.z = p.z;
    row.back = p.y;
    for (int c = 0; c < evidence_channels; ++c) row.values[c] = view.at(c, p);
    state.rows.push_back(row);
  });
  return state;
}

PlacementReport::State PlacementReport::merge(State a, State b, const Join&, const ReductionContext&,
                                              NameChanges&) const {
  State joined;
  std::ranges::merge(
      a.rows, b.rows, std::back_inserter(joined.rows), {},
      [](const Row& r) {
        return std::pair{r.z, r.back};
      },
      [](const Row& r) {
        return std::pair{r.z, r.back};
      });
  return joined;
}

Bytes PlacementReport::finish(State state, const ReductionContext&) const {
  const std::vector<Line> lines = lines_of(state.rows);
  LikenessTable table;
  Problems unplaced, flipped, turned;
  std::string sections;
  for (const Line& line : lines) {
    table.push_back(line.likeness);
    const auto value = [&](EvidenceChannel c) { return static_cast<double>(line.values[c]); };
    const double turn = value(evidence_turn) / 1000;
    const bool placed = line.values[evidence_found] != 0;
    if (!placed)
      unplaced.add(line.z, "no transform to any near section was found; it lies where its neighbours lie");
    if (placed && line.values[evidence_flipped] != 0) flipped.add(line.z, "lies turned over");
    if (placed && (turn > 90 || turn < -90))
      turned.add(line.z, fmt::format("lies turned by {:.1f} degrees", turn));
    sections +=
        fmt::format(R"({}{{"z":{},"placed":{},"flipped":{},"turn":{:.3f},"scale":{:.4f},"inliers":{},)"
                    R"("likeness":[)",
                    sections.empty() ? "" : ",", line.z, placed, line.values[evidence_flipped] != 0, turn,
                    value(evidence_scale) / 10000, line.values[evidence_inliers]);
    for (std::size_t d = 0; d < line.likeness.size(); ++d)
      sections += fmt::format("{}{:.4f}", d == 0 ? "" : ",", line.likeness[d]);
    sections += "]}";
  }
  Problems disorder;
  if (!lines.empty())
    for (const Misplaced& m : wrong_order(table, margin, lines.front().z))
      disorder.add(lines.front().z + m.z, m.evidence);
  const std::string json = fmt::format(
      R"({{"sections":{},"sections_unplaced":{},"sections_flipped":{},"sections_turned":{},"sections_misplaced":{},)"
      R"("unplaced":[{}],"flipped":[{}],"turned":[{}],"wrong_order":[{}],"by_section":[{}]}})",
      lines.size(), unplaced.count(), flipped.count(), turned.count(), disorder.count(), unplaced.json(),
      flipped.json(), turned.json(), disorder.json(), sections);
  const auto bytes = bytes_of(json);
  return Bytes(bytes.begin(), bytes.end());
}

void PlacementReport::pack(const State& state, ByteWriter& writer) const {
  writer.put_span(std::span<const Row>{state.rows});
}

PlacementReport::State PlacementReport::unpack(ByteReader& reader, const ReductionContext&) const {
  return {reader.get_vector<Row>()};
}

}  // namespace petavox::place_sections
