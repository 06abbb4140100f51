#include "apps/petavox/phantom_tiles.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/io/hdf5_writer.hpp"
#include "petavox/io/image_stack.hpp"

#include "stages/coarse_align/kernel.hpp"
#include "stages/coarse_align/plane.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;
using coarse_align::Affine;
using coarse_align::Plane;

/// Numbers in [-1, 1) that depend on the seed and on what they are for.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_{seed} {}
  double operator()(Index a, Index b, Index what) const {
    const auto u = [](Index v) { return static_cast<std::uint64_t>(v); };
    const std::uint64_t r =
        mix64(seed_ ^ mix64(u(a) * 0x9e3779b97f4a7c15ULL + mix64(u(b) * 31 + mix64(u(what)))));
    return static_cast<double>(r >> 11) * 0x1p-52 - 1;
  }

 private:
  std::uint64_t seed_;
};

enum What {
  turn,
  scale,
  shift_y,
  shift_x,
  wave_angle,
  wave_phase,
  wave_size,
  light,
  jitter_y,
  jitter_x,
  gain,
  place
};

/// How a section is distorted: pixel p shows source(p) of the volume.
class Distortion {
 public:
  Distortion(const TileCutSpec& spec, const Dice& dice, Index z, Index height, Index width)
      : height_{static_cast<double>(height)}, width_{static_cast<double>(width)} {
    const auto d = coarse_align::direction_of(spec.rotation_deg * dice(z, 0, turn) * std::numbers::pi / 180);
    const double s = 1 + spec.scale_percent / 100 * dice(z, 0, scale);
    affine.yy = affine.xx = s * d.cosine;
    affine.yx = s * d.sine;
    affine.xy = -s * d.sine;
    affine.y0 = height_ / 2 * (1 - affine.yy) - width_ / 2 * affine.yx + spec.shift_px * dice(z, 0, shift_y);
    affine.x0 = width_ / 2 * (1 - affine.xx) - height_ / 2 * affine.xy + spec.shift_px * dice(z, 0, shift_x);
    for (Index wave = 0; wave < num_waves; ++wave) {
      const auto along = coarse_align::direction_of(std::numbers::pi * (1 + dice(z, wave, wave_angle)));
      // Two to three waves over the longer side.
      const double k =
          2 * std::numbers::pi * (1 + 0.5 * static_cast<double>(wave)) / std::max(height_, width_);
      waves_[static_cast<std::size_t>(wave)] = {
          k * along.cosine, k * along.sine, std::numbers::pi * (1 + dice(z, wave, wave_phase)),
          spec.elastic_px / num_waves * dice(z, 2 * wave, wave_size),
          spec.elastic_px / num_waves * dice(z, 2 * wave + 1, wave_size)};
    }
  }

  struct Place {
    double y = 0, x = 0;
    float shade = 1;  ///< 0: nothing is seen
  };
  Place source(double y, double x) const {
    Place place{affine.y(y, x), affine.x(y, x)};
    for (const Wave& w : waves_) {
      const double angle = w.ky * y + w.kx * x + w.phase;
      const double s = coarse_align::direction_of(angle - 2 * std::numbers::pi *
                                                              std::floor(angle / (2 * std::numbers::pi)))
                           .sine;
      place.y += w.y * s;
      place.x += w.x * s;
    }
    // A fold swallows tissue and is dark; a crack is empty, and its sides are apart.
    if (fold_px > 0 && x > fold_x) {
      place.x += fold_px;
      if (x < fold_x + fold_px / 2) place.shade = 0.35F;
    }
    if (crack_px > 0 && y > crack_y) {
      if (y < crack_y + crack_px) place.shade = 0;
      place.y -= crack_px;
    }
    return place;
  }

  Affine affine;
  double fold_x = 0, fold_px = 0, crack_y = 0, crack_px = 0;

 private:
  static constexpr Index num_waves = 3;
  struct Wave {
    double ky, kx, phase, y, x;
  };
  double height_, width_;
  std::array<Wave, num_waves> waves_{};
};

Plane layer_of(const Volume& source, Index z, Index layers) {
  const Box all = source.domain();
  Plane plane{all.shape().y, all.shape().x};
  for (Index k = z; k < std::min(all.end.z, z + layers); ++k) {
    const Array layer = source.read_box({{k, all.begin.y, all.begin.x}, {k + 1, all.end.y, all.end.x}});
    const auto values = layer.view<std::uint8_t>().channel();
    for (std::size_t i = 0; i < values.size(); ++i)
      plane.values[i] += static_cast<float>(values[i]) / static_cast<float>(layers);
  }
  return plane;
}

/// Nearly normal, standard deviation 1: a sum of four numbers of 16 bits.
float noise_at(std::uint64_t key) {
  const std::uint64_t r = mix64(key);
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>((r >> (16 * i)) & 0xffffU);
  return (sum / 65536.0F - 2.0F) * 1.7320508F;
}

struct Grid {
  Index rows = 1, columns = 1;
  double step_y = 0, step_x = 0;
  static Index count(Index extent, Index tile, Index overlap) {
    return extent <= tile ? 1 : 1 + ceil_div(extent - tile, std::max<Index>(1, tile - overlap));
  }
};

void write(const OutputRoot& root, const std::string& name, std::string_view text) {
  root.atomically_replace(name, bytes_of(text));
}

class Cutter {
 public:
  Cutter(const Volume& source, const TileCutSpec& spec, const OutputRoot& root)
      : source_{source}, spec_{spec}, root_{root}, dice_{spec.seed}, shape_{source.domain().shape()} {
    const auto wants = [&](const char* name) {
      return std::ranges::find(spec.damages, name) != spec.damages.end();
    };
    // Each damage has a section of its own where there are enough; the first and last stay whole.
    Index next = 1;
    for (const char* name : damage_names) {
      if (!wants(name)) continue;
      damaged_.emplace_back(name, std::min(std::max<Index>(0, shape_.z - 2), next));
      next += std::max<Index>(2, shape_.z / 7);
    }
    grid_.rows = Grid::count(shape_.y, spec.tile_y, spec.overlap_px);
    grid_.columns = Grid::count(shape_.x, spec.tile_x, spec.overlap_px);
    if (grid_.rows > 1)
      grid_.step_y = static_cast<double>(shape_.y - spec.tile_y) / static_cast<double>(grid_.rows - 1);
    if (grid_.columns > 1)
      grid_.step_x = static_cast<double>(shape_.x - spec.tile_x) / static_cast<double>(grid_.columns - 1);
  }

  std::string cut(bool overwrite) {
    std::string list = "file,section,x,y,thickness\n";
    const VoxelSizeNm size = source_.voxel_size_nm();
    list = fmt::format("# voxel_size_nm: {}, {}, {}\n", size[0], size[1], size[2]) + list;
    Json sections = Json::array(), tiles = Json::array();
    const Box lattice =
        Box::from({}, {shape_.z, ceil_div(shape_.y, truth_step), ceil_div(shape_.x, truth_step)});
    Array truth_y{DType::f32, lattice}, truth_x{DType::f32, lattice};
    for (Index z = 0; z < shape_.z; ++z) {
      Distortion distortion{spec_, dice_, z, shape_.y, shape_.x};
      if (at("fold", z)) {
        distortion.fold_x = static_cast<double>(shape_.x) * 0.55;
        distortion.fold_px = 12;
      }
      if (at("crack", z)) {
        distortion.crack_y = static_cast<double>(shape_.y) * 0.45;
        distortion.crack_px = 10;
      }
      lattice.for_each([&](Coord p) {
        if (p.z != z) return;
        const auto place =
            distortion.source(static_cast<double>(p.y * truth_step), static_cast<double>(p.x * truth_step));
        truth_y.view<float>()[p] = static_cast<float>(place.y);
        truth_x.view<float>()[p] = static_cast<float>(place.x);
      });
      const Index layers = at("thick", z) ? 2 : 1;
      const bool hidden = at("missing", z) || (z > 0 && at("thick", z - 1));
      const Affine& a = distortion.affine;
      Json damages = Json::array();
      for (const auto& [name, where] : damaged_)
        if (where == z) damages.push_back(name);
      sections.push_back({{"section", z},
                          {"affine_to_volume", {a.yy, a.yx, a.y0, a.xy, a.xx, a.x0}},
                          {"present", !hidden},
                          {"layers", layers},
                          {"damages", damages}});
      if (!hidden) cut_section(z, layers, distortion, list, tiles);
    }
    write_fields(truth_y, truth_x, overwrite);
    write(root_, "tiles.csv", list);
    const Json truth{
        {"volume_shape", {shape_.z, shape_.y, shape_.x}},
        {"seed", spec_.seed},
        {"affine", "yy yx y0 xy xx x0, without the elastic part: from pixels of the section to the volume"},
        {"fields", "truth.h5: the place in the volume shown by every 8th pixel of a section"},
        {"sections", sections},
        {"tiles", tiles}};
    const std::string text = truth.dump(1) + "\n";
    write(root_, "truth.json", text);
    return text;
  }

 private:
  bool at(const char* damage, Index z) const {
    return std::ranges::any_of(damaged_, [&](const auto& d) { return d.first == damage && d.second == z; });
  }

  void cut_section(Index z, Index layers, const Distortion& distortion, std::string& list,
                   Json& tiles) const {
    const Plane content = layer_of(source_, z, layers);
    const auto light_of_section = static_cast<float>(1 + spec_.gain_percent / 100 * dice_(z, 0, light));
    const auto lost =
        static_cast<Index>((1 + dice_(z, 0, place)) / 2 * static_cast<double>(grid_.rows * grid_.columns));
    for (Index tile = 0; tile < grid_.rows * grid_.columns; ++tile) {
      const double nominal_y = std::floor(static_cast<double>(tile / grid_.columns) * grid_.step_y);
      const double nominal_x = std::floor(static_cast<double>(tile % grid_.columns) * grid_.step_x);
      const double y = nominal_y + spec_.jitter_px * dice_(z, tile, jitter_y);
      const double x = nominal_x + spec_.jitter_px * dice_(z, tile, jitter_x);
      const std::string name = fmt::format("tiles/s{:04}_t{:03}.png", z, tile);
      const bool gone = tile == lost && at("lost", z), blank = tile == lost && at("blank", z);
      tiles.push_back({{"file", name}, {"section", z}, {"y", y}, {"x", x}, {"lost", gone}, {"blank", blank}});
      fmt::format_to(std::back_inserter(list), "{},{},{},{},{}\n", name, z, nominal_x, nominal_y, layers);
      if (gone) continue;
      std::vector<std::uint8_t> pixels(static_cast<std::size_t>(spec_.tile_y * spec_.tile_x), 0);
      if (!blank) expose(content, distortion, z, tile, y, x, light_of_section, pixels);
      write_png(root_.path_of(name), spec_.tile_y, spec_.tile_x, 1, pixels);
    }
  }

  void expose(const Plane& content, const Distortion& distortion, Index z, Index tile, double y0, double x0,
              float section_light, std::vector<std::uint8_t>& pixels) const {
    const auto tile_light =
        static_cast<float>(1 + spec_.gain_percent / 100 * dice_(z, tile, gain)) * section_light;
    const auto rim = static_cast<float>(spec_.gain_percent / 100);
    const auto h = static_cast<double>(spec_.tile_y), w = static_cast<double>(spec_.tile_x);
    const std::uint64_t key = mix64(spec_.seed ^ mix64(static_cast<std::uint64_t>(z * 100003 + tile)));
    for (Index py = 0; py < spec_.tile_y; ++py)
      for (Index px = 0; px < spec_.tile_x; ++px) {
        const auto qy = static_cast<double>(py), qx = static_cast<double>(px);
        const Distortion::Place place = distortion.source(y0 + qy, x0 + qx);
        if (!(place.y >= 0 && place.x >= 0 && place.y <= static_cast<double>(content.height - 1) &&
              place.x <= static_cast<double>(content.width - 1)) ||
            place.shade == 0)
          continue;
        const auto i = static_cast<std::size_t>(py * spec_.tile_x + px);
        const double ry = 2 * (qy + 0.5) / h - 1, rx = 2 * (qx + 0.5) / w - 1;
        const float vignette = 1 - rim * static_cast<float>((ry * ry + rx * rx) / 2);
        const float value =
            coarse_align::sample(content, place.y, place.x) * place.shade * tile_light * vignette +
            static_cast<float>(spec_.noise) * noise_at(key + i);
        pixels[i] = static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5F), 1.0F, 255.0F));
      }
  }

  void write_fields(const Array& y, const Array& x, bool overwrite) const {
    Hdf5Writer writer{root_.path_of("truth.h5")};
    Hdf5DatasetSpec dataset;
    dataset.dtype = DType::f32;
    dataset.shape = y.box().shape();
    dataset.codec = parse_hdf5_codec("gzip", 1, "byte");
    dataset.voxel_size_nm = source_.voxel_size_nm();
    for (const std::size_t axis : {1U, 2U}) dataset.voxel_size_nm[axis] *= static_cast<double>(truth_step);
    dataset.dataset = "/source_y";
    const int into_y = writer.add(dataset);
    dataset.dataset = "/source_x";
    const int into_x = writer.add(dataset);
    writer.write(into_y, y);
    writer.write(into_x, x);
    writer.publish(overwrite);
  }

  const Volume& source_;
  const TileCutSpec& spec_;
  const OutputRoot& root_;
  Dice dice_;
  Extent shape_;
  Grid grid_;
  std::vector<std::pair<std::string, Index>> damaged_;
};

}  // namespace

std::string write_tile_phantom(const Volume& source, const TileCutSpec& spec, const OutputRoot& root,
                               bool overwrite) {
  if (source.dtype() != DType::u8 || source.channels() != 1)
    throw Error{ErrorCode::config,
                fmt::format("a volume of {} x {} cannot be cut into tiles (they hold one uint8 a "
                            "pixel); choose a raw volume",
                            source.channels(), name_of(source.dtype()))};
  const Extent shape = source.domain().shape();
  if (shape.y < spec.tile_y || shape.x < spec.tile_x ||
      2 * spec.overlap_px > std::min(spec.tile_y, spec.tile_x))
    throw Error{
        ErrorCode::config,
        fmt::format(
            "tiles of {} x {} with an overlap of {} do not fit sections of {} x {} (a section has whole "
            "tiles, and an overlap is at most half a tile); choose smaller ones",
            spec.tile_y, spec.tile_x, spec.overlap_px, shape.y, shape.x)};
  root.make_directories("tiles");
  return Cutter{source, spec, root}.cut(overwrite);
}

}  // namespace petavox::app
