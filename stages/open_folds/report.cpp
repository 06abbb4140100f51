#include "stages/open_folds/report.hpp"

#include "stages/open_folds/damage.hpp"
#include "stages/open_folds/pieces.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace petavox::open_folds {
namespace {

std::int64_t value(const FoldReport::Row& row, int channel) {
  return row.values[channel - PlaceField::state];
}

bool is_moved(const FoldReport::Row& row) {
  return value(row, PlaceField::state) == static_cast<std::int64_t>(PieceState::moved);
}

std::string list_of(const std::vector<std::string>& items, std::string_view between) {
  return fmt::format("{}", fmt::join(items, between));
}

/// What is wrong with a section, from the rows of its pieces.
std::string problem_of(std::span<const FoldReport::Row> rows) {
  const FoldReport::Row& first = rows.front();
  const auto share = [&](std::int64_t pixels) {
    return 100 * static_cast<double>(pixels) /
           static_cast<double>(std::max<std::int64_t>(1, value(first, PlaceField::all)));
  };
  std::vector<std::string> kinds;
  const auto kind = [&](int channel, const char* name) {
    if (value(first, channel) > 0)
      kinds.push_back(fmt::format("{} ({:.1f} %)", name, share(value(first, channel))));
  };
  kind(PlaceField::dark, "a fold");
  kind(PlaceField::bright, "a bright crack");
  kind(PlaceField::empty, "an empty crack");
  std::int64_t pieces = 0, moved = 0, lost = 0, lost_pixels = value(first, PlaceField::scrap), furthest = 0;
  for (const FoldReport::Row& row : rows) {
    const auto state = static_cast<PieceState>(value(row, PlaceField::state));
    if (state == PieceState::none) continue;
    ++pieces;
    if (state == PieceState::moved) {
      ++moved;
      furthest = std::max(furthest, row.moved_millipx);
    }
    if (state == PieceState::lost) {
      ++lost;
      lost_pixels += value(row, PlaceField::pixels);
    }
  }
  std::string text = list_of(kinds, ", ") + fmt::format("; {} piece{}", pieces, pieces == 1 ? "" : "s");
  if (moved > 0)
    text += fmt::format(", {} moved by up to {:.1f} px", moved, static_cast<double>(furthest) / 1000);
  if (lost_pixels > 0)
    text += fmt::format(", {:.1f} % left out{}", share(lost_pixels),
                        lost > 0 ? fmt::format(" ({} pieces found no place)", lost) : "");
  return text;
}

}  // namespace

Contract FoldReport::contract(const Setup&) const {
  Contract c;
  InPort places;
  places.name = "fold_places";
  places.channels = PlaceField::count;
  places.accepts = DTypeSet{DType::i64};
  c.reads = {places};
  OutPort report;
  report.name = "folds";
  report.kind = PortKind::summary;
  c.writes = {report};
  return c;
}

FoldReport::State FoldReport::absorb(const BlockInputs& inputs, const ReductionContext&, NameChanges&) const {
  const Array array = inputs.image("fold_places");
  const auto view = array.view<std::int64_t>();
  State state;
  inputs.core().for_each([&](Coord p) {
    if (p.y == 0) ++state.sections;
    Row row;
    row.z = p.z;
    row.piece = p.y;
    for (int c = 0; c < numbers; ++c) row.values[c] = view.at(PlaceField::state + c, p);
    const auto piece_state = static_cast<PieceState>(value(row, PlaceField::state));
    if (piece_state == PieceState::moved) {
      const Affine t = coarse_align::load_affine(view, p, PlaceField::from_opened);
      row.moved_millipx =
          static_cast<std::int64_t>(std::floor(1000 * std::sqrt(t.y0 * t.y0 + t.x0 * t.x0) + 0.5));
    }
    if (piece_state != PieceState::none) state.rows.push_back(row);
  });
  return state;
}

FoldReport::State FoldReport::merge(State a, State b, const Join&, const ReductionContext&,
                                    NameChanges&) const {
  State joined;
  joined.sections = a.sections + b.sections;
  const auto place = [](const Row& r) { return std::pair{r.z, r.piece}; };
  std::ranges::merge(a.rows, b.rows, std::back_inserter(joined.rows), {}, place, place);
  return joined;
}

Bytes FoldReport::finish(State state, const ReductionContext&) const {
  std::string damaged, sections;
  std::int64_t num_damaged = 0, moved = 0, lost = 0;
  for (std::size_t i = 0; i < state.rows.size();) {
    std::size_t end = i;
    while (end < state.rows.size() && state.rows[end].z == state.rows[i].z) ++end;
    const std::span<const Row> rows{&state.rows[i], end - i};
    const Row& first = rows.front();
    i = end;
    if (std::ranges::none_of(rows, is_moved)) continue;
    ++num_damaged;
    std::int64_t section_moved = 0, section_lost = 0;
    for (const Row& row : rows) {
      const auto piece_state = static_cast<PieceState>(value(row, PlaceField::state));
      section_moved += is_moved(row) ? 1 : 0;
      section_lost += piece_state == PieceState::lost ? 1 : 0;
    }
    moved += section_moved;
    lost += section_lost;
    damaged +=
        fmt::format(R"({}{{"z":{},"problem":"{}"}})", damaged.empty() ? "" : ",", first.z, problem_of(rows));
    const auto share = [&](int channel) {
      return static_cast<double>(value(first, channel)) /
             static_cast<double>(std::max<std::int64_t>(1, value(first, PlaceField::all)));
    };
    sections += fmt::format(
        R"({}{{"z":{},"dark":{:.4f},"bright":{:.4f},"empty":{:.4f},"pieces":{},"moved":{},"lost":{}}})",
        sections.empty() ? "" : ",", first.z, share(PlaceField::dark), share(PlaceField::bright),
        share(PlaceField::empty), rows.size(), section_moved, section_lost);
  }
  const std::string json = fmt::format(
      R"({{"sections":{},"sections_damaged":{},"pieces_moved":{},"pieces_lost":{},"damaged":[{}],"by_section":[{}]}})",
      state.sections, num_damaged, moved, lost, damaged, sections);
  const auto bytes = bytes_of(json);
  return Bytes(bytes.begin(), bytes.end());
}

void FoldReport::pack(const State& state, ByteWriter& writer) const {
  writer.put(state.sections);
  writer.put_span(std::span<const Row>{state.rows});
}

FoldReport::State FoldReport::unpack(ByteReader& reader, const ReductionContext&) const {
  State state;
  state.sections = reader.get<std::int64_t>();
  state.rows = reader.get_vector<Row>();
  return state;
}

}  // namespace petavox::open_folds
