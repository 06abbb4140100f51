#include "stages/align/section_tile.hpp"

#include "stages/align/cell_kernels.hpp"

#include <algorithm>

namespace petavox::align {
namespace {

void fill_pairs(Plane& plane) {
  const std::size_t n = plane.values.size();
  plane.pairs.resize(n);
  const auto half = [&](std::size_t i) { return static_cast<std::uint16_t>(plane.values[i]); };
  for (std::size_t i = 0; i + 1 < n; ++i)
    plane.pairs[i] =
        static_cast<std::int32_t>(std::uint32_t{half(i)} | static_cast<std::uint32_t>(half(i + 1)) << 16);
  plane.pairs[n - 1] = half(n - 1);
}

/// A row of an integral image: above[x] + the sum of value(0 .. x - 1).
template <class Value>
void integrate_row(const double* above, Index width, std::vector<std::int64_t>& line, double* here,
                   const Value& value) {
  std::int64_t sum = 0;
  line.resize(static_cast<std::size_t>(width));
  for (Index x = 0; x < width; ++x) line[static_cast<std::size_t>(x)] = sum += value(x);
  for (Index x = 0; x < width; ++x)
    here[x + 1] = above[x + 1] + static_cast<double>(line[static_cast<std::size_t>(x)]);
}

}  // namespace

template <class T>
void SectionTile::fill(View<const T> placed, Index z, const Box& region) {
  constexpr bool wide = sizeof(T) == 2;
  const Box inside = region.intersect(placed.box());
  Plane& valid = valid_.front();
  for (Index y = inside.begin.y; y < inside.end.y; ++y) {
    const T* const image = &placed.at(0, {z, y, inside.begin.x});
    const T* const mask = &placed.at(1, {z, y, inside.begin.x});
    const std::size_t to = at(y - region.begin.y, inside.begin.x - region.begin.x);
    const auto width = static_cast<std::size_t>(inside.shape().x);
    for (std::size_t x = 0; x < width; ++x) valid.values[to + x] = mask[x] != 0 ? 1 : 0;
    for (std::size_t x = 0; x < width; ++x) {
      const int v = image[x], in_use = mask[x] != 0 ? -1 : 0;
      values_.front().values[to + x] = static_cast<std::int16_t>(((wide ? v >> 8 : v) - 128) & in_use);
    }
    if (wide)
      for (std::size_t x = 0; x < width; ++x) {
        const int v = image[x], in_use = mask[x] != 0 ? -1 : 0;
        values_.back().values[to + x] = static_cast<std::int16_t>(((v & 255) - 128) & in_use);
      }
  }
}

void SectionTile::read(const Array& placed, Index z, const Box& region) {
  squares_made_ = valid_paired_ = false;
  const Box wanted{{z, region.begin.y, region.begin.x}, {z + 1, region.end.y, region.end.x}};
  const Extent shape = wanted.shape();
  stride_ = shape.x + displacement_step;
  const auto size = static_cast<std::size_t>(shape.y * stride_);
  const bool wide = placed.dtype() == DType::u16;
  values_.resize(wide ? 2 : 1);
  valid_.resize(1);
  if (wide) values_.front().weight = 256;
  for (std::vector<Plane>* planes : {&values_, &valid_})
    for (Plane& plane : *planes) plane.values.assign(size, 0);
  if (wide)
    fill(placed.view<std::uint16_t>(), z, wanted);
  else
    fill(placed.view<std::uint8_t>(), z, wanted);
  for (Plane& plane : values_) fill_pairs(plane);
  integrate(shape);
}

void SectionTile::integrate(Extent shape) {
  const auto size = static_cast<std::size_t>((shape.y + 1) * stride_);
  const auto at = [&](Index y) { return static_cast<std::size_t>(y * stride_); };
  value_sums_.assign(size, 0.0);
  square_sums_.assign(size, 0.0);
  const Plane& high = values_.front();
  const Plane* const low = values_.size() > 1 ? &values_.back() : nullptr;
  const std::vector<std::int16_t>& valid = valid_.front().values;
  Index num_valid = 0;
  for (const std::int16_t v : valid) num_valid += v;
  full_ = num_valid == shape.y * shape.x;
  if (!full_) valid_sums_.assign(size, 0.0);
  std::vector<std::int64_t> line;
  for (Index y = 0; y < shape.y; ++y) {
    const std::int16_t* const a = &high.values[at(y)];
    const std::int16_t* const b = low != nullptr ? &low->values[at(y)] : nullptr;
    const std::int16_t* const in_use = &valid[at(y)];
    const auto value = [&](Index x) { return b != nullptr ? 256 * a[x] + b[x] : int{a[x]}; };
    const auto square = [&](Index x) { return std::int64_t{value(x)} * value(x); };
    integrate_row(&value_sums_[at(y)], shape.x, line, &value_sums_[at(y + 1)], value);
    integrate_row(&square_sums_[at(y)], shape.x, line, &square_sums_[at(y + 1)], square);
    if (!full_)
      integrate_row(&valid_sums_[at(y)], shape.x, line, &valid_sums_[at(y + 1)],
                    [&](Index x) { return in_use[x]; });
  }
}

const std::vector<Plane>& SectionTile::valid() {
  if (!valid_paired_) fill_pairs(valid_.front());
  valid_paired_ = true;
  return valid_;
}

const std::vector<Plane>& SectionTile::squares() {
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
      fill_pairs(*square);
    }
  return squares_;
}

}  // namespace petavox::align
