#include "stages/align/section_tile.hpp"

#include <algorithm>

namespace petavox::align {
namespace {

/// Of n elements of a row; nothing follows the last one.
void fill_pairs(const std::int16_t* values, std::size_t n, std::int32_t* pairs) {
  const auto pair = [](std::int16_t low, std::int16_t high) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(low)) |
                                     static_cast<std::uint32_t>(static_cast<std::uint16_t>(high)) << 16);
  };
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = pair(values[i], values[i + 1]);
  pairs[n - 1] = pair(values[n - 1], 0);
}

void fill_pairs(Plane& plane, std::size_t stride) {
  plane.pairs.resize(plane.values.size());
  for (std::size_t row = 0; row < plane.values.size(); row += stride)
    fill_pairs(&plane.values[row], stride, &plane.pairs[row]);
}

/// Rows of two integral images: above[x] + the sum of value(0 .. x - 1), and of their squares.
template <class I, class Value>
void integrate_row(const I* above, const I* squares_above, Index width, I* here, I* squares_here,
                   const Value& value) {
  I sum = 0, squares = 0;
  here[0] = squares_here[0] = 0;
  for (Index x = 0; x < width; ++x) {
    const auto v = static_cast<I>(value(x));
    sum += v;
    squares += v * v;
    here[x + 1] = above[x + 1] + sum;
    squares_here[x + 1] = squares_above[x + 1] + squares;
  }
}

/// What follows the pixels of a row is read where displacements are rounded up to whole steps, and not used.
template <class V>
void clear_row(V& values, std::size_t begin, std::size_t end) {
  std::fill(values.begin() + static_cast<std::ptrdiff_t>(begin),
            values.begin() + static_cast<std::ptrdiff_t>(end), 0);
}

}  // namespace

template <class Sum>
template <class T>
void SectionTile<Sum>::fill(View<const T> placed, Index z, const Box& region) {
  constexpr bool wide = sizeof(T) == 2;
  const Box inside = region.intersect(placed.box());
  Plane& valid = valid_.front();
  num_valid_ = 0;
  for (Index y = region.begin.y; y < region.end.y; ++y) {
    const std::size_t row = at(y - region.begin.y, 0), end = row + static_cast<std::size_t>(stride_);
    const bool there = !inside.empty() && y >= inside.begin.y && y < inside.end.y;
    const std::size_t width = there ? static_cast<std::size_t>(inside.shape().x) : 0;
    const std::size_t to = there ? row + static_cast<std::size_t>(inside.begin.x - region.begin.x) : end;
    for (std::vector<Plane>* planes : {&values_, &valid_})
      for (Plane& plane : *planes) {
        clear_row(plane.values, row, to);
        clear_row(plane.values, to + width, end);
      }
    if (!there) continue;
    const T* const image = &placed.at(0, {z, y, inside.begin.x});
    const T* const mask = &placed.at(1, {z, y, inside.begin.x});
    std::int16_t* const in_use = &valid.values[to];
    std::int16_t* const high = &values_.front().values[to];
    int count = 0;
    for (std::size_t x = 0; x < width; ++x) {
      const std::int16_t one = mask[x] != 0 ? 1 : 0;
      in_use[x] = one;
      count += one;
    }
    num_valid_ += count;
    for (std::size_t x = 0; x < width; ++x) {
      const int v = image[x];
      high[x] = static_cast<std::int16_t>(((wide ? v >> 8 : v) - 128) & -in_use[x]);
    }
    if (wide) {
      std::int16_t* const low = &values_.back().values[to];
      for (std::size_t x = 0; x < width; ++x)
        low[x] = static_cast<std::int16_t>(((int{image[x]} & 255) - 128) & -in_use[x]);
    }
  }
}

template <class Sum>
void SectionTile<Sum>::read(const Array& placed, Index z, const Box& region) {
  squares_made_ = valid_paired_ = false;
  const Box wanted{{z, region.begin.y, region.begin.x}, {z + 1, region.end.y, region.end.x}};
  const Extent shape = wanted.shape();
  stride_ = shape.x + displacement_step;
  const auto size = static_cast<std::size_t>(shape.y * stride_);
  const bool wide = placed.dtype() == DType::u16;
  PETAVOX_ASSERT(!wide || sizeof(Sum) == sizeof(double));
  values_.resize(wide ? 2 : 1);
  valid_.resize(1);
  if (wide) values_.front().weight = 256;
  for (std::vector<Plane>* planes : {&values_, &valid_})
    for (Plane& plane : *planes) plane.values.resize(size);
  if (wide)
    fill(placed.view<std::uint16_t>(), z, wanted);
  else
    fill(placed.view<std::uint8_t>(), z, wanted);
  for (Plane& plane : values_) fill_pairs(plane, static_cast<std::size_t>(stride_));
  integrate(shape);
}

template <class Sum>
void SectionTile<Sum>::integrate(Extent shape) {
  const auto size = static_cast<std::size_t>((shape.y + 1) * stride_),
             width = static_cast<std::size_t>(stride_);
  full_ = num_valid_ == shape.y * shape.x;
  for (auto* sums : {&value_sums_, &square_sums_}) {
    sums->resize(size);
    clear_row(*sums, 0, width);
  }
  if (!full_) valid_sums_.assign(size, 0);
  for (Index y = 0; y < shape.y; ++y) {
    const std::int16_t* const a = &values_.front().values[at(y, 0)];
    const std::int16_t* const b = &values_.back().values[at(y, 0)];
    const auto into = [&](const auto& value) {
      integrate_row(&value_sums_[at(y, 0)], &square_sums_[at(y, 0)], shape.x, &value_sums_[at(y + 1, 0)],
                    &square_sums_[at(y + 1, 0)], value);
    };
    if (values_.size() > 1)
      into([&](Index x) { return 256 * a[x] + b[x]; });
    else
      into([&](Index x) { return int{a[x]}; });
    if (full_) continue;
    const std::int16_t* const in_use = &valid_.front().values[at(y, 0)];
    const Integral<Sum>* const above = &valid_sums_[at(y, 0)];
    Integral<Sum>* const here = &valid_sums_[at(y + 1, 0)];
    Integral<Sum> sum = 0;
    for (Index x = 0; x < shape.x; ++x) {
      sum += static_cast<Integral<Sum>>(in_use[x]);
      here[x + 1] = above[x + 1] + sum;
    }
  }
}

template <class Sum>
const std::vector<Plane>& SectionTile<Sum>::valid() {
  if (!valid_paired_) fill_pairs(valid_.front(), static_cast<std::size_t>(stride_));
  valid_paired_ = true;
  return valid_;
}

template <class Sum>
const std::vector<Plane>& SectionTile<Sum>::squares() {
  if (squares_made_) return squares_;
  squares_made_ = true;
  squares_.resize(values_.size() * (values_.size() + 1) / 2);
  // (sum of w p)^2: the square of each plane and twice the product of each two.
  auto square = squares_.begin();
  for (std::size_t i = 0; i < values_.size(); ++i)
    for (std::size_t j = i; j < values_.size(); ++j, ++square) {
      square->weight = (i == j ? 1 : 2) * values_[i].weight * values_[j].weight;
      square->values.resize(values_[i].values.size());
      for (std::size_t k = 0; k < square->values.size(); ++k)
        square->values[k] = static_cast<std::int16_t>(values_[i].values[k] * values_[j].values[k]);
      fill_pairs(*square, static_cast<std::size_t>(stride_));
    }
  return squares_;
}

template class SectionTile<std::int32_t>;
template class SectionTile<double>;

}  // namespace petavox::align
