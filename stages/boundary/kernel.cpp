#include "stages/boundary/kernel.hpp"

#include "stages/boundary/rows.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace petavox::boundary {
namespace {

/// Copies voxels [x_begin, x_begin + n) of row (z, y), repeated beyond the domain, in units of contrast.
using ReadRow = void (*)(const Array& image, Index z, Index y, Index x_begin, Index n, float mean, float gain,
                         float* out);

template <class T>
void read_row(const Array& image, Index z, Index y, Index x_begin, Index n, float mean, float gain,
              float* out) {
  const View<const T> view = image.view<T>();
  const Box& domain = view.domain();
  const T* const row = view.row(z, y).data() - view.box().begin.x;
  const Index first = std::clamp(domain.begin.x, x_begin, x_begin + n);
  const Index last = std::clamp(domain.end.x, x_begin, x_begin + n);
  const auto value = [&](Index x) { return (static_cast<float>(row[x]) - mean) * gain; };
  for (Index x = first; x < last; ++x) out[x - x_begin] = value(x);
  for (Index x = x_begin; x < first; ++x) out[x - x_begin] = value(domain.begin.x);
  for (Index x = last; x < x_begin + n; ++x) out[x - x_begin] = value(domain.end.x - 1);
  if constexpr (std::is_floating_point_v<T>) {
    float sum = 0;
    for (Index i = 0; i < n; ++i) sum += out[i] * 0.0F;
    if (sum == 0.0F) return;
    for (Index i = 0; i < n; ++i)
      if (!std::isfinite(out[i]))
        throw Error{
            ErrorCode::stage,
            "voxel " + to_string(domain.clamp({z, y, x_begin + i})) +
                " is not a finite number (no boundary can be computed from it); repair or mask the input"};
  }
}

/// A box of planes, smoothed plane by plane: what the z filter still needs is kept, nothing else.
class SmoothedPlanes {
 public:
  SmoothedPlanes(const Array& image, const std::array<Taps, 3>& taps, const Box& planes,
                 const Settings& settings)
      : image_{&image}, taps_{&taps}, area_{planes}, settings_{&settings} {
    read_row_ =
        visit_dtype(image.dtype(), []<class T>(std::type_identity<T>) -> ReadRow { return &read_row<T>; });
    const Index reach = taps[0].radius();
    const Index first = image.domain().clamp({area_.begin.z - reach, 0, 0}).z;
    const Index last = image.domain().clamp({area_.end.z - 1 + reach, 0, 0}).z;
    num_slots_ = std::min<Index>(2 * reach + 1, last - first + 1);
    ring_.resize(static_cast<std::size_t>(num_slots_ * plane_size()));
    holds_.assign(static_cast<std::size_t>(num_slots_), std::numeric_limits<Index>::min());
    const Index rows = area_.shape().y + 2 * taps[1].radius();
    along_x_.resize(static_cast<std::size_t>(rows * area_.shape().x));
    row_.resize(static_cast<std::size_t>(area_.shape().x + 2 * taps[2].radius()));
  }

  Index plane_size() const { return area_.shape().y * area_.shape().x; }

  /// Writes the smoothed plane z, rows of area().shape().x. Planes must be asked for in ascending order.
  void plane(Index z, float* out) {
    const Taps& taps = (*taps_)[0];
    const auto radius = static_cast<std::size_t>(taps.radius());
    std::vector<const float*> low(radius + 1), high(radius + 1);
    for (std::size_t t = 0; t <= radius; ++t) {
      low[t] = plane_along_yx(z - static_cast<Index>(t));
      high[t] = plane_along_yx(z + static_cast<Index>(t));
    }
    weighted_sum(taps.weights.data(), taps.radius(), low[0], low.data(), high.data(), out, plane_size());
  }

 private:
  /// Plane z of the domain, smoothed along y and x.
  const float* plane_along_yx(Index z_any) {
    const Index z = image_->domain().clamp({z_any, 0, 0}).z;
    const Index slot = ((z % num_slots_) + num_slots_) % num_slots_;
    float* const plane = ring_.data() + slot * plane_size();
    if (holds_[static_cast<std::size_t>(slot)] == z) return plane;
    holds_[static_cast<std::size_t>(slot)] = z;

    const Extent shape = area_.shape();
    const Taps& along_y = (*taps_)[1];
    const Taps& along_x = (*taps_)[2];
    const Index reach_y = along_y.radius(), reach_x = along_x.radius();
    const double sign = settings_->bright ? -1 : 1;
    const auto mean = static_cast<float>(settings_->mean);
    const auto gain = static_cast<float>(sign / settings_->contrast);

    std::vector<const float*> low(static_cast<std::size_t>(std::max(reach_y, reach_x)) + 1), high(low.size());
    for (Index t = 0; t <= reach_x; ++t) {
      low[static_cast<std::size_t>(t)] = row_.data() + reach_x - t;
      high[static_cast<std::size_t>(t)] = row_.data() + reach_x + t;
    }
    const Index num_rows = shape.y + 2 * reach_y;
    for (Index r = 0; r < num_rows; ++r) {
      float* const out = along_x_.data() + r * shape.x;
      const Index y = area_.begin.y - reach_y + r;
      const Index y_inside = image_->domain().clamp({z, y, 0}).y;
      if (y_inside != y && r > 0 && image_->domain().clamp({z, y - 1, 0}).y == y_inside) {
        std::copy_n(out - shape.x, shape.x, out);
        continue;
      }
      read_row_(*image_, z, y_inside, area_.begin.x - reach_x, shape.x + 2 * reach_x, mean, gain,
                row_.data());
      weighted_sum(along_x.weights.data(), along_x.radius(), row_.data() + reach_x, low.data(), high.data(),
                   out, shape.x);
    }
    for (Index r = 0; r < shape.y; ++r) {
      const float* const centre = along_x_.data() + (r + reach_y) * shape.x;
      for (Index t = 0; t <= reach_y; ++t) {
        low[static_cast<std::size_t>(t)] = centre - t * shape.x;
        high[static_cast<std::size_t>(t)] = centre + t * shape.x;
      }
      weighted_sum(along_y.weights.data(), along_y.radius(), centre, low.data(), high.data(),
                   plane + r * shape.x, shape.x);
    }
    return plane;
  }

  const Array* image_;
  const std::array<Taps, 3>* taps_;
  Box area_;
  const Settings* settings_;
  ReadRow read_row_ = nullptr;
  Index num_slots_ = 0;
  std::vector<float> ring_, along_x_, row_;
  std::vector<Index> holds_;
};

/// The three planes that a derivative needs.
class SlidingPlanes {
 public:
  explicit SlidingPlanes(SmoothedPlanes source) : source_{std::move(source)} {
    for (auto& plane : planes_) plane.resize(static_cast<std::size_t>(source_.plane_size()));
  }
  /// Makes z the middle plane; z must grow by one from call to call.
  void centre_on(Index z) {
    if (first_) {
      source_.plane(z - 1, planes_[0].data());
      source_.plane(z, planes_[1].data());
      first_ = false;
    } else {
      std::rotate(planes_.begin(), planes_.begin() + 1, planes_.end());
    }
    source_.plane(z + 1, planes_[2].data());
  }
  /// Nine rows round element `offset` of the middle plane.
  Neighbourhood rows(Index offset, Index width) const {
    Neighbourhood rows{};
    for (std::size_t z = 0; z < 3; ++z)
      for (std::size_t y = 0; y < 3; ++y)
        rows.row[z][y] = planes_[z].data() + offset + (static_cast<Index>(y) - 1) * width;
    return rows;
  }

 private:
  SmoothedPlanes source_;
  std::array<std::vector<float>, 3> planes_;
  bool first_ = true;
};

Calibration calibration_of(const Settings& settings) {
  return {static_cast<float>(settings.context_weight), static_cast<float>(settings.context_floor),
          static_cast<float>(settings.offset), static_cast<float>(1 / settings.softness)};
}

inline std::uint8_t mean_of(std::uint8_t a, std::uint8_t b) {
  return static_cast<std::uint8_t>((a + b + 1) / 2);
}

}  // namespace

Filters filters_of(const Settings& settings, const VoxelSizeNm& voxel_size_nm) {
  Filters filters;
  for (const double scale_nm : settings.scales_nm) {
    Filters::Scale scale;
    for (std::size_t k = 0; k < 3; ++k) {
      scale.taps[k] = gaussian_taps(scale_nm / voxel_size_nm[k]);
      scale.weight[k] = static_cast<float>(scale_nm / voxel_size_nm[k]);
    }
    filters.scales.push_back(scale);
  }
  for (std::size_t k = 0; k < 3; ++k)
    filters.context[k] = gaussian_taps(settings.context_nm / voxel_size_nm[k]);
  return filters;
}

Halo halo_of(const Filters& filters) {
  // The lower voxel of each pair is one below the core; derivatives look one voxel further.
  Extent reach;
  for (int k = 0; k < 3; ++k) {
    const auto axis = static_cast<std::size_t>(k);
    reach[k] = filters.context[axis].radius();
    for (const auto& scale : filters.scales)
      reach[k] = std::max<Index>(reach[k], scale.taps[axis].radius() + 1);
  }
  return {{reach.z + 1, reach.y + 1, reach.x + 1}, reach};
}

int num_planes(const Filters& filters) {
  int planes = 2 * filters.context[0].radius() + 1 + 2;
  for (const auto& scale : filters.scales) planes += 2 * scale.taps[0].radius() + 1 + 4;
  return planes;
}

void affinities_of(const Array& image, View<std::uint8_t> out, const Settings& settings,
                   const Filters& filters) {
  const Box core = out.box();
  const Box& domain = image.domain();
  // Interiors are needed at the core and one voxel below it, smoothed images one voxel round those.
  Box needed = core;
  needed.begin = core.begin - Extent::cube(1);
  const Box area = needed.grow(Halo::uniform(1));
  const Index width = area.shape().x;
  const Extent shape = needed.shape();
  const Index plane_size = shape.y * shape.x;

  std::vector<SlidingPlanes> scales;
  for (const auto& scale : filters.scales)
    scales.emplace_back(SmoothedPlanes{image, scale.taps, area, settings});
  SmoothedPlanes context{image, filters.context, needed, settings};

  const Calibration calibration = calibration_of(settings);
  std::vector<float> surround(static_cast<std::size_t>(plane_size)), ridge(static_cast<std::size_t>(shape.x));
  std::vector<std::uint8_t> interior(static_cast<std::size_t>(plane_size)), below(interior.size());
  for (Index z = needed.begin.z; z < needed.end.z; ++z) {
    std::swap(interior, below);
    for (auto& planes : scales) planes.centre_on(z);
    context.plane(z, surround.data());
    for (Index r = 0; r < shape.y; ++r) {
      std::fill(ridge.begin(), ridge.end(), -1e30F);
      for (std::size_t s = 0; s < scales.size(); ++s)
        add_ridge(scales[s].rows((r + 1) * width + 1, width), filters.scales[s].weight.data(),
                  static_cast<float>(settings.gradient_weight), ridge.data(), shape.x);
      interior_of(ridge.data(), surround.data() + r * shape.x, calibration, interior.data() + r * shape.x,
                  shape.x);
    }
    if (z < core.begin.z) continue;
    for (Index y = core.begin.y; y < core.end.y; ++y) {
      const std::uint8_t* const here = interior.data() + (y - needed.begin.y) * shape.x + 1;
      const std::uint8_t* const lower_z = below.data() + (here - interior.data());
      const std::uint8_t* const lower_y = here - shape.x;
      const Index n = core.shape().x;
      const auto row_z = out.row(z, y, 0), row_y = out.row(z, y, 1), row_x = out.row(z, y, 2);
      if (z > domain.begin.z)
        for (Index i = 0; i < n; ++i) row_z[static_cast<std::size_t>(i)] = mean_of(here[i], lower_z[i]);
      if (y > domain.begin.y)
        for (Index i = 0; i < n; ++i) row_y[static_cast<std::size_t>(i)] = mean_of(here[i], lower_y[i]);
      for (Index i = 0; i < n; ++i) row_x[static_cast<std::size_t>(i)] = mean_of(here[i], here[i - 1]);
      if (core.begin.x == domain.begin.x) row_x[0] = 0;
    }
  }
}

}  // namespace petavox::boundary
