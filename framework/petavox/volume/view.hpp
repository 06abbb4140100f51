#pragma once
// Typed access to a box of voxels by absolute coordinate: there is no local index that could leak into a
// result. A view does not own its voxels. Channels are slowest: channel c of voxel p is at (c, p.z, p.y,
// p.x). In checked builds (PETAVOX_CHECKED) an access outside the box throws Error{contract}.

#include "petavox/geometry/box.hpp"
#include "petavox/volume/dtype.hpp"

#include <span>

namespace petavox {

template <Voxel T>
class View {
 public:
  View() = default;
  View(T* data, const Box& box, const Box& domain, int channels = 1)
      : data_{data}, box_{box}, domain_{domain}, channels_{channels} {
    const Extent s = box.shape();
    stride_y_ = s.x;
    stride_z_ = s.y * s.x;
    stride_c_ = stride_z_ * s.z;
  }

  const Box& box() const { return box_; }
  /// The whole volume that the box is a part of.
  const Box& domain() const { return domain_; }
  int channels() const { return channels_; }

  T& operator[](Coord p) const { return at(0, p); }
  T& at(int channel, Coord p) const {
#ifdef PETAVOX_CHECKED
    if (!box_.contains(p) || channel < 0 || channel >= channels_)
      throw Error{ErrorCode::contract, "voxel " + to_string(p) + " channel " + std::to_string(channel) +
                                           " was accessed outside " + to_string(box_) +
                                           " (the result would depend on the block); declare a larger halo"};
#endif
    return data_[offset(channel, p)];
  }
  /// The voxel nearest to p in the domain: repeats the edge of the volume, never that of the block.
  T& clamped(Coord p) const { return at(0, domain_.clamp(p)); }
  T& clamped(int channel, Coord p) const { return at(channel, domain_.clamp(p)); }

  /// The voxels (z, y, box().begin.x …) of a channel, contiguous: for inner loops.
  std::span<T> row(Index z, Index y, int channel = 0) const {
    T* first = &at(channel, {z, y, box_.begin.x});
    return {first, static_cast<std::size_t>(stride_y_)};
  }
  /// All voxels of a channel in raster order of the box.
  std::span<T> channel(int c = 0) const {
    return {data_ + c * stride_c_, static_cast<std::size_t>(stride_c_)};
  }
  /// Distance in elements between neighbours along axis 0 (z), 1 (y), 2 (x).
  Index stride(int axis) const { return axis == 0 ? stride_z_ : axis == 1 ? stride_y_ : 1; }

 private:
  Index offset(int channel, Coord p) const {
    return channel * stride_c_ + (p.z - box_.begin.z) * stride_z_ + (p.y - box_.begin.y) * stride_y_ +
           (p.x - box_.begin.x);
  }
  T* data_ = nullptr;
  Box box_, domain_;
  int channels_ = 1;
  Index stride_y_ = 0, stride_z_ = 0, stride_c_ = 0;
};

}  // namespace petavox
