#pragma once
// Rows of an image as the components see them: 0 is background, and equal values connect.

#include "stages/components/kernel.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace petavox::components {

/// The least integer of type T that is foreground, or nothing if none is. Exact for every double.
template <class T>
std::optional<T> least_foreground(const Foreground& foreground) {
  const bool above = foreground.rule == Foreground::Rule::above;
  const double least = above ? std::floor(foreground.threshold) : std::ceil(foreground.threshold);
  // Powers of two, hence exact: 2^63 or 2^64 is the first double beyond the type.
  const double beyond = 2 * static_cast<double>(T{1} << (std::numeric_limits<T>::digits - 1));
  if (!(least < beyond)) return std::nullopt;
  if (least < static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  const T value = static_cast<T>(least);
  if (!above) return value;
  if (value == std::numeric_limits<T>::max()) return std::nullopt;
  return static_cast<T>(value + 1);
}

/// Voxels as they are: equal labels connect.
template <class T>
class LabelRows {
 public:
  using Value = T;
  LabelRows(const Array& image, const std::optional<Array>& mask) : image_{image.view<T>()} {
    if (mask) mask_ = mask->view<std::uint8_t>();
    masked_ = mask.has_value();
    buffer_.resize(masked_ ? usize(image.box().shape().x) : 0);
  }
  /// Whether row() is the image itself.
  bool direct() const { return !masked_; }
  T at(Coord p) const { return masked_ && mask_[p] == 0 ? T{0} : image_[p]; }
  /// The values of x = from … from + size - 1; valid until the next call.
  const T* row(Index z, Index y, Index from, std::size_t size) {
    const T* values = &image_[{z, y, from}];
    if (!masked_) return values;
    const std::uint8_t* inside = &mask_[{z, y, from}];
    for (std::size_t i = 0; i < size; ++i) buffer_[i] = inside[i] != 0 ? values[i] : T{0};
    return buffer_.data();
  }

 private:
  View<const T> image_;
  View<const std::uint8_t> mask_;
  bool masked_ = false;
  std::vector<T> buffer_;
};

/// Voxels beyond a threshold: 1, others 0.
template <class T>
class ThresholdRows {
 public:
  using Value = std::uint8_t;
  ThresholdRows(const Array& image, const std::optional<Array>& mask, const Foreground& foreground)
      : image_{image.view<T>()}, foreground_{foreground} {
    if constexpr (!std::is_same_v<T, float>) {
      const auto least = least_foreground<T>(foreground);
      none_ = !least;
      least_ = least.value_or(T{});
    }
    if (mask) mask_ = mask->view<std::uint8_t>();
    masked_ = mask.has_value();
    buffer_.resize(usize(image.box().shape().x));
  }
  static constexpr bool direct() { return false; }
  std::uint8_t at(Coord p) const { return masked_ && mask_[p] == 0 ? std::uint8_t{0} : inside(image_[p]); }
  const std::uint8_t* row(Index z, Index y, Index from, std::size_t size) {
    const T* values = &image_[{z, y, from}];
    for (std::size_t i = 0; i < size; ++i) buffer_[i] = inside(values[i]);
    if (masked_) {
      const std::uint8_t* mask = &mask_[{z, y, from}];
      for (std::size_t i = 0; i < size; ++i) buffer_[i] = mask[i] != 0 ? buffer_[i] : std::uint8_t{0};
    }
    return buffer_.data();
  }

 private:
  std::uint8_t inside(T value) const {
    if constexpr (std::is_same_v<T, float>) {
      const auto wide = static_cast<double>(value);
      return foreground_.rule == Foreground::Rule::above ? wide > foreground_.threshold
                                                         : wide >= foreground_.threshold;
    } else {
      return !none_ && value >= least_;
    }
  }
  View<const T> image_;
  View<const std::uint8_t> mask_;
  bool masked_ = false, none_ = false;
  T least_{};
  Foreground foreground_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace petavox::components
