#pragma once
// Tiles as the steps see them: rectangles of pixels in the tile's own frame, on the scale 0 to 255.

#include "petavox/stage/block.hpp"

#include "stages/coarse_align/patches.hpp"
#include "stages/tiles/fields.hpp"
#include "stages/tiles/settings.hpp"

namespace petavox::tiles {

using coarse_align::Plane;
using coarse_align::Rect;

/// Pixels of one rectangle; inside is 1 where there is content.
struct Piece {
  Rect rect;
  Plane values, inside;
};

/// The tiles of one section.
class Section {
 public:
  /// Reads the port `tile_list` over the section.
  Section(const BlockInputs& inputs, Index z, const Settings& settings);

  Index z() const { return z_; }
  Index slots() const { return list_.box().shape().y; }
  bool present(Index slot) const { return field(slot, list_field::present) != 0; }
  Rect rect(Index slot) const {
    return {0, 0, field(slot, list_field::height), field(slot, list_field::width)};
  }
  /// Nominal place on the canvas, pixels.
  double y(Index slot) const { return field(slot, list_field::y) / units_per_px; }
  double x(Index slot) const { return field(slot, list_field::x) / units_per_px; }
  /// Reads the port `tiles`; `rect` must be inside rect(slot).
  Piece piece(Index slot, const Rect& rect) const;
  /// As stored, of the type of the port.
  Array raw(Index slot, const Rect& rect) const;

 private:
  std::int32_t field(Index slot, int channel) const {
    return list_.view<std::int32_t>().at(channel, {z_, list_.box().begin.y + slot, list_.box().begin.x});
  }
  const BlockInputs& inputs_;
  const Settings& settings_;
  Index z_;
  Array list_;
};

/// A port of numbers (fields.hpp) over one section.
Array fields_of(const BlockInputs& inputs, std::string_view port, Index z);

/// Most pixels of tiles that a step asks for at once.
inline constexpr Index held_pixels = Index{1} << 24;
/// Ports of whole sections, whatever the core.
InPort section_port(const std::string& name, const std::string& volume, int channels);
InPort tiles_port();

}  // namespace petavox::tiles
