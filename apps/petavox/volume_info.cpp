#include "apps/petavox/volume_info.hpp"

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/hdf5_volume.hpp"
#include "petavox/io/image_stack.hpp"

#include <array>
#include <cmath>
#include <unordered_set>

#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

Json extent_json(const Extent& e) { return {e.z, e.y, e.x}; }

/// Boxes of 32^3 voxels at regular places, or all of a small volume.
std::vector<Box> sample_boxes(const Box& domain, Index max_voxels) {
  const Tiling tiling{domain, Extent::cube(32)};
  const Index wanted = std::max<Index>(1, max_voxels / Extent::cube(32).voxels());
  std::vector<Box> boxes;
  // A stride that shares no factor with the grid's axes would be best; an odd one does well enough.
  const Index stride = tiling.count() <= wanted ? 1 : (tiling.count() / wanted) | 1;
  for (Index block = 0; block < tiling.count(); block += stride) boxes.push_back(tiling.core(block));
  return boxes;
}

bool looks_like_labels(DType type) {
  return type == DType::u32 || type == DType::u64 || type == DType::i32 || type == DType::i64;
}

struct Summary {
  double least = INFINITY, greatest = -INFINITY, sum = 0;
  std::uint64_t voxels = 0, zeros = 0, not_numbers = 0;
  std::unordered_set<std::uint64_t> labels;
  std::vector<double> values;  // of a subset, for the histogram

  void add(double value) {
    ++voxels;
    if (std::isnan(value)) {
      ++not_numbers;
      return;
    }
    zeros += value == 0 ? 1 : 0;
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    sum += value;
  }
};

Json histogram_of(const Summary& summary) {
  constexpr std::size_t classes = 16;
  std::array<std::uint64_t, classes> counts{};
  const double width = (summary.greatest - summary.least) / classes;
  for (const double value : summary.values) {
    const double at = width > 0 ? (value - summary.least) / width : 0;
    ++counts[std::min(classes - 1, static_cast<std::size_t>(std::max(0.0, at)))];
  }
  Json shares = Json::array();
  for (const std::uint64_t count : counts)
    shares.push_back(summary.values.empty()
                         ? 0.0
                         : static_cast<double>(count) / static_cast<double>(summary.values.size()));
  return shares;
}

}  // namespace

Json header_info(const Volume& volume) {
  Json json;
  const Box domain = volume.domain();
  json["shape"] = extent_json(domain.shape());
  if (domain.begin != Coord{}) json["box"] = to_string(domain);
  json["dtype"] = name_of(volume.dtype());
  json["channels"] = volume.channels();
  json["voxel_size_nm"] = volume.voxel_size_nm();
  json["bytes"] = static_cast<std::uint64_t>(domain.voxels()) *
                  static_cast<std::uint64_t>(volume.channels()) * size_of(volume.dtype());
  if (const auto* hdf5 = dynamic_cast<const Hdf5Volume*>(&volume)) {
    const Hdf5DatasetInfo& info = hdf5->info();
    json["file"] = info.file.string();
    json["dataset"] = info.dataset;
    json["stored_type"] = info.stored_type;
    json["layout"] = info.layout;
    json["chunk_shape"] = info.chunk_shape ? extent_json(*info.chunk_shape) : Json{};
    json["filters"] = info.filters;
    json["voxel_size_source"] = info.voxel_size_source;
    if (info.offset_nm) json["offset_nm"] = *info.offset_nm;
    json["notes"] = info.notes;
  } else if (const auto* stack = dynamic_cast<const ImageStackVolume*>(&volume)) {
    json["sections"] = stack->sections().size();
    json["notes"] = stack->notes();
  }
  return json;
}

Json sample_info(const Volume& volume, Index max_voxels) {
  if (volume.domain().empty()) return Json{{"voxels", 0}};
  Summary summary;
  const bool labels = looks_like_labels(volume.dtype());
  for (const Box& box : sample_boxes(volume.domain(), max_voxels)) {
    const Array array = volume.read_box(box);
    visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
      for (int c = 0; c < array.channels(); ++c)
        for (const T value : array.view<T>().channel(c)) {
          summary.add(static_cast<double>(value));
          if constexpr (std::is_integral_v<T>)
            if (labels) summary.labels.insert(static_cast<std::uint64_t>(value));
          // Every 16th voxel is enough for a histogram.
          if (!labels && summary.voxels % 16 == 1 && value == value)
            summary.values.push_back(static_cast<double>(value));
        }
    });
  }
  Json json;
  json["voxels"] = summary.voxels;
  json["min"] = summary.least;
  json["max"] = summary.greatest;
  if (labels) {
    json["labels"] = summary.labels.size() - summary.labels.count(0);
    json["background"] = static_cast<double>(summary.zeros) / static_cast<double>(summary.voxels);
  } else {
    const std::uint64_t numbers = summary.voxels - summary.not_numbers;
    json["mean"] = numbers > 0 ? summary.sum / static_cast<double>(numbers) : 0.0;
    json["histogram"] = histogram_of(summary);
  }
  if (summary.not_numbers > 0) json["nan"] = summary.not_numbers;
  return json;
}

}  // namespace petavox::app
