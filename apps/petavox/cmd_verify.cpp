// petavox verify: the same configuration in other pieces, on other ranks, in another order, must give the
// same voxels; or a finished run, read back in full, must give the digests that it recorded.

#include "petavox/base/log.hpp"
#include "petavox/run/run.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/volume/digest.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/difference.hpp"
#include "apps/petavox/run_report.hpp"
#include "apps/petavox/scratch_dir.hpp"
#include "apps/petavox/setup.hpp"

#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* footer =
    "CONFIG is run once as it is, in one process, and again for each block shape and each number of ranks "
    "(as\n"
    "threads of this process), in another order each time; nothing is written to its own output directory.\n"
    "RUN is the directory of a finished run: every voxel of its final volumes is read and compared with the\n"
    "recorded digests; with --sample, only random boxes are read and checked against their checksums.\n"
    "Exit code 5 if anything differs; the first voxel that does is named.\n"
    "\n"
    "Examples:\n"
    "  petavox verify configs/phantom.yaml\n"
    "  petavox verify configs/phantom.yaml --shape 64,64,64 --shape 37,41,43 --ranks 1,3\n"
    "  petavox verify runs/phantom\n"
    "  petavox verify runs/phantom --sample 100";

struct Options {
  ConfigOptions config;
  std::vector<std::string> shapes{"64,64,64", "96,64,32", "37,41,43"};
  std::vector<int> ranks{1, 2, 3};
  std::string scratch;
  std::int64_t sample = 0;
  std::uint64_t seed = 1;
  bool json = false, keep_going = false;
};

struct Variant {
  Extent shape;
  int ranks = 1;
  std::uint64_t schedule_seed = 0;
};

std::string describe(const Variant& v) {
  return fmt::format("blocks {} ranks {} order {}", to_string(v.shape), v.ranks, v.schedule_seed);
}

Extent parse_shape(const std::string& text) {
  const std::optional<Box> box = [&]() -> std::optional<Box> {
    std::string ranges = "0:";
    for (const char c : text) ranges += c == ',' ? std::string{",0:"} : std::string(1, c);
    return parse_box(ranges);
  }();
  if (!box)
    throw Error{ErrorCode::config, "--shape '" + text +
                                       "' is not a block shape (three positive numbers are needed); "
                                       "write Z,Y,X"};
  return box->shape();
}

/// Every block shape with one number of ranks, and every number of ranks with one block shape at least.
std::vector<Variant> variants_of(const Options& options, Extent own) {
  std::vector<Variant> variants;
  std::uint64_t order = 1;
  std::vector<Extent> shapes;
  for (const std::string& text : options.shapes) shapes.push_back(parse_shape(text));
  if (shapes.empty()) shapes.push_back(own);
  const std::size_t count = std::max(shapes.size(), options.ranks.size());
  for (std::size_t i = 0; i < count; ++i)
    variants.push_back({shapes[i % shapes.size()], options.ranks[i % options.ranks.size()], order++});
  return variants;
}

RunReport run_once(const Pipeline& pipeline, int ranks, std::uint64_t schedule_seed) {
  RunOptions options;
  options.schedule_seed = schedule_seed;
  return ranks > 1 ? run_loopback(pipeline.plan(), pipeline.inputs(), ranks, options)
                   : run_serial(pipeline.plan(), pipeline.inputs(), options);
}

void require_complete(const RunReport& report, const std::string& what) {
  if (report.complete) return;
  log_failures(report);
  throw Error{report.exit_code == ExitCode::io ? ErrorCode::io : ErrorCode::stage,
              what + " did not finish (there is nothing to compare); see the errors above"};
}

/// Empty if the two runs agree.
std::vector<std::string> differences(const RunReport& expected, const RunReport& actual) {
  std::vector<std::string> found;
  for (const VolumeReport& volume : expected.volumes) {
    const auto other = std::find_if(actual.volumes.begin(), actual.volumes.end(),
                                    [&](const VolumeReport& v) { return v.name == volume.name; });
    if (other == actual.volumes.end())
      found.push_back(volume.name + " is missing");
    else if (other->digest != volume.digest)
      found.push_back(volume.name + ": " +
                      first_difference(*open_run_volume(expected.output_dir, volume.name),
                                       *open_run_volume(actual.output_dir, volume.name))
                          .value_or("digests differ although all voxels are equal (a bug in petavox)"));
  }
  for (const auto& [name, text] : expected.summaries) {
    const auto other = std::find_if(actual.summaries.begin(), actual.summaries.end(),
                                    [&](const auto& summary) { return summary.first == name; });
    if (other == actual.summaries.end() || other->second != text)
      found.push_back(name + ": the summary differs");
  }
  if (found.empty() && expected.digest != actual.digest) found.emplace_back("the combined digests differ");
  return found;
}

/// `base` with everything that this run may not share with others replaced.
RunConfig variant_config(const RunConfig& base, const Variant& variant, const std::filesystem::path& dir) {
  RunConfig config = base;
  config.block_shape = variant.shape;
  config.chunk_shape.reset();
  config.output_dir = dir;
  return config;
}

int verify_config(const Options& options) {
  StageRegistry registry;
  const RunConfig config = load_run_config(options.config, registry);
  for (const std::string& note : config.notes) log::info(note);
  const ScratchDir scratch{options.scratch};
  const std::vector<Variant> variants = variants_of(options, config.block_shape);

  const Variant first{config.block_shape, 1, 0};
  RunConfig first_config = config;
  first_config.output_dir = scratch.path() / "expected";
  const Pipeline oracle{first_config, registry};
  log::info("running " + describe(first));
  const RunReport expected = run_once(oracle, first.ranks, first.schedule_seed);
  require_complete(expected, describe(first));

  Json json;
  json["digest"] = to_hex(expected.digest);
  json["runs"] = Json::array();
  bool equal = true;
  for (const Variant& variant : variants) {
    const std::filesystem::path dir = scratch.path() / "actual";
    log::info("running " + describe(variant));
    const Pipeline pipeline{variant_config(config, variant, dir), registry};
    const RunReport actual = run_once(pipeline, variant.ranks, variant.schedule_seed);
    require_complete(actual, describe(variant));
    const std::vector<std::string> found = differences(expected, actual);
    json["runs"].push_back(
        {{"run", describe(variant)}, {"digest", to_hex(actual.digest)}, {"differences", found}});
    if (!options.json) {
      std::cout << fmt::format("{} {} {}\n", found.empty() ? "same  " : "DIFFER", to_hex(actual.digest),
                               describe(variant));
      for (const std::string& text : found) std::cout << "       " << text << "\n";
    }
    equal = equal && found.empty();
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
    if (!equal && !options.keep_going) break;
  }
  json["same"] = equal;
  if (options.json)
    std::cout << json.dump() << "\n";
  else
    std::cout << "digest " << to_hex(expected.digest) << "\n";
  return static_cast<int>(equal ? ExitCode::done : ExitCode::verify_differs);
}

/// The digest of what is stored, voxel by voxel.
Hash128 digest_of(const Volume& volume) {
  DigestSum sum;
  const Tiling tiling{volume.domain(), {64, 256, 256}};
  for (Index block = 0; block < tiling.count(); ++block)
    sum += digest_part(volume.read_box(tiling.core(block)));
  return finish_digest(sum, volume.dtype(), volume.channels(), volume.domain());
}

/// Reads `sample` random boxes, chunk by chunk checked against their checksums as all reads are.
void read_sample(const Volume& volume, const Options& options) {
  const Tiling tiling{volume.domain(), Extent::cube(64)};
  for (std::int64_t i = 0; i < options.sample; ++i) {
    const std::uint64_t random = mix64(options.seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(i));
    volume.read_box(tiling.core(static_cast<Index>(random % static_cast<std::uint64_t>(tiling.count()))));
  }
}

/// What is wrong with a stored volume; empty if nothing is.
std::string problem_of(const std::string& directory, const ManifestVolume& recorded, const Options& options) {
  try {
    const auto volume = open_run_volume(directory, recorded.name);
    if (options.sample > 0)
      read_sample(*volume, options);
    else if (digest_of(*volume) != recorded.digest)
      return "the digest differs";
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

int verify_run(const Options& options) {
  const std::string& directory = options.config.config;
  const OutputRoot root = OutputRoot::open(directory);
  if (!root.exists("manifest.json"))
    throw Error{ErrorCode::io,
                directory +
                    " has no manifest.json (the run is not finished, or failed); finish it with "
                    "`petavox run` first"};
  const Manifest manifest = read_manifest(root);
  Json json{{"digest", to_hex(manifest.digest)}, {"volumes", Json::array()}};
  bool equal = true;
  for (const ManifestVolume& volume : manifest.volumes) {
    const std::string problem = problem_of(directory, volume, options);
    equal = equal && problem.empty();
    json["volumes"].push_back(
        {{"name", volume.name}, {"digest", to_hex(volume.digest)}, {"problem", problem}});
    if (!options.json)
      std::cout << fmt::format("{} {} {}{}\n", problem.empty() ? "same  " : "DIFFER", to_hex(volume.digest),
                               volume.name, problem.empty() ? "" : ": " + problem);
  }
  json["same"] = equal;
  if (options.json)
    std::cout << json.dump() << "\n";
  else
    std::cout << "digest " << (equal ? to_hex(manifest.digest) : "incomplete") << "\n";
  return static_cast<int>(equal ? ExitCode::done : ExitCode::verify_differs);
}

}  // namespace

void add_verify_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "verify", "Check that results do not depend on blocks, ranks and order, or a finished run");
  sub->footer(footer);
  add_config_options(*sub, options->config, false);
  sub->get_option("config")->type_name("CONFIG|RUN");
  sub->add_option("--shape", options->shapes, "Block shape to try; may be repeated")
      ->type_name("Z,Y,X")
      ->allow_extra_args(false);
  sub->add_option("--ranks", options->ranks, "Numbers of ranks to try")
      ->type_name("N,N,…")
      ->delimiter(',')
      ->check(CLI::Range(1, 64));
  sub->add_option("--scratch", options->scratch, "Where the runs are kept while they are compared")
      ->type_name("DIR");
  sub->add_option("--sample", options->sample,
                  "Of a finished run, read only N random boxes of 64^3 of each volume")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  sub->add_option("--seed", options->seed, "Of the choice of boxes");
  sub->add_flag("--keep-going", options->keep_going, "Try all variants even if one differs");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] {
    command.config = &options->config;
    command.run = [options](const Session&) {
      return std::filesystem::is_directory(options->config.config) ? verify_run(*options)
                                                                   : verify_config(*options);
    };
  });
}

}  // namespace petavox::app
