#include "petavox/io/tile_list.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"
#include "petavox/io/tile_list_text.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace petavox {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_list_bytes = std::uint64_t{1} << 32;
constexpr std::int64_t max_tile_pixels = std::int64_t{1} << 28;
constexpr Index max_layers = 10'000'000,
                max_canvas = (Index{1} << 21) - 1;  // places are int32 in 1/1024 pixels

std::string text_of(const fs::path& file) {
  const File opened{detail::open_regular(file), file.string()};
  const std::uint64_t size = opened.size_bytes();
  if (size > max_list_bytes)
    throw Error{ErrorCode::config,
                file.string() + " is larger than 4 GiB (a tile list must fit in memory); split it"};
  std::string text(static_cast<std::size_t>(size), '\0');
  opened.read_exact_at(std::as_writable_bytes(std::span{text}), 0);
  return text;
}

/// Beneath the directory of the list, or empty.
fs::path placed(const fs::path& directory, const std::string& name) {
  const fs::path path{name};
  if (path.is_absolute() || name.find('\0') != std::string::npos) return {};
  for (const fs::path& part : path)
    if (part == "..") return {};
  return directory / path;
}

/// Completes a tile from the header of its file; the reason if it cannot be used.
std::string look_at(TileEntry& tile, const fs::path& directory) {
  tile.file = placed(directory, tile.name);
  if (tile.file.empty()) return "it lies outside the directory of the list";
  try {
    const auto headers = detail::read_image_headers(tile.file, max_tile_pixels);
    if (headers.size() != 1) return fmt::format("it holds {} images", headers.size());
    tile.height = headers.front().height;
    tile.width = headers.front().width;
    tile.bits = headers.front().bits;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::resource) throw;
    return error.what();
  }
  return "";
}

/// Numbers to layers: in ascending order, each as many layers as its number and thickness ask for.
void lay_sections(TileList& list) {
  std::map<std::int64_t, double> thickness;
  for (const TileEntry& tile : list.tiles) {
    double& most = thickness[tile.section];
    most = std::max(most, tile.thickness);
  }
  std::map<std::int64_t, Index> layer;
  Index next = 0;
  std::int64_t before = thickness.begin()->first - 1;
  for (const auto& [section, layers] : thickness) {
    const std::int64_t missing = section - before - 1;
    if (missing > 0)
      list.problems.push_back(missing == 1 ? fmt::format("section {} is missing and stays blank", before + 1)
                                           : fmt::format("sections {} to {} are missing and stay blank",
                                                         before + 1, section - 1));
    layer[section] = next += missing;
    next += std::max<Index>(1, static_cast<Index>(std::floor(layers + 0.5)));
    if (next > max_layers)
      throw Error{ErrorCode::config,
                  "the sections of the tile list span more than 10^7 layers (numbers are "
                  "layers, gaps included); number them consecutively"};
    before = section;
  }
  list.num_layers = next;
  for (TileEntry& tile : list.tiles) tile.z = layer[tile.section];
  std::ranges::stable_sort(list.tiles, [](const TileEntry& a, const TileEntry& b) { return a.z < b.z; });
}

void measure(TileList& list, Index margin) {
  std::map<Index, Index> in_layer;
  double y0 = list.tiles.front().y, x0 = list.tiles.front().x, y1 = y0, x1 = x0;
  for (const TileEntry& tile : list.tiles) {
    list.slots = std::max(list.slots, ++in_layer[tile.z]);
    list.height = std::max(list.height, tile.height);
    list.width = std::max(list.width, tile.width);
    list.bits = std::max(list.bits, tile.bits);
    y0 = std::min(y0, tile.y);
    x0 = std::min(x0, tile.x);
    y1 = std::max(y1, tile.y + static_cast<double>(tile.height));
    x1 = std::max(x1, tile.x + static_cast<double>(tile.width));
  }
  const auto grown = static_cast<double>(margin);
  list.origin_y = std::floor(y0) - grown;
  list.origin_x = std::floor(x0) - grown;
  const double height = std::ceil(y1) + grown - list.origin_y, width = std::ceil(x1) + grown - list.origin_x;
  if (height > static_cast<double>(max_canvas) || width > static_cast<double>(max_canvas))
    throw Error{ErrorCode::config,
                fmt::format("the tiles span {:.0f} x {:.0f} pixels (more than 2^21 are not one section: some "
                            "x or y are wrong); correct the list",
                            height, width)};
  list.canvas = {list.num_layers, static_cast<Index>(height), static_cast<Index>(width)};
}

}  // namespace

TileList read_tile_list(const fs::path& file) {
  const std::string text = text_of(file);
  const fs::path directory = file.parent_path();
  detail::TileListText parsed = file.extension() == ".json" ? detail::parse_tile_json(text, file.string())
                                                            : detail::parse_tile_csv(text, file.string());
  TileList list;
  list.problems = std::move(parsed.problems);
  list.voxel_size_nm = parsed.voxel_size_nm.value_or(VoxelSizeNm{1, 1, 1});
  std::set<std::pair<std::int64_t, std::string>> files;
  std::set<std::tuple<std::int64_t, double, double>> places;
  for (TileEntry& tile : parsed.tiles) {
    std::string wrong;
    if (!files.emplace(tile.section, tile.name).second) wrong = "it is listed twice";
    if (wrong.empty()) wrong = look_at(tile, directory);
    if (wrong.empty() && !places.emplace(tile.section, tile.y, tile.x).second)
      wrong = "another tile has the same place";
    if (wrong.empty())
      list.tiles.push_back(std::move(tile));
    else
      list.problems.push_back(
          fmt::format("tile {} of section {} is left out: {}", tile.name, tile.section, wrong));
  }
  if (list.tiles.empty()) {
    std::string all;
    for (std::size_t i = 0; i < std::min<std::size_t>(20, list.problems.size()); ++i)
      all += "\n  " + list.problems[i];
    throw Error{ErrorCode::config,
                file.string() + " has no usable tile (there is nothing to stitch); correct it" + all};
  }
  lay_sections(list);
  measure(list, parsed.margin);
  return list;
}

bool is_tile_list(const fs::path& file) { return file.extension() == ".csv" || file.extension() == ".json"; }

}  // namespace petavox
