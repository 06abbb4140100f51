#include "stages/tiles/pieces.hpp"

namespace petavox::tiles {

Section::Section(const BlockInputs& inputs, Index z, const Settings& settings)
    : inputs_{inputs}, settings_{settings}, z_{z}, list_{fields_of(inputs, "tile_list", z)} {}

Array Section::raw(Index slot, const Rect& rect) const {
  const Index top = slot * (inputs_.readable("tiles").shape().y / slots());
  return inputs_.image("tiles", {{z_, top + rect.y0, rect.x0}, {z_ + 1, top + rect.y1, rect.x1}});
}

Piece Section::piece(Index slot, const Rect& rect) const {
  Piece piece{rect, Plane{rect.height(), rect.width()}, Plane{rect.height(), rect.width()}};
  if (rect.empty()) return piece;
  const Array array = raw(slot, rect);
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
    constexpr double scale = sizeof(T) == 1 ? 1.0 : 1.0 / 257.0;
    const double stretch = 255.0 / (settings_.white - settings_.black);
    const auto values = array.view<T>().channel();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double v = (static_cast<double>(values[i]) * scale - settings_.black) * stretch;
      piece.values.values[i] = static_cast<float>(std::clamp(v, 0.0, 255.0));
      piece.inside.values[i] = settings_.zero_is_empty && values[i] == T{0} ? 0.0F : 1.0F;
    }
  });
  return piece;
}

Array fields_of(const BlockInputs& inputs, std::string_view port, Index z) {
  Box box = inputs.readable(port);
  box.begin.z = z;
  box.end.z = z + 1;
  return inputs.image(port, box);
}

InPort section_port(const std::string& name, const std::string& volume, int channels) {
  InPort port;
  port.name = name;
  port.volume = volume;
  port.channels = channels;
  port.accepts = DTypeSet{DType::i32};
  port.reads.whole = {false, true, true};
  return port;
}

InPort tiles_port() {
  InPort port;
  port.name = "tiles";
  port.accepts = DTypeSet{DType::u8, DType::u16};
  port.reads.whole = {false, true, true};
  port.reads.held_voxels = held_pixels;
  return port;
}

}  // namespace petavox::tiles
