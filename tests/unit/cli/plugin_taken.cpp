#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

class OtherInvert final : public petavox::MapStage<OtherInvert> {
 public:
  static constexpr std::string_view name = "invert";
  static constexpr std::string_view summary = "a name that another plugin has";
  explicit OtherInvert(petavox::Params&) {}
  petavox::Halo halo() const { return petavox::Halo::none(); }
  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    out.box().for_each([&](petavox::Coord p) { out[p] = in[p]; });
  }
};
PETAVOX_STAGE_PLUGIN(OtherInvert)
