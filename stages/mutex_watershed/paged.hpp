#pragma once
// A growing array whose elements never move: pages of a fixed size instead of one block that is copied when
// it grows, so the peak is what is held and not three times that. Not synchronised.

#include "petavox/base/error.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace petavox::mutex_watershed {

template <class T, unsigned page_bits>
class Paged {
 public:
  static constexpr std::uint32_t page_size = std::uint32_t{1} << page_bits;

  T& operator[](std::uint32_t i) { return pages_[i >> page_bits][i & (page_size - 1)]; }
  const T& operator[](std::uint32_t i) const { return pages_[i >> page_bits][i & (page_size - 1)]; }
  std::uint32_t size() const { return size_; }

  /// The first of `count` new elements in one piece; what is left of a page is skipped where they do not fit.
  /// Throws Error{resource} beyond 2^32 elements.
  std::uint32_t extend(std::uint32_t count) {
    const std::uint32_t left = static_cast<std::uint32_t>(pages_.size()) * page_size - size_;
    if (count > left) {
      size_ = static_cast<std::uint32_t>(pages_.size()) * page_size;
      const std::size_t pages = (std::size_t{count} + page_size - 1) / page_size;
      if (pages_.size() + pages >= (std::size_t{1} << (32 - page_bits)))
        throw Error{ErrorCode::resource,
                    "a subvolume has too many clusters that exclude each other (they cannot be counted in 32 "
                    "bits); use a smaller subvolume or larger strides"};
      owned_.push_back(std::make_unique<T[]>(pages * page_size));
      for (std::size_t i = 0; i < pages; ++i) pages_.push_back(owned_.back().get() + i * page_size);
      held_bytes_ += pages * page_size * sizeof(T);
    }
    const std::uint32_t first = size_;
    size_ += count;
    return first;
  }
  std::size_t held_bytes() const { return held_bytes_; }

 private:
  std::vector<T*> pages_;
  std::vector<std::unique_ptr<T[]>> owned_;
  std::uint32_t size_ = 0;
  std::size_t held_bytes_ = 0;
};

}  // namespace petavox::mutex_watershed
