#pragma once
// Ports that several steps of stage `align` declare in the same way.

#include "stages/align/steps.hpp"
#include "stages/align/warp.hpp"

namespace petavox::align {

/// Pixels along a side of what is rendered at once.
inline constexpr Index render_tile = 256;

/// What sections may be of.
inline const DTypeSet grey_types{DType::u8, DType::u16};

InPort image_port(std::string name, int channels, DTypeSet accepts);
OutPort lattice_port(std::string name, DType type, int channels, Extent factor);
/// A port of which a section reads all of itself, of so many sections before it, and of as many after.
InPort sections_port(std::string name, int channels, DTypeSet accepts, Index before, Index after);
/// All that may be read of section z.
Box section_box(const BlockInputs& inputs, std::string_view port, Index z);
/// `input`, for its domain alone.
InPort domain_of_input();
/// The whole section of each z, a piece at a time.
void read_by_pieces(InPort& port);
/// Optional: what must not be matched.
InPort excluded_input();
/// Optional: without it every section lies where it was.
InPort placement_input();
/// The field of pass `of`, read by a step that writes pixels of `level` and moves them by up to `reach_px` of
/// these.
InPort field_input(const Settings& settings, int of, Index level, double reach_px);

/// The column of placements for the sections of a block, or none.
std::optional<Array> read_placements(const BlockInputs& inputs);
Placement placement_of(const std::optional<Array>& column, Index z);

/// Renders the core of `out` in tiles, each from what `read` gives of the box round its sources, inside the
/// whole sections that may be read of `port`.
void render_core(const BlockInputs& inputs, std::string_view port,
                 const std::function<Array(const Box&)>& read, const std::optional<Array>& field,
                 Index field_spacing, Index level, const RenderOptions& options, Array& out);

}  // namespace petavox::align
