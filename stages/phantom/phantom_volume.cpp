#include "stages/phantom/painter.hpp"
#include "stages/phantom/phantom.hpp"
#include "stages/phantom/tissue.hpp"

#include <algorithm>
#include <string>

namespace petavox {

namespace {

enum class Part { raw, labels, types };

/// Computes what is read. Large boxes are computed piece by piece, so that the parts that are not asked for
/// need little memory.
class PhantomVolume final : public Volume {
 public:
  PhantomVolume(std::shared_ptr<const phantom::Tissue> tissue, Part part)
      : tissue_{std::move(tissue)}, part_{part} {}

  Box domain() const override { return {{0, 0, 0}, Coord{} + tissue_->spec().shape}; }
  DType dtype() const override { return part_ == Part::labels ? DType::u64 : DType::u8; }
  VoxelSizeNm voxel_size_nm() const override { return tissue_->spec().voxel_size_nm; }

  void read(Array& into) const override {
    const Box& box = into.box();
    if (into.dtype() != dtype() || into.channels() != 1 || !domain().contains(box))
      throw Error{ErrorCode::contract, "phantom: box " + to_string(box) + " of " + name_of(into.dtype()) +
                                           " was asked of a volume " + to_string(domain()) + " of " +
                                           name_of(dtype()) +
                                           " (there is nothing to fill it with); check the box and the type"};
    constexpr Index piece = 64;
    for (Index z = box.begin.z; z < box.end.z; z = next(z, box.end.z, piece))
      for (Index y = box.begin.y; y < box.end.y; y = next(y, box.end.y, piece))
        for (Index x = box.begin.x; x < box.end.x; x = next(x, box.end.x, piece))
          fill({{z, y, x}, {next(z, box.end.z, piece), next(y, box.end.y, piece), next(x, box.end.x, piece)}},
               into);
  }

 private:
  /// The next multiple of `piece`, or the end.
  static Index next(Index at, Index end, Index piece) { return std::min(end, (at / piece + 1) * piece); }

  void fill(const Box& box, Array& into) const {
    Array raw{DType::u8, box, domain()}, labels{DType::u64, box, domain()}, types{DType::u8, box, domain()};
    phantom::paint(*tissue_, box, raw.view<std::uint8_t>(), labels.view<std::uint64_t>(),
                   types.view<std::uint8_t>());
    copy_box(part_ == Part::raw ? raw : part_ == Part::labels ? labels : types, into, box);
  }

  std::shared_ptr<const phantom::Tissue> tissue_;
  Part part_;
};

}  // namespace

std::unique_ptr<Volume> Phantom::raw() const { return std::make_unique<PhantomVolume>(tissue_, Part::raw); }
std::unique_ptr<Volume> Phantom::labels() const {
  return std::make_unique<PhantomVolume>(tissue_, Part::labels);
}
std::unique_ptr<Volume> Phantom::types() const {
  return std::make_unique<PhantomVolume>(tissue_, Part::types);
}

std::unique_ptr<Volume> open_phantom(const PhantomSpec& spec, std::string_view volume) {
  const Phantom phantom{spec};
  if (volume == "raw") return phantom.raw();
  if (volume == "labels") return phantom.labels();
  if (volume == "types") return phantom.types();
  throw Error{ErrorCode::config, "phantom: there is no volume '" + std::string{volume} +
                                     "' (a phantom has raw, labels and types); name one of these"};
}

}  // namespace petavox
