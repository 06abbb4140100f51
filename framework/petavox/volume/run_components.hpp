#pragma once
// Connected components of a box from bits that say which neighbours are joined: what components and watershed
// have in common. Works on runs along x; parents of runs live in the id array until ids take their place, so
// that besides it there is one bit a voxel and the bits of two planes. (Run-based two-scan labelling: He,
// Chao, Suzuki, IEEE TIP 17(5), 2008; bits instead of lists of runs are ours.)
//
// Fill row(y) of a plane for y = 0, 1, … and add it; end_plane(); next plane; then finish(). Not
// synchronised.

#include "petavox/volume/bit_rows.hpp"
#include "petavox/volume/label_array.hpp"
#include "petavox/volume/run_union.hpp"

#include <vector>

namespace petavox {

class RunComponents {
 public:
  /// `ids` holds box.voxels() numbers of any content, less than 2^32 - 1.
  RunComponents(const Box& box, std::uint32_t* ids);

  std::size_t width() const { return width_; }
  /// Of a row's bits.
  std::size_t words() const { return words_; }
  /// Clears the bits beyond a row.
  void clear_end(std::uint64_t* bits) const { bits[words_ - 1] &= end_mask_; }

  /// The bits of a row; those beyond it must be 0. A run is a stretch of background, or of joined voxels.
  struct Row {
    std::uint64_t* starts;   ///< voxels that begin a run; the first one does
    std::uint64_t* joins_y;  ///< voxels joined with the one before on y, in the box
    std::uint64_t* joins_z;  ///< the same on z
  };
  Row row(std::size_t y) { return row_of(planes_[0], y); }
  /// Row y of the plane before.
  Row row_below(std::size_t y) { return row_of(planes_[1], y); }

  /// Takes a filled row; rows come in order.
  void add_row(std::size_t y, const std::uint64_t* foreground);
  /// Further joins of row y, which has been added: voxel i with voxel i of the row (dz, dy) away, for each
  /// bit.
  void unite(std::size_t y, Index dz, Index dy, const std::uint64_t* pairs);
  /// The same for voxel i and voxel j of the row (dz, dy) away.
  void unite(std::size_t y, std::size_t i, Index dz, Index dy, std::size_t j);
  void end_plane() { std::swap(planes_[0], planes_[1]); }

  /// Fills the ids, in order of first appearance, and the names: 1 + the raster index in the domain of each
  /// component's first voxel.
  void finish(const Box& domain, std::vector<Name>& names);

 private:
  struct Plane {
    std::vector<std::uint64_t> starts, joins_y, joins_z;
    std::vector<std::uint32_t> before;
  };
  Row row_of(Plane& plane, std::size_t y) const {
    const std::size_t at = y * words_;
    return {plane.starts.data() + at, plane.joins_y.data() + at, plane.joins_z.data() + at};
  }
  detail::RunRow runs_of(Index dz, std::size_t y) {
    Plane& plane = planes_[dz == 0 ? 0 : 1];
    const Row row = row_of(plane, y);
    return {row.starts, row.joins_y, row.joins_z, plane.before.data() + y * words_};
  }
  void keep_starts(const std::uint64_t* starts);

  Box box_;
  std::uint32_t* ids_;
  std::size_t width_, words_;
  std::uint64_t end_mask_;
  Plane planes_[2];
  std::vector<std::uint64_t> all_starts_;  // a bit for each voxel of the box, rows without gaps
  std::size_t kept_ = 0;                   // bits of it
  std::uint32_t size_ = 0;                 // runs
};

}  // namespace petavox
