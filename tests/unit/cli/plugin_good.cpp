#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

class Invert final : public petavox::MapStage<Invert> {
 public:
  static constexpr std::string_view name = "invert";
  static constexpr std::string_view summary = "255 minus the voxel";
  explicit Invert(petavox::Params&) {}
  petavox::Halo halo() const { return petavox::Halo::none(); }
  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    out.box().for_each([&](petavox::Coord p) { out[p] = static_cast<T>(255 - static_cast<double>(in[p])); });
  }
};
PETAVOX_STAGE_PLUGIN(Invert)
