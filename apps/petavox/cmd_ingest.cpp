// petavox ingest: looks at every tile of a list before anything is computed from it.

#include "petavox/io/output_root.hpp"
#include "petavox/io/tile_volumes.hpp"

#include "stages/tiles/quality.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/where.hpp"

#include <iterator>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;
using tiles::TileState;

constexpr const char* footer =
    "Decodes every tile of a list and prints what cannot be used: files that are missing, damaged, listed "
    "twice\n"
    "or outside the list's directory, blank tiles, tiles with the same pixels, sections that are missing. "
    "With\n"
    "--table, a line for each tile with the figures of the quality gate (see docs/alignment.md). Nothing is "
    "changed:\n"
    "a run finds the same by itself and leaves the same tiles out.\n"
    "\n"
    "Examples:\n"
    "  petavox ingest sections/tiles.csv\n"
    "  petavox ingest sections/tiles.csv --table quality.csv";

struct Options {
  std::string list, table;
  double min_deviation = 4, max_saturated = 0.3;
  bool json = false;
};

const char* name_of(TileState state) {
  switch (state) {
    case TileState::absent:
      return "absent";
    case TileState::good:
      return "good";
    case TileState::blank:
      return "blank";
    case TileState::duplicate:
      return "duplicate";
    case TileState::low_contrast:
      return "low_contrast";
    case TileState::saturated:
      return "saturated";
    case TileState::defocused:
      return "defocused";
  }
  return "unknown";
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  const auto parent = file.parent_path();
  OutputRoot::open(parent.empty() ? "." : parent.string())
      .atomically_replace(file.filename().string(), bytes_of(text));
}

int run(const Options& options) {
  const auto set = open_tile_set(options.list);
  const TileList& list = set->list();
  const auto pixels = TileSet::volume(set, "tiles");
  std::vector<std::string> problems = list.problems;
  std::string table = "file,section,z,state,mean,deviation,focus,saturated\n";
  std::map<std::string, std::size_t> counts;
  std::map<std::pair<Index, std::uint64_t>, std::string> seen;
  Index layer = -1, slot = 0;
  for (const TileEntry& tile : list.tiles) {
    slot = tile.z == layer ? slot + 1 : 0;
    layer = tile.z;
    const Index top = slot * list.height;
    const tiles::Quality q = tiles::quality_of(tile.height, tile.width, [&](Index y0, Index y1) {
      return pixels->read_box({{layer, top + y0, 0}, {layer + 1, top + y1, tile.width}});
    });
    TileState state = tiles::judged(q, options.min_deviation, options.max_saturated);
    if (tiles::usable(state)) {
      const auto [first, is_new] = seen.try_emplace({layer, q.hash}, tile.name);
      if (!is_new) {
        state = TileState::duplicate;
        problems.push_back(fmt::format("tile {} of section {} has the pixels of {}", tile.name, tile.section,
                                       first->second));
      }
    }
    if (state == TileState::blank)
      problems.push_back(fmt::format("tile {} of section {} is blank or damaged", tile.name, tile.section));
    ++counts[name_of(state)];
    fmt::format_to(std::back_inserter(table), "{},{},{},{},{:.3f},{:.3f},{:.5f},{:.5f}\n", tile.name,
                   tile.section, tile.z, name_of(state), q.mean, q.deviation, q.focus, q.saturated);
  }
  if (!options.table.empty()) write_text(options.table, table);
  if (options.json) {
    const Json json{{"tiles", list.tiles.size()},
                    {"layers", list.num_layers},
                    {"canvas", {list.canvas.z, list.canvas.y, list.canvas.x}},
                    {"states", counts},
                    {"problems", problems}};
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}: {} tiles of {} x {} pixels and {} bits in {} layers, at most {} in one; canvas {}\n",
             options.list, list.tiles.size(), list.height, list.width, list.bits, list.num_layers, list.slots,
             to_string(list.canvas));
  for (const auto& [state, count] : counts) fmt::print("  {:>8} {}\n", count, state);
  for (const std::string& problem : problems) fmt::print("{}\n", problem);
  return 0;
}

}  // namespace

void add_ingest_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("ingest", "Check a list of image tiles and their quality");
  sub->footer(footer);
  sub->add_option("list", options->list, "The list, CSV or JSON")->required()->type_name("TILES");
  sub->add_option("--table", options->table, "Write a line for each tile to this file")
      ->type_name("FILE.csv");
  sub->add_option("--min-deviation", options->min_deviation,
                  "Below this standard deviation a tile has low contrast")
      ->capture_default_str();
  sub->add_option("--max-saturated", options->max_saturated,
                  "Above this share of white pixels a tile is saturated")
      ->capture_default_str();
  sub->add_flag("--json", options->json, "Print one line of JSON instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
