#pragma once
// The pieces of a phantom that were painted last. A run reads most voxels several times: as halos of other
// blocks, and once more as truth; and painting one costs more than most stages do with it.
// Promises: what is copied is what paint() makes; at most `budget_bytes` are kept. Thread-safe; two threads
// that need the same piece at once may both paint it.

#include "petavox/volume/array.hpp"

#include "stages/phantom/tissue.hpp"

#include <list>
#include <map>
#include <memory>
#include <mutex>

namespace petavox::phantom {

enum class Part { raw, labels, types };

class PieceCache {
 public:
  static constexpr std::size_t budget_bytes = std::size_t{48} << 20;

  explicit PieceCache(std::shared_ptr<const Tissue> tissue);
  /// The cache that all volumes of equal specs in this process share.
  static std::shared_ptr<PieceCache> shared(const std::shared_ptr<const Tissue>& tissue);

  const Tissue& tissue() const { return *tissue_; }
  /// Fills all of `into`, which has the part's type and lies inside the volume.
  void copy(Part part, Array& into);

 private:
  struct Piece;
  using PiecePointer = std::shared_ptr<const Piece>;
  PiecePointer get(const std::array<Index, 3>& position);
  PiecePointer paint_piece(const std::array<Index, 3>& position) const;

  std::shared_ptr<const Tissue> tissue_;
  Box domain_;
  Extent edge_;  ///< of a piece: whole tiles of the painter, at least 32 voxels
  std::mutex mutex_;
  std::list<std::pair<std::array<Index, 3>, PiecePointer>> recent_;  // most recently used first
  std::map<std::array<Index, 3>, decltype(recent_)::iterator> pieces_;
  std::size_t size_bytes_ = 0;
};

}  // namespace petavox::phantom
