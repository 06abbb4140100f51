// petavox phantom: writes an EM-like volume with its complete truth.

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/hdf5_writer.hpp"
#include "petavox/io/output_root.hpp"
#include "petavox/volume/digest.hpp"

#include "stages/phantom/phantom.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/phantom_files.hpp"
#include "apps/petavox/phantom_tiles.hpp"
#include "apps/petavox/where.hpp"

#include <future>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* footer =
    "Writes phantom.h5 with the datasets raw (uint8), labels (uint64, 0 is extracellular) and types "
    "(uint8),\n"
    "synapses.csv, skeletons.swc (nanometres) and phantom.json, which says what each is. The same options "
    "give the\n"
    "same voxels on every machine. To run a pipeline on a phantom there is no need to write it: see "
    "input.phantom in\n"
    "configs/phantom.yaml.\n"
    "\n"
    "Examples:\n"
    "  petavox phantom --shape 128,256,256 --out phantom\n"
    "  petavox phantom --shape 60,1024,1024 --voxel-size-nm 40,4,4 --section-jitter-nm 30 --seed 7 --out "
    "stack\n"
    "\n"
    "With --tiles the volume, or another (--from), is cut into distorted, overlapping, noisy image tiles "
    "instead:\n"
    "tiles/*.png, tiles.csv with nominal places (what `input.tiles` of a configuration takes), and the "
    "truth, in\n"
    "truth.json and truth.h5 (see docs/alignment.md).\n"
    "\n"
    "Examples:\n"
    "  petavox phantom --tiles --shape 20,512,512 --voxel-size-nm 40,4,4 --out tiles\n"
    "  petavox phantom --tiles --from raw.h5:/raw --tile 128,128 --overlap-px 24 --damage fold,lost,missing "
    "--out tiles";

struct Options {
  std::vector<Index> shape;
  std::vector<double> voxel_size_nm{10, 10, 10};
  std::uint64_t seed = 1;
  double noise = 1, section_variation = 1, section_jitter_nm = 0;
  std::string out, codec = "gzip";
  int threads = 0;
  bool overwrite = false, json = false, tiles = false;
  std::string from;
  std::vector<Index> tile{256, 256};
  TileCutSpec cut;
};

constexpr Extent chunk{64, 64, 64};
constexpr Extent block_shape{64, 128, 256};

PhantomSpec spec_of(const Options& options) {
  if (options.shape.size() != 3)
    throw Error{ErrorCode::config,
                fmt::format("--shape has {} numbers (a volume has three axes); write it as Z,Y,X",
                            options.shape.size())};
  if (options.voxel_size_nm.size() != 1 && options.voxel_size_nm.size() != 3)
    throw Error{ErrorCode::config,
                "--voxel-size-nm needs one number or three (one for each axis); write it as Z,Y,X"};
  PhantomSpec spec;
  for (int a = 0; a < 3; ++a) {
    const auto n = usize(a);
    spec.shape[a] = options.shape[n];
    spec.voxel_size_nm[n] = options.voxel_size_nm[options.voxel_size_nm.size() == 3 ? n : 0];
  }
  spec.seed = options.seed;
  spec.noise = options.noise;
  spec.section_variation = options.section_variation;
  spec.section_jitter_nm = options.section_jitter_nm;
  return spec;
}

struct Digests {
  DigestSum raw, labels, types;
  void add(const PhantomBlock& block) {
    raw += digest_part(block.raw);
    labels += digest_part(block.labels);
    types += digest_part(block.types);
  }
};

/// Computes the blocks of the volume, several at a time, and hands them out in order.
template <class Use>
void for_each_block(const Phantom& phantom, int threads, Use&& use) {
  const Tiling blocks{phantom.domain(), block_shape};
  for (Index first = 0; first < blocks.count(); first += threads) {
    std::vector<std::future<PhantomBlock>> group;
    for (Index i = first; i < std::min(blocks.count(), first + threads); ++i)
      group.push_back(
          std::async(std::launch::async, [&phantom, box = blocks.core(i)] { return phantom.block(box); }));
    for (auto& block : group) use(block.get());
  }
}

Digests write_volumes(const Phantom& phantom, const Options& options, const std::string& file) {
  Hdf5Writer writer{file};
  const auto add = [&](const char* name, DType type) {
    Hdf5DatasetSpec dataset;
    dataset.dataset = name;
    dataset.dtype = type;
    dataset.shape = phantom.spec().shape;
    dataset.chunk_shape = chunk;
    dataset.codec = parse_hdf5_codec(options.codec, 1, options.codec == "none" ? "none" : "byte");
    dataset.voxel_size_nm = phantom.spec().voxel_size_nm;
    return writer.add(dataset);
  };
  const int raw = add("/raw", DType::u8), labels = add("/labels", DType::u64),
            types = add("/types", DType::u8);
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  Digests digests;
  for_each_block(phantom, threads, [&](const PhantomBlock& block) {
    digests.add(block);
    writer.write(raw, block.raw);
    writer.write(labels, block.labels);
    writer.write(types, block.types);
  });
  writer.publish(options.overwrite);
  return digests;
}

Json description(const Phantom& phantom, const Digests& digests, const TruthFiles& truth) {
  const PhantomSpec& spec = phantom.spec();
  const Box domain = phantom.domain();
  const auto volume = [&](const char* dataset, DType type, const DigestSum& sum) {
    return Json{{"file", "phantom.h5"},
                {"dataset", dataset},
                {"dtype", name_of(type)},
                {"digest", to_hex(finish_digest(sum, type, 1, domain))}};
  };
  Json types;
  for (int t = 0; t < num_phantom_types; ++t) types[name_of(static_cast<PhantomType>(t))] = t;
  return {{"made_by", std::string{"petavox "} + PETAVOX_VERSION},
          {"shape", {spec.shape.z, spec.shape.y, spec.shape.x}},
          {"axes", "z,y,x"},
          {"voxel_size_nm", spec.voxel_size_nm},
          {"seed", spec.seed},
          {"noise", spec.noise},
          {"section_variation", spec.section_variation},
          {"section_jitter_nm", spec.section_jitter_nm},
          {"volumes",
           {{"raw", volume("/raw", DType::u8, digests.raw)},
            {"labels", volume("/labels", DType::u64, digests.labels)},
            {"types", volume("/types", DType::u8, digests.types)}}},
          {"types", types},
          {"synapses", {{"file", "synapses.csv"}, {"count", truth.num_synapses}, {"positions", "voxels"}}},
          {"skeletons",
           {{"file", "skeletons.swc"},
            {"neurites", truth.num_neurites},
            {"nodes", truth.num_nodes},
            {"positions", "nanometres, x y z"}}}};
}

int run_tiles(const Options& options) {
  std::unique_ptr<Volume> source;
  if (options.from.empty())
    source = open_phantom(spec_of(options), "raw");
  else
    source = open_where(options.from);
  TileCutSpec cut = options.cut;
  cut.seed = options.seed;
  if (options.tile.size() != 2)
    throw Error{ErrorCode::config, "--tile needs two numbers (height and width); write it as Y,X"};
  cut.tile_y = options.tile[0];
  cut.tile_x = options.tile[1];
  const OutputRoot root = OutputRoot::create(options.out);
  for (const char* name : {"tiles.csv", "truth.json", "truth.h5"})
    if (!options.overwrite && root.exists(name))
      throw Error{ErrorCode::io,
                  fmt::format("{} exists (it is not overwritten); remove it, give another --out or add "
                              "--overwrite",
                              root.path_of(name))};
  const Json truth = Json::parse(write_tile_phantom(*source, cut, root, options.overwrite));
  if (options.json) {
    fmt::print("{}\n", truth.dump());
    return 0;
  }
  fmt::print("{}: {} tiles of {} sections\n", root.path_of("tiles.csv"), truth["tiles"].size(),
             truth["sections"].size());
  return 0;
}

int run(const Options& options) {
  if (options.tiles || !options.from.empty()) return run_tiles(options);
  const Phantom phantom{spec_of(options)};
  const OutputRoot root = OutputRoot::create(options.out);
  for (const char* name : {"phantom.h5", "synapses.csv", "skeletons.swc", "phantom.json"})
    if (!options.overwrite && root.exists(name))
      throw Error{ErrorCode::io,
                  fmt::format("{} exists (it is not overwritten); remove it, give another --out or add "
                              "--overwrite",
                              root.path_of(name))};
  // phantom.json comes last: where it is, everything is.
  root.remove("phantom.json");
  const Digests digests = write_volumes(phantom, options, root.path_of("phantom.h5"));
  const TruthFiles truth = write_truth(phantom, root);
  const Json json = description(phantom, digests, truth);
  const std::string text = json.dump(2) + "\n";
  root.atomically_replace("phantom.json", bytes_of(text));
  if (options.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}: {} voxels, {} neurites, {} synapses\n", root.path_of("phantom.h5"),
             to_string(phantom.spec().shape), truth.num_neurites, truth.num_synapses);
  for (const auto& [name, volume] : json["volumes"].items())
    fmt::print("digest {} {}\n", name, volume["digest"].get<std::string>());
  return 0;
}

}  // namespace

void add_phantom_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("phantom", "Write an EM-like volume with its complete truth");
  sub->footer(footer);
  CLI::Option* shape =
      sub->add_option("--shape", options->shape, "Size in voxels")->delimiter(',')->type_name("Z,Y,X");
  sub->add_option("--out", options->out, "Directory to write to; made if it is missing")
      ->required()
      ->type_name("DIR");
  sub->add_option("--seed", options->seed, "Another seed, another tissue")->capture_default_str();
  sub->add_option("--voxel-size-nm", options->voxel_size_nm, "Size of a voxel, 2 to 64 (default: 10,10,10)")
      ->delimiter(',')
      ->type_name("Z,Y,X");
  sub->add_option("--noise", options->noise, "Strength of the image noise, 0 to 4")->capture_default_str();
  sub->add_option("--section-variation", options->section_variation,
                  "Strength of the change of brightness and contrast along z, 0 to 4")
      ->capture_default_str();
  sub->add_option("--section-jitter-nm", options->section_jitter_nm,
                  "Largest random shift of a section, 0 to 1000")
      ->capture_default_str();
  sub->add_option("--codec", options->codec, "Compression of phantom.h5")
      ->check(CLI::IsMember({"gzip", "zstd", "lz4", "none"}))
      ->capture_default_str();
  sub->add_option("--threads", options->threads, "Blocks computed at once (default: one for each core)")
      ->check(CLI::Range(1, 1024));
  sub->add_flag("--tiles", options->tiles, "Write distorted, overlapping image tiles and their truth");
  sub->add_option("--from", options->from, "Cut this volume instead of a phantom; implies --tiles")
      ->excludes(shape)
      ->type_name("WHERE");
  sub->add_option("--tile", options->tile, "Size of a tile in pixels (default: 256,256)")
      ->delimiter(',')
      ->type_name("Y,X");
  TileCutSpec& cut = options->cut;
  const auto amount = [&](const char* name, double& value, const char* what, double most) {
    sub->add_option(name, value, what)->check(CLI::Range(0.0, most))->capture_default_str();
  };
  sub->add_option("--overlap-px", cut.overlap_px, "Least overlap of neighbouring tiles")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  amount("--tile-jitter-px", cut.jitter_px, "Largest error of a tile's nominal place", 1000);
  amount("--rotation-deg", cut.rotation_deg, "Largest turn of a section", 180);
  amount("--shift-px", cut.shift_px, "Largest shift of a section", 1e4);
  amount("--scale-percent", cut.scale_percent, "Largest change of a section's scale", 50);
  amount("--elastic-px", cut.elastic_px, "Largest smooth displacement within a section", 1000);
  amount("--tile-noise", cut.noise, "Standard deviation of the noise of a pixel, grey levels", 128);
  amount("--gain-percent", cut.gain_percent, "Change of brightness between tiles and towards their rims", 90);
  sub->add_option("--damage", cut.damages, "Any of fold, crack, missing, thick, lost, blank: one each")
      ->delimiter(',')
      ->check(CLI::IsMember({"fold", "crack", "missing", "thick", "lost", "blank"}));
  sub->add_flag("--overwrite", options->overwrite, "Replace the files of another phantom");
  sub->add_flag("--json", options->json, "Print phantom.json on one line instead of text");
  sub->callback([options, shape, &command] {
    if (options->from.empty() && shape->count() == 0) throw CLI::RequiredError("--shape");
    command.run = [options](const Session&) { return run(*options); };
  });
}

}  // namespace petavox::app
