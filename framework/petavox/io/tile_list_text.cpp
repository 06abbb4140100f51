#include "petavox/io/tile_list_text.hpp"

#include "petavox/base/error.hpp"

#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::detail {
namespace {

constexpr double far = 1e9;  // pixels from the origin
constexpr Index max_margin = 1 << 20;
constexpr double max_thickness = 1000;
constexpr std::int64_t max_section = std::int64_t{1} << 40;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Fields of a line; a field may stand in double quotes, in which two stand for one.
std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += c;
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& field : fields) field = std::string{trimmed(field)};
  return fields;
}

/// What is wrong with the numbers of a tile; empty if nothing.
std::string fault(const TileEntry& tile) {
  if (tile.name.empty()) return "its file is not named";
  if (std::abs(tile.section) > max_section) return "its section number is beyond 2^40";
  if (!(std::abs(tile.y) <= far && std::abs(tile.x) <= far)) return "its place is not within 10^9 pixels";
  if (!(tile.thickness > 0 && tile.thickness <= max_thickness)) return "its thickness is not in (0, 1000]";
  return "";
}

void keep(TileListText& list, TileEntry tile, const std::string& where) {
  if (list.tiles.size() >= max_tiles)
    throw Error{ErrorCode::config,
                where + " names more than 2^26 tiles (a list must fit in memory); split it"};
  if (const std::string wrong = fault(tile); !wrong.empty())
    list.problems.push_back(fmt::format("{}: {} is left out ({})", where, tile.name, wrong));
  else
    list.tiles.push_back(std::move(tile));
}

std::optional<VoxelSizeNm> voxel_size_of(const std::vector<double>& sizes) {
  if (sizes.size() != 3) return std::nullopt;
  for (const double size : sizes)
    if (!(size > 0 && size < 1e9)) return std::nullopt;
  return VoxelSizeNm{sizes[0], sizes[1], sizes[2]};
}

[[noreturn]] void bad_setting(const std::string& where, const std::string& key, const std::string& needs) {
  throw Error{ErrorCode::config,
              fmt::format("{}: {} is not usable (it is needed for the volume); write {}", where, key, needs)};
}

void set_voxel_size(TileListText& list, const std::vector<double>& sizes, const std::string& where) {
  list.voxel_size_nm = voxel_size_of(sizes);
  if (!list.voxel_size_nm) bad_setting(where, "voxel_size_nm", "three positive numbers: z, y, x");
}

void set_margin(TileListText& list, std::optional<Index> margin, const std::string& where) {
  if (!margin || *margin < 0 || *margin > max_margin)
    bad_setting(where, "margin", "a number of pixels from 0 to 2^20");
  list.margin = *margin;
}

void read_setting(TileListText& list, std::string_view line, const std::string& where) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;  // a comment
  const std::string_view key = trimmed(line.substr(0, colon));
  const std::string value{trimmed(line.substr(colon + 1))};
  if (key == "margin") set_margin(list, number<Index>(value), where);
  if (key == "voxel_size_nm") {
    std::vector<double> sizes;
    for (const std::string& field : fields_of(value)) sizes.push_back(number<double>(field).value_or(0));
    set_voxel_size(list, sizes, where);
  }
}

}  // namespace

TileListText parse_tile_csv(std::string_view text, const std::string& where) {
  TileListText list;
  std::map<std::string, std::size_t> columns;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    const std::string here = fmt::format("{}:{}", where, line_number);
    if (line.empty()) continue;
    if (line.front() == '#') {
      read_setting(list, line.substr(1), here);
      continue;
    }
    const std::vector<std::string> fields = fields_of(line);
    if (columns.empty()) {
      for (std::size_t i = 0; i < fields.size(); ++i) columns.emplace(fields[i], i);
      for (const char* name : {"file", "section", "x", "y"})
        if (!columns.contains(name))
          throw Error{ErrorCode::config,
                      fmt::format("{}: there is no column '{}' (a tile list starts with a line of names); "
                                  "write file,section,x,y and, if known, beam,thickness",
                                  here, name)};
      continue;
    }
    const auto field = [&](const std::string& name) -> std::string {
      const auto at = columns.find(name);
      return at != columns.end() && at->second < fields.size() ? fields[at->second] : "";
    };
    const auto section = number<std::int64_t>(field("section"));
    const auto x = number<double>(field("x")), y = number<double>(field("y"));
    if (!section || !x || !y) {
      list.problems.push_back(
          fmt::format("{}: the line is left out (section, x or y is not a number)", here));
      continue;
    }
    TileEntry tile;
    tile.name = field("file");
    tile.section = *section;
    tile.y = *y;
    tile.x = *x;
    tile.beam = number<std::int64_t>(field("beam")).value_or(-1);
    if (const std::string thickness = field("thickness"); !thickness.empty())
      tile.thickness = number<double>(thickness).value_or(0);
    keep(list, std::move(tile), here);
  }
  return list;
}

TileListText parse_tile_json(std::string_view text, const std::string& where) {
  using Json = nlohmann::json;
  TileListText list;
  const Json json = Json::parse(text, nullptr, false);
  const Json* tiles = json.is_object() && json.contains("tiles") ? &json["tiles"] : nullptr;
  if (json.is_discarded() || tiles == nullptr || !tiles->is_array())
    throw Error{ErrorCode::config,
                where + " is not a tile list (there is no array `tiles` in it); see docs/alignment.md"};
  if (json.contains("margin"))
    set_margin(
        list,
        json["margin"].is_number_integer() ? std::optional<Index>{json["margin"].get<Index>()} : std::nullopt,
        where);
  if (json.contains("voxel_size_nm")) {
    std::vector<double> sizes;
    for (const Json& size : json["voxel_size_nm"]) sizes.push_back(size.is_number() ? size.get<double>() : 0);
    set_voxel_size(list, sizes, where);
  }
  std::size_t index = 0;
  for (const Json& entry : *tiles) {
    const std::string here = fmt::format("{}: tile {}", where, index++);
    const auto is_number = [&](const char* key) { return entry.contains(key) && entry[key].is_number(); };
    if (!entry.is_object() || !entry.contains("file") || !entry["file"].is_string() || !is_number("x") ||
        !is_number("y") || !entry.contains("section") || !entry["section"].is_number_integer()) {
      list.problems.push_back(here + " is left out (file, section, x or y is missing or of another type)");
      continue;
    }
    TileEntry tile;
    tile.name = entry["file"].get<std::string>();
    tile.section = entry["section"].get<std::int64_t>();
    tile.y = entry["y"].get<double>();
    tile.x = entry["x"].get<double>();
    if (entry.contains("beam") && entry["beam"].is_number_integer())
      tile.beam = entry["beam"].get<std::int64_t>();
    if (entry.contains("thickness"))
      tile.thickness = is_number("thickness") ? entry["thickness"].get<double>() : 0;
    keep(list, std::move(tile), here);
  }
  return list;
}

}  // namespace petavox::detail
