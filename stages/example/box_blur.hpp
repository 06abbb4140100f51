#pragma once
// The stage of the tutorial (docs/first_stage.md): the mean over a cube round each voxel.

#include <petavox/stage/map_stage.hpp>

class BoxBlur final : public petavox::MapStage<BoxBlur> {
 public:
  static constexpr std::string_view name = "box_blur";
  static constexpr std::string_view summary = "mean over a cube of voxels; the volume's edge repeats";

  explicit BoxBlur(petavox::Params& params)
      : radius_{params.integer("radius", 1, {0, 32}, "half the side of the cube, in voxels")} {}

  petavox::Halo halo() const { return petavox::Halo::uniform(radius_); }

  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    const double count = static_cast<double>(petavox::Extent::cube(2 * radius_ + 1).voxels());
    out.box().for_each([&](petavox::Coord p) {
      double sum = 0;
      for (auto z = p.z - radius_; z <= p.z + radius_; ++z)
        for (auto y = p.y - radius_; y <= p.y + radius_; ++y)
          for (auto x = p.x - radius_; x <= p.x + radius_; ++x)
            sum += static_cast<double>(in.clamped({z, y, x}));
      out[p] = static_cast<T>(sum / count);
    });
  }

 private:
  petavox::Index radius_;
};
