#include "stages/align/step_ports.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::align {

std::string level_port(Index level) { return "level_" + std::to_string(level); }
std::string pass_port(const char* what, int pass) {
  return std::string{what} + "_" + std::to_string(pass + 1);
}

std::string field_port(int pass) { return pass_port("field", pass); }

InPort image_port(std::string name, int channels, DTypeSet accepts) {
  InPort port;
  port.name = std::move(name);
  port.channels = channels;
  port.accepts = accepts;
  return port;
}

OutPort lattice_port(std::string name, DType type, int channels, Extent factor) {
  OutPort port;
  port.name = std::move(name);
  port.dtype = type;
  port.channels = channels;
  port.factor = factor;
  port.masked = false;
  return port;
}

InPort sections_port(std::string name, int channels, DTypeSet accepts, Index before, Index after) {
  InPort port = image_port(std::move(name), channels, accepts);
  port.reads.whole = {false, true, true};
  port.reads.halo.low.z = before;
  port.reads.halo.high.z = after;
  return port;
}

Box section_box(const BlockInputs& inputs, std::string_view port, Index z) {
  Box box = inputs.readable(port);
  box.begin.z = z;
  box.end.z = z + 1;
  return box;
}

InPort domain_of_input() {
  InPort image = image_port("image", 1, grey_types);
  image.volume = "input";
  image.reads.whole = {false, true, true};
  image.reads.held_voxels = 1;
  return image;
}

void read_by_pieces(InPort& port) {
  port.reads.whole = {false, true, true};
  port.reads.held_voxels = held_for_tile(render_tile);
}

InPort excluded_input() {
  InPort port = image_port("excluded", 1, DTypeSet{DType::u8, DType::u16, DType::u32, DType::u64});
  port.optional = true;
  return port;
}

InPort placement_input() {
  InPort port =
      image_port(std::string{placement_port}, coarse_align::placement_channels, DTypeSet{DType::i64});
  port.reads.whole = {false, true, true};
  port.optional = true;
  return port;
}

InPort field_input(const Settings& settings, int of, Index level, double reach_px) {
  InPort port = image_port(field_port(of), 2, DTypeSet{DType::i32});
  const Index nodes = settings.spacing(of) / level;  // pixels written per node read
  const Index halo =
      field_reach +
      (reach_px > 0 ? static_cast<Index>(std::ceil(reach_px / static_cast<double>(nodes))) + 1 : 0);
  port.reads.divisor = {1, nodes, nodes};
  port.reads.halo = Halo::symmetric({0, halo, halo});
  return port;
}

std::optional<Array> read_placements(const BlockInputs& inputs) {
  if (!inputs.has(placement_port)) return std::nullopt;
  return inputs.image(placement_port);
}

Placement placement_of(const std::optional<Array>& column, Index z) {
  return column ? coarse_align::load_affine(std::as_const(*column).view<std::int64_t>(), {z, 0, 0})
                : Placement{};
}

void render_core(const BlockInputs& inputs, std::string_view port,
                 const std::function<Array(const Box&)>& read, const std::optional<Array>& field,
                 Index field_spacing, Index level, const RenderOptions& options, Array& out) {
  const auto placements = read_placements(inputs);
  const Box core = inputs.core(), readable = inputs.readable(port);
  for (Index z = core.begin.z; z < core.end.z; ++z) {
    // Whole axes: what may be read of this section is all of it.
    const Box source{{z, readable.begin.y, readable.begin.x}, {z + 1, readable.end.y, readable.end.x}};
    const FieldSection section{
        field ? std::as_const(*field).view<std::int32_t>() : View<const std::int32_t>{}, z, field_spacing};
    const Mapping mapping{placement_of(placements, z), section, field_spacing, level, field.has_value()};
    for (Index y = core.begin.y; y < core.end.y; y += render_tile)
      for (Index x = core.begin.x; x < core.end.x; x += render_tile)
        render(mapping,
               {{z, y, x},
                {z + 1, std::min(y + render_tile, core.end.y), std::min(x + render_tile, core.end.x)}},
               source, read, options, out);
  }
}

}  // namespace petavox::align
