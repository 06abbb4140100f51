#pragma once
// An owning box of voxels of a run-time type: what volumes read into and write from.
// Movable, not copyable by accident (use clone()). Not synchronised.

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/volume/array_memory.hpp"
#include "petavox/volume/view.hpp"

#include <cstring>
#include <memory>
#include <span>

namespace petavox {

class Array {
 public:
  Array() = default;
  /// What an array holds at first. `anything` is for those who write each voxel.
  enum class Fill { zeros, anything };

  /// `domain` is the whole volume that the box is a part of. Throws Error{resource} if it cannot be held.
  Array(DType type, const Box& box, const Box& domain, int channels = 1, Fill fill = Fill::zeros)
      : type_{type}, box_{box}, domain_{domain}, channels_{channels} {
    PETAVOX_ASSERT(channels > 0);
    const auto voxels = checked_mul(
        checked_mul(checked_cast<std::size_t>(box.shape().z), checked_cast<std::size_t>(box.shape().y)),
        checked_cast<std::size_t>(box.shape().x));
    size_bytes_ = checked_mul(checked_mul(voxels, static_cast<std::size_t>(channels)), size_of(type));
    if (size_bytes_ == 0) return;
    const ArrayMemory& memory = array_memory();
    data_ = {memory.allocate(size_bytes_, fill == Fill::zeros), memory.free};
    if (!data_)
      throw Error{ErrorCode::resource, "cannot allocate " + std::to_string(size_bytes_) + " bytes for box " +
                                           to_string(box) + " (out of memory); use smaller blocks"};
  }
  /// A box that is its own domain.
  Array(DType type, const Box& box, int channels = 1) : Array(type, box, box, channels) {}

  Array(Array&&) noexcept = default;
  Array& operator=(Array&&) noexcept = default;
  Array clone() const {
    Array copy{type_, box_, domain_, channels_, Fill::anything};
    if (size_bytes_ > 0) std::memcpy(copy.data_.get(), data_.get(), size_bytes_);
    return copy;
  }

  DType dtype() const { return type_; }
  const Box& box() const { return box_; }
  const Box& domain() const { return domain_; }
  int channels() const { return channels_; }
  std::span<std::byte> bytes() { return {data_.get(), size_bytes_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_bytes_}; }

  /// Throws Error{contract} if T is not the array's type.
  template <Voxel T>
  requires(!std::is_const_v<T>) View<T> view() {
    check(dtype_of<T>());
    return {reinterpret_cast<T*>(data_.get()), box_, domain_, channels_};
  }
  template <Voxel T>
  View<const std::remove_const_t<T>> view() const {
    check(dtype_of<T>());
    return {reinterpret_cast<const T*>(data_.get()), box_, domain_, channels_};
  }

 private:
  void check(DType wanted) const {
    if (wanted != type_)
      throw Error{ErrorCode::contract, std::string{"an array of "} + name_of(type_) + " was viewed as " +
                                           name_of(wanted) +
                                           " (the bytes would be misread); check the port's types"};
  }
  DType type_ = DType::u8;
  Box box_, domain_;
  int channels_ = 1;
  std::size_t size_bytes_ = 0;
  std::unique_ptr<std::byte, void (*)(std::byte*)> data_{nullptr, nullptr};
};

/// Copies the voxels of `box` from one array to another, all channels, same type; box must be inside both.
void copy_box(const Array& from, Array& to, const Box& box);
/// Sets `box` (inside the array) in one channel to `voxel`, size_of(dtype) bytes.
void fill_box(Array& into, int channel, const Box& box, std::span<const std::byte> voxel);

}  // namespace petavox
