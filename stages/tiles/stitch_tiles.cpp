#include "stages/tiles/stitch_tiles.hpp"

#include "petavox/stage/stage.hpp"

#include "stages/coarse_align/statistics.hpp"
#include "stages/tiles/mosaic.hpp"
#include "stages/tiles/positions.hpp"
#include "stages/tiles/quality.hpp"

#include <algorithm>

namespace petavox {
namespace {

using namespace tiles;

InPort list_port() {
  InPort port = section_port("tile_list", "tile_list", list_field::count);
  return port;
}

OutPort field_port(const std::string& name, int channels) {
  OutPort port;
  port.name = name;
  port.dtype = DType::i32;
  port.channels = channels;
  port.masked = false;  // a mask is in the frame of the canvas
  return port;
}

/// One task a tile: figures of its quality.
class QualityStep final : public Stage {
 public:
  explicit QualityStep(const Settings& settings) : settings_{settings} {}

  Contract contract(const Setup&) const override {
    Contract c;
    c.reads = {list_port(), tiles_port()};
    c.writes = {field_port("tile_quality", quality_field::count)};
    c.subvolume = {1, 1, 1};
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Coord tile = inputs.core().begin;
    const Section section{inputs, tile.z, settings_};
    const auto out = outputs.image("tile_quality").view<std::int32_t>();
    const Index slot = tile.y - inputs.readable("tile_list").begin.y;
    if (!section.present(slot)) return;
    const Rect all = section.rect(slot);
    const Quality q = quality_of(all.y1, all.x1, [&](Index y0, Index y1) {
      return section.raw(slot, {y0, 0, y1, all.x1});
    });
    const auto put = [&](int channel, std::int32_t value) { out.at(channel, tile) = value; };
    put(quality_field::state,
        static_cast<std::int32_t>(judged(q, settings_.min_deviation, settings_.max_saturated)));
    put(quality_field::mean, to_units(q.mean, units_per_grey));
    put(quality_field::deviation, to_units(q.deviation, units_per_grey));
    put(quality_field::focus, to_units(q.focus, units_per_one));
    put(quality_field::saturated, to_units(q.saturated, units_per_one));
    put(quality_field::hash_high, static_cast<std::int32_t>(q.hash >> 32));
    put(quality_field::hash_low, static_cast<std::int32_t>(q.hash & 0xffffffffU));
    for (int cell = 0; cell < cells * cells; ++cell)
      put(quality_field::first_cell + cell,
          to_units(q.cell_means[static_cast<std::size_t>(cell)], units_per_grey));
  }

 private:
  Settings settings_;
};

/// One task a tile: how it fits the later tiles that it overlaps.
class OffsetStep final : public Stage {
 public:
  explicit OffsetStep(const Settings& settings) : settings_{settings} {}

  Contract contract(const Setup&) const override {
    Contract c;
    c.reads = {list_port(), tiles_port(), section_port("tile_quality", "tile_quality", quality_field::count)};
    c.writes = {field_port("tile_offsets", offset_field::count)};
    c.subvolume = {1, 1, 1};
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Coord tile = inputs.core().begin;
    const Section section{inputs, tile.z, settings_};
    const Array quality = fields_of(inputs, "tile_quality", tile.z);
    const FieldView view = quality.view<std::int32_t>();
    const Index first_slot = view.box().begin.y, slot = tile.y - first_slot;
    const auto out = outputs.image("tile_offsets").view<std::int32_t>();
    const auto can_link = [&](Index s) {
      return usable(static_cast<TileState>(view.at(quality_field::state, {tile.z, first_slot + s, 0})));
    };
    int number = 0;
    for (const Index other : partners(section, slot, can_link)) {
      store(offset_of(section, slot, other, settings_), other, number, tile, out);
      ++number;
    }
  }

 private:
  /// The later tiles with the largest nominal overlaps.
  template <class CanLink>
  std::vector<Index> partners(const Section& section, Index slot, const CanLink& can_link) const {
    std::vector<std::pair<Index, Index>> found;  // minus area, slot
    for (Index other = slot + 1; can_link(slot) && other < section.slots(); ++other) {
      if (!can_link(other)) continue;
      const Rect overlap = nominal_overlap(section, slot, other);
      if (overlap.empty() || std::min(overlap.height(), overlap.width()) < settings_.min_overlap_px) continue;
      found.emplace_back(-overlap.height() * overlap.width(), other);
    }
    std::ranges::sort(found);
    if (found.size() > max_partners) found.resize(max_partners);
    std::vector<Index> slots;
    for (const auto& [area, other] : found) slots.push_back(other);
    return slots;
  }

  static void store(const PairOffset& pair, Index other, int number, Coord tile, View<std::int32_t> out) {
    const int first = number * offset_field::per_partner;
    const auto put = [&](int channel, std::int32_t value) { out.at(first + channel, tile) = value; };
    put(offset_field::partner, static_cast<std::int32_t>(other));
    put(offset_field::state, static_cast<std::int32_t>(pair.state));
    put(offset_field::dy, to_units(pair.dy, units_per_px));
    put(offset_field::dx, to_units(pair.dx, units_per_px));
    put(offset_field::correlation, to_units(pair.correlation, units_per_one));
    put(offset_field::mean_own, to_units(pair.mean_own, units_per_grey));
    put(offset_field::mean_other, to_units(pair.mean_other, units_per_grey));
    put(offset_field::num_patches, static_cast<std::int32_t>(pair.patches.size()));
    int at = offset_field::first_patch;
    for (const Patch& p : pair.patches) {
      put(at + offset_field::patch_y, to_units(p.y, units_per_px));
      put(at + offset_field::patch_x, to_units(p.x, units_per_px));
      put(at + offset_field::patch_dy, to_units(p.dy, units_per_px));
      put(at + offset_field::patch_dx, to_units(p.dx, units_per_px));
      put(at + offset_field::patch_weight, to_units(p.weight, units_per_one));
      at += offset_field::patch_fields;
    }
  }

  Settings settings_;
};

/// One task a section: places, bends and light of its tiles.
class PositionStep final : public Stage {
 public:
  explicit PositionStep(const Settings& settings) : settings_{settings} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {list_port(), section_port("tile_quality", "tile_quality", quality_field::count),
               section_port("tile_offsets", "tile_offsets", offset_field::count)};
    c.writes = {field_port("tile_positions", position_field::count)};
    c.subvolume = {1, setup.domain.shape().y, 1};
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override;

 private:
  Settings settings_;
};

class MosaicStep final : public Stage {
 public:
  explicit MosaicStep(const Settings& settings) : settings_{settings} {}

  Contract contract(const Setup&) const override {
    Contract c;
    InPort canvas;  // read for its domain alone
    canvas.name = "image";
    canvas.volume = "input";
    canvas.reads.held_voxels = 1;
    c.reads = {canvas, list_port(), tiles_port(),
               section_port("tile_positions", "tile_positions", position_field::count)};
    OutPort sections;
    sections.name = "sections";
    sections.dtype = DType::u8;
    c.writes = {sections};
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    Array& out = outputs.image("sections");
    const Box core = out.box();
    for (Index z = core.begin.z; z < core.end.z; ++z) {
      const Section section{inputs, z, settings_};
      const Array positions = fields_of(inputs, "tile_positions", z);
      Box layer = core;
      layer.begin.z = z;
      layer.end.z = z + 1;
      auto* first = &out.view<std::uint8_t>()[layer.begin];
      render_section(section, positions.view<std::int32_t>(), settings_, {first, layer, out.domain(), 1});
    }
  }

 private:
  Settings settings_;
};

// ---------------------------------------------------------------- positions

/// Reads and writes the numbers of one section by slot.
struct Rows {
  FieldView view;
  Index z;
  std::int32_t at(Index slot, int channel) const {
    return view.at(channel, {z, view.box().begin.y + slot, view.box().begin.x});
  }
};

/// States that need the other tiles of the section: duplicates, and blur against the median.
std::vector<TileState> states_of(const Rows& quality, Index slots, double min_focus) {
  std::vector<TileState> states;
  std::vector<double> focus;
  std::vector<std::pair<std::int32_t, std::int32_t>> hashes;
  for (Index slot = 0; slot < slots; ++slot) {
    auto state = static_cast<TileState>(quality.at(slot, quality_field::state));
    const std::pair hash{quality.at(slot, quality_field::hash_high),
                         quality.at(slot, quality_field::hash_low)};
    if (usable(state)) {
      if (std::ranges::find(hashes, hash) != hashes.end()) state = TileState::duplicate;
      hashes.push_back(hash);
    }
    if (state == TileState::good) focus.push_back(quality.at(slot, quality_field::focus));
    states.push_back(state);
  }
  const double least = min_focus * coarse_align::median(focus);
  for (Index slot = 0; slot < slots; ++slot)
    if (TileState& state = states[static_cast<std::size_t>(slot)];
        state == TileState::good && quality.at(slot, quality_field::focus) < least)
      state = TileState::defocused;
  return states;
}

std::vector<Link> links_of(const Rows& offsets, const std::vector<TileState>& states) {
  std::vector<Link> links;
  for (Index slot = 0; slot < static_cast<Index>(states.size()); ++slot)
    for (int partner = 0; partner < max_partners; ++partner) {
      const int first = partner * offset_field::per_partner;
      const auto value = [&](int channel, double units) { return offsets.at(slot, first + channel) / units; };
      if (static_cast<PairState>(offsets.at(slot, first + offset_field::state)) != PairState::linked)
        continue;
      Link link;
      link.first = slot;
      link.second = offsets.at(slot, first + offset_field::partner);
      if (!usable(states[static_cast<std::size_t>(slot)]) ||
          !usable(states[static_cast<std::size_t>(link.second)]))
        continue;
      link.offset.dy = value(offset_field::dy, units_per_px);
      link.offset.dx = value(offset_field::dx, units_per_px);
      link.offset.correlation = value(offset_field::correlation, units_per_one);
      link.offset.mean_own = value(offset_field::mean_own, units_per_grey);
      link.offset.mean_other = value(offset_field::mean_other, units_per_grey);
      for (int p = 0; p < offsets.at(slot, first + offset_field::num_patches); ++p) {
        const int at = offset_field::first_patch + p * offset_field::patch_fields;
        link.offset.patches.push_back({value(at + offset_field::patch_y, units_per_px),
                                       value(at + offset_field::patch_x, units_per_px),
                                       value(at + offset_field::patch_dy, units_per_px),
                                       value(at + offset_field::patch_dx, units_per_px),
                                       value(at + offset_field::patch_weight, units_per_one)});
      }
      links.push_back(std::move(link));
    }
  return links;
}

/// How bright each cell of a tile is, as a rule: the median over the section's tiles of cell / tile mean. 1
/// where fewer than five tiles say.
std::array<double, static_cast<std::size_t>(cells* cells)> flat_field(const Rows& quality,
                                                                      const std::vector<TileState>& states) {
  constexpr std::size_t enough = 5;
  std::array<double, static_cast<std::size_t>(cells * cells)> flat{};
  for (int cell = 0; cell < cells * cells; ++cell) {
    std::vector<double> ratios;
    for (Index slot = 0; slot < static_cast<Index>(states.size()); ++slot) {
      const std::int32_t value = quality.at(slot, quality_field::first_cell + cell);
      if (states[static_cast<std::size_t>(slot)] == TileState::good && value > 0)
        ratios.push_back(value / static_cast<double>(quality.at(slot, quality_field::mean)));
    }
    flat[static_cast<std::size_t>(cell)] =
        ratios.size() < enough ? 1 : std::clamp(coarse_align::median(ratios), 0.25, 4.0);
  }
  return flat;
}

void PositionStep::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const {
  const Box core = inputs.core();
  const Index z = core.begin.z;
  const Section section{inputs, z, settings_};
  const Array quality_array = fields_of(inputs, "tile_quality", z),
              offset_array = fields_of(inputs, "tile_offsets", z);
  const Rows quality{quality_array.view<std::int32_t>(), z}, offsets{offset_array.view<std::int32_t>(), z};
  const std::vector<TileState> states = states_of(quality, section.slots(), settings_.min_focus);
  const std::vector<Link> links = links_of(offsets, states);
  std::vector<SolvedTile> solved(states.size());
  for (Index slot = 0; slot < section.slots(); ++slot) {
    SolvedTile& tile = solved[static_cast<std::size_t>(slot)];
    tile.state = states[static_cast<std::size_t>(slot)];
    tile.nominal_y = section.y(slot);
    tile.nominal_x = section.x(slot);
    tile.height = section.rect(slot).y1;
    tile.width = section.rect(slot).x1;
  }
  solve_places(solved, links);
  if (settings_.elastic) solve_bends(solved, links, settings_.stiffness);
  if (settings_.even_light) solve_gains(solved, links);
  const auto flat = flat_field(quality, states);

  const auto out = outputs.image("tile_positions").view<std::int32_t>();
  for (Index slot = 0; slot < section.slots(); ++slot) {
    const SolvedTile& tile = solved[static_cast<std::size_t>(slot)];
    if (tile.state == TileState::absent) continue;
    const auto put = [&](int channel, std::int32_t value) {
      out.at(channel, {z, core.begin.y + slot, core.begin.x}) = value;
    };
    put(position_field::state, static_cast<std::int32_t>(tile.state));
    put(position_field::y, to_units(tile.y, units_per_px));
    put(position_field::x, to_units(tile.x, units_per_px));
    put(position_field::links, tile.links);
    put(position_field::residual, to_units(tile.residual, units_per_px));
    put(position_field::gain, to_units(tile.gain, units_per_one));
    for (int n = 0; n < nodes * nodes; ++n) {
      put(position_field::first_node + 2 * n,
          to_units(tile.bend_y[static_cast<std::size_t>(n)], units_per_px));
      put(position_field::first_node + 2 * n + 1,
          to_units(tile.bend_x[static_cast<std::size_t>(n)], units_per_px));
    }
    for (int cell = 0; cell < cells * cells; ++cell)
      put(position_field::first_flat + cell, to_units(flat[static_cast<std::size_t>(cell)], units_per_one));
  }
}

}  // namespace

StageType stitch_tiles_stage() {
  return {"stitch_tiles", "One image for each section from overlapping tiles", "built-in",
          [](Params& params) {
            const Settings settings{params};
            StageProgram program;
            program.steps.emplace_back(std::make_unique<QualityStep>(settings));
            program.steps.emplace_back(std::make_unique<OffsetStep>(settings));
            program.steps.emplace_back(std::make_unique<PositionStep>(settings));
            program.steps.emplace_back(std::make_unique<MosaicStep>(settings));
            program.exports = {"sections", "tile_quality", "tile_offsets", "tile_positions"};
            return program;
          }};
}

}  // namespace petavox
