#include "stages/coarse_align/prepared.hpp"

#include "petavox/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace petavox::coarse_align {
namespace {

/// Means over factor x factor pixels that hold something; `inside` is their share.
Prepared reduced(const Section& section, const Box& content, Index factor) {
  const Extent shape = content.shape();
  Prepared p;
  p.factor = static_cast<double>(factor);
  p.y0 = static_cast<double>(content.begin.y);
  p.x0 = static_cast<double>(content.begin.x);
  p.image = Plane{ceil_div(shape.y, factor), ceil_div(shape.x, factor)};
  p.inside = Plane{p.image.height, p.image.width};
  const Index z = content.begin.z;
  for (Index y = 0; y < p.image.height; ++y)
    for (Index x = 0; x < p.image.width; ++x) {
      std::int64_t sum = 0, count = 0;
      const Index ye = std::min(content.end.y, content.begin.y + (y + 1) * factor);
      const Index xe = std::min(content.end.x, content.begin.x + (x + 1) * factor);
      for (Index py = content.begin.y + y * factor; py < ye; ++py)
        for (Index px = content.begin.x + x * factor; px < xe; ++px) {
          const std::uint8_t value = section.image[{z, py, px}];
          if (value == 0 || (section.mask && (*section.mask)[{z, py, px}] == 0)) continue;
          sum += value;
          ++count;
        }
      if (2 * count < factor * factor) continue;
      p.image.at(y, x) = static_cast<float>(sum) / static_cast<float>(count);
      p.inside.at(y, x) = 1;
    }
  return p;
}

/// Local mean 0 and standard deviation 1, over Gaussians that see only what is inside; 0 outside.
void even_out(Prepared& p) {
  const Index extent = std::max(p.image.height, p.image.width);
  const double sigma = std::clamp(static_cast<double>(extent) / 24, 10.0, 32.0);
  const std::size_t n = p.image.values.size();
  const Plane weight = smoothed(p.inside, sigma);
  Plane mean = smoothed(p.image, sigma);  // the image is 0 outside
  Plane square = p.image;
  for (std::size_t i = 0; i < n; ++i) {
    if (p.inside.values[i] > 0) p.image.values[i] -= mean.values[i] / weight.values[i];
    square.values[i] = p.image.values[i] * p.image.values[i];
  }
  const Plane variance = smoothed(square, sigma);
  double total = 0, count = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (p.inside.values[i] > 0) {
      total += static_cast<double>(square.values[i]);
      count += 1;
    }
  // Flat areas are not blown up to noise: at least a quarter of the typical deviation is assumed.
  const auto least = static_cast<float>(total / std::max(1.0, count)) / 16;
  for (std::size_t i = 0; i < n; ++i) {
    if (!(p.inside.values[i] > 0)) continue;
    const float v = std::max(variance.values[i] / weight.values[i], least);
    p.image.values[i] = v > 0 ? std::clamp(p.image.values[i] / std::sqrt(v), -3.0F, 3.0F) : 0.0F;
  }
  // Keypoints at the rim of the content describe its outline: they need content all round.
  p.inside = smoothed(p.inside, 3);
  for (float& v : p.inside.values) v = v > 0.97F ? 1.0F : 0.0F;
}

void add_smooth(Prepared& p) {
  p.smooth = smoothed(p.image, 1);
  p.smoother = smoothed(p.image, 2);
}

}  // namespace

void check(const Section& section) {
  const View<const std::uint8_t>& v = section.image;
  if (v.box().shape().z != 1 || v.channels() != 1 || (section.mask && section.mask->box() != v.box()))
    throw Error{ErrorCode::contract,
                "a section for the coarse alignment is not one plane of one channel with a mask of its box "
                "(a transform is found plane by plane); pass one section at a time"};
}

Affine into_planes(const Prepared& p) {
  Affine t;
  t.yy = t.xx = 1 / p.factor;
  t.y0 = (0.5 - p.y0) / p.factor - 0.5;
  t.x0 = (0.5 - p.x0) / p.factor - 0.5;
  return t;
}

Box content_of(const Section& section) {
  const Box all = section.image.box();
  Box content{{all.begin.z, all.end.y, all.end.x}, {all.end.z, all.begin.y, all.begin.x}};
  for (Index y = all.begin.y; y < all.end.y; ++y) {
    const auto row = section.image.row(all.begin.z, y);
    for (Index x = all.begin.x; x < all.end.x; ++x) {
      if (row[static_cast<std::size_t>(x - all.begin.x)] == 0) continue;
      if (section.mask && (*section.mask)[{all.begin.z, y, x}] == 0) continue;
      content.begin.y = std::min(content.begin.y, y);
      content.end.y = std::max(content.end.y, y + 1);
      content.begin.x = std::min(content.begin.x, x);
      content.end.x = std::max(content.end.x, x + 1);
    }
  }
  return content;
}

Prepared prepared(const Section& section, const Box& content, Index factor) {
  Prepared p = reduced(section, content, factor);
  even_out(p);
  add_smooth(p);
  return p;
}

Prepared mirrored(const Prepared& p) {
  Prepared out = p;
  for (Plane* plane : {&out.image, &out.inside})
    for (Index y = 0; y < plane->height; ++y) std::reverse(plane->row(y), plane->row(y) + plane->width);
  add_smooth(out);
  return out;
}

Affine as_given(const Prepared& fixed, const Prepared& moving) {
  return into_planes(fixed).after(into_planes(moving).inverse());
}

}  // namespace petavox::coarse_align
