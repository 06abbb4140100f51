#include "stages/phantom/phantom.hpp"
#include "stages/phantom/piece_cache.hpp"

#include <string>

namespace petavox {

namespace {

using phantom::Part;

/// Computes what is read, piece by piece.
class PhantomVolume final : public Volume {
 public:
  PhantomVolume(const std::shared_ptr<const phantom::Tissue>& tissue, Part part)
      : tissue_{tissue}, cache_{phantom::PieceCache::shared(tissue)}, part_{part} {}

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
    cache_->copy(part_, into);
  }

 private:
  std::shared_ptr<const phantom::Tissue> tissue_;
  std::shared_ptr<phantom::PieceCache> cache_;
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
