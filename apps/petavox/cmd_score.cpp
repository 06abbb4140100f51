// petavox score: how well labels agree with a truth, from exact counts.

#include "petavox/geometry/tiling.hpp"

#include "stages/score/contingency.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/where.hpp"

#include <charconv>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "VOI in bits (split: H(labels | truth), merge: H(truth | labels)); lower is better, but for rand_split "
    "and\n"
    "rand_merge, where 1 is best. Voxels whose truth is 0 do not count unless --ignore-truth none is given.\n"
    "\n"
    "Examples:\n"
    "  petavox score --labels runs/phantom:segments --truth truth.h5:/labels\n"
    "  petavox score --labels a.h5:/seg --truth b.h5:/neurons --box 190:250,0:250,0:250 --json";

struct Options {
  std::string labels, truth, ignore_mask, box, mode = "3d";
  std::vector<std::string> ignored{"0"};
  bool json = false;
};

score::Counting counting_of(const Options& options) {
  score::Counting counting;
  counting.sections = options.mode == "2d";
  counting.ignored_truths.clear();
  for (const std::string& text : options.ignored) {
    if (text == "none") continue;
    std::int64_t value = 0;
    std::uint64_t large = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, value).ptr == end && !text.empty())
      counting.ignored_truths.push_back(static_cast<std::uint64_t>(value));
    else if (std::from_chars(text.data(), end, large).ptr == end && !text.empty())
      counting.ignored_truths.push_back(large);
    else
      throw Error{ErrorCode::config, "--ignore-truth '" + text +
                                         "' is not a label (labels are whole numbers); write "
                                         "numbers or none"};
  }
  std::sort(counting.ignored_truths.begin(), counting.ignored_truths.end());
  return counting;
}

Box box_of(const Options& options, const Volume& labels, const Volume& truth) {
  const Box common = labels.domain().intersect(truth.domain());
  if (options.box.empty()) {
    if (labels.domain() != truth.domain())
      throw Error{ErrorCode::config,
                  fmt::format("the labels cover {} and the truth {} (it is not clear which voxels to "
                              "compare); choose with --box, for example --box {}",
                              to_string(labels.domain()), to_string(truth.domain()),
                              common.empty() ? "z0:z1,y0:y1,x0:x1" : to_string(common))};
    return common;
  }
  const std::optional<Box> box = parse_box(options.box);
  if (!box)
    throw Error{ErrorCode::config, "--box '" + options.box +
                                       "' is not a box (three ranges with end > begin are "
                                       "needed); write z0:z1,y0:y1,x0:x1"};
  if (!common.contains(*box))
    throw Error{ErrorCode::config,
                fmt::format("--box {} is not inside both volumes, which share {} (there are no voxels "
                            "to compare outside); choose a box inside",
                            options.box, to_string(common))};
  return *box;
}

void check_integers(const Volume& volume, const char* what) {
  if (volume.dtype() == DType::f32 || volume.channels() != 1)
    throw Error{ErrorCode::config,
                fmt::format("the {} has type {} and {} channels (labels are whole numbers, one a "
                            "voxel); name another dataset",
                            what, name_of(volume.dtype()), volume.channels())};
}

std::string text_of(const score::Scores& s) {
  std::string out;
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, double>>{{"voi_split", s.voi_split},
                                                             {"voi_merge", s.voi_merge},
                                                             {"adapted_rand_error", s.adapted_rand_error},
                                                             {"rand_split", s.rand_split},
                                                             {"rand_merge", s.rand_merge},
                                                             {"cremi_score", s.cremi_score},
                                                             {"v_rand", s.v_rand},
                                                             {"v_info", s.v_info}})
    out += fmt::format("{} {:.6f}\n", key, value);
  return out +
         fmt::format("scored_voxels {}\nlabels {}\ntruths {}\n", s.scored_voxels, s.num_labels, s.num_truths);
}

int run(const Options& options) {
  const auto labels = open_where(options.labels);
  const auto truth = open_where(options.truth);
  const auto mask = options.ignore_mask.empty() ? nullptr : open_where(options.ignore_mask);
  check_integers(*labels, "label volume");
  check_integers(*truth, "truth");
  const Box box = box_of(options, *labels, *truth);
  if (mask && !mask->domain().contains(box))
    throw Error{ErrorCode::config,
                fmt::format("the mask covers {}, not all of {} (voxels without a mask would be neither "
                            "in nor out); use a mask of the volume's shape",
                            to_string(mask->domain()), to_string(box))};
  score::ScoreAccumulator accumulator{counting_of(options)};
  const Tiling tiling{box, {64, 256, 256}};
  for (Index block = 0; block < tiling.count(); ++block) {
    const Box core = tiling.core(block);
    const std::optional<Array> ignore = mask ? std::optional{mask->read_box(core)} : std::nullopt;
    accumulator.add(labels->read_box(core), truth->read_box(core), ignore ? &*ignore : nullptr);
  }
  const score::Scores scores = accumulator.scores();
  std::cout << (options.json ? to_json(scores) + "\n" : text_of(scores));
  return 0;
}

}  // namespace

void add_score_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("score", "Compare labels with a truth");
  sub->footer(footer);
  sub->add_option("--labels", options->labels, where_help)->required()->type_name("WHERE");
  sub->add_option("--truth", options->truth, where_help)->required()->type_name("WHERE");
  sub->add_option("--box", options->box, "Only these voxels")->type_name("z0:z1,y0:y1,x0:x1");
  sub->add_option("--ignore-truth", options->ignored, "Truth labels whose voxels do not count, or none")
      ->type_name("LABEL")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub->add_option("--ignore-mask", options->ignore_mask, "Voxels that are not 0 here do not count")
      ->type_name("WHERE");
  sub->add_option("--mode", options->mode, "2d: the same label in two sections is two objects")
      ->check(CLI::IsMember({"2d", "3d"}));
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
