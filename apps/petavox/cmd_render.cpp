// petavox render: sections of a volume as a picture, with labels on top.

#include "petavox/io/image_stack.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/picture.hpp"
#include "apps/petavox/where.hpp"

#include <cmath>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Grey values are stretched between their 0.5th and 99.5th percentile over the sections shown. Integer "
    "types of\n"
    "32 and 64 bits are taken for labels and coloured; a label has the same colour in every picture.\n"
    "\n"
    "Examples:\n"
    "  petavox render phantom/phantom.h5:/raw --at 64 --out raw.png\n"
    "  petavox render phantom/phantom.h5:/raw --overlay runs/phantom:segments --at 20,40,60 --out "
    "overlay.png\n"
    "  petavox render runs/phantom:segments --axis x --box 0:64,0:512,0:512 --scale 2 --out segments.png\n"
    "  petavox render big.h5:/raw --scale 1/8 --out small.png";

constexpr Index max_pixels = Index{1} << 28;

struct Options {
  std::string where, overlay, axis = "z", box, scale = "1", out;
  std::vector<Index> at;
  int channel = 0;
  Index columns = 0;
  double strength = 0.35, cut_percent = 0.5;
  bool isotropic = false;
};

/// "3" or "1/4".
double parse_scale(const std::string& text) {
  const auto bad = [&]() -> Error {
    return Error{
        ErrorCode::config,
        fmt::format("--scale {} is no scale (pictures grow by whole numbers or shrink by their inverses, "
                    "64 at most); write for example 2 or 1/4",
                    text)};
  };
  const std::string digits = text.starts_with("1/") ? text.substr(2) : text;
  if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != std::string::npos)
    throw bad();
  const int number = std::stoi(digits);
  if (number < 1 || number > 64) throw bad();
  return digits.size() == text.size() ? number : 1.0 / number;
}

Box box_of(const Options& options, const Volume& volume) {
  const Box domain = volume.domain();
  if (options.box.empty()) return domain;
  const auto box = parse_box(options.box);
  if (!box)
    throw Error{ErrorCode::config,
                fmt::format("--box {} is no box (begin must lie before end on each axis); write it as "
                            "z0:z1,y0:y1,x0:x1",
                            options.box)};
  if (!domain.contains(*box))
    throw Error{ErrorCode::config,
                fmt::format("--box {} is not inside the volume (it spans {}); choose a box in it",
                            to_string(*box), to_string(domain))};
  return *box;
}

bool holds_labels(const Volume& volume) {
  return DTypeSet{DType::u32, DType::u64, DType::i32, DType::i64}.contains(volume.dtype());
}

/// The sections that were asked for, checked. By default the middle one.
std::vector<Section> sections_of(const Options& options, const Volume& volume) {
  Section section;
  section.box = box_of(options, volume);
  section.axis = options.axis == "z" ? 0 : options.axis == "y" ? 1 : 2;
  section.channel = options.channel;
  const double scale = parse_scale(options.scale);
  section.zoom = {scale, scale};
  if (options.isotropic) {
    const VoxelSizeNm size = volume.voxel_size_nm();
    const double down = size[usize(section.row_axis())], across = size[usize(section.column_axis())];
    if (!(down > 0 && across > 0 && down / across < 64 && across / down < 64))
      throw Error{
          ErrorCode::config,
          fmt::format("--isotropic cannot use the voxel sizes {} and {} nm (they differ too much or are not "
                      "positive); leave it out",
                      down, across)};
    const double fine = std::min(down, across);
    section.zoom = {scale * down / fine, scale * across / fine};
  }
  if (options.channel < 0 || options.channel >= volume.channels())
    throw Error{ErrorCode::config,
                fmt::format("--channel {} is not in the volume (it has {}, counted from 0); choose "
                            "another",
                            options.channel, volume.channels())};
  std::vector<Index> at = options.at;
  if (at.empty()) at.push_back((section.box.begin[section.axis] + section.box.end[section.axis]) / 2);
  std::vector<Section> sections;
  for (const Index n : at) {
    if (n < section.box.begin[section.axis] || n >= section.box.end[section.axis])
      throw Error{ErrorCode::config,
                  fmt::format("section {} = {} is not in the box (it spans {}); choose another", options.axis,
                              n, to_string(section.box))};
    section.at = n;
    sections.push_back(section);
  }
  const double pixels = static_cast<double>(section.height()) * static_cast<double>(section.width()) *
                        static_cast<double>(sections.size());
  if (pixels > static_cast<double>(max_pixels))
    throw Error{ErrorCode::resource,
                fmt::format("the picture would have {:.0f} million pixels (256 million at most); "
                            "choose a smaller --box, fewer sections or --scale 1/8",
                            pixels / 1e6)};
  return sections;
}

std::vector<Picture> draw(const Volume& volume, const std::vector<Section>& sections,
                          const Options& options) {
  std::vector<Picture> pictures;
  if (holds_labels(volume)) {
    for (const Section& s : sections) pictures.push_back(label_picture(read_labels(volume, s), s));
    return pictures;
  }
  // One stretch for all, so that sections can be compared.
  std::vector<std::vector<double>> values;
  std::vector<double> all;
  for (const Section& s : sections) {
    values.push_back(read_values(volume, s));
    all.insert(all.end(), values.back().begin(), values.back().end());
  }
  const auto limits = stretch_limits(std::move(all), options.cut_percent);
  for (std::size_t i = 0; i < sections.size(); ++i)
    pictures.push_back(grey_picture(values[i], sections[i], limits));
  return pictures;
}

int run(const Options& options) {
  const auto volume = open_where(options.where);
  const std::vector<Section> sections = sections_of(options, *volume);
  std::vector<Picture> pictures = draw(*volume, sections, options);
  if (!options.overlay.empty()) {
    const auto labels = open_where(options.overlay);
    if (labels->dtype() == DType::f32)
      throw Error{ErrorCode::config,
                  fmt::format("{} holds float32 (an overlay is drawn from labels, which are "
                              "integers); name a volume of labels",
                              options.overlay)};
    if (!labels->domain().contains(sections.front().box))
      throw Error{
          ErrorCode::config,
          fmt::format("{} spans {} (the picture shows {}, which must lie inside); choose a --box in both",
                      options.overlay, to_string(labels->domain()), to_string(sections.front().box))};
    for (std::size_t i = 0; i < sections.size(); ++i) {
      Section section = sections[i];
      section.channel = 0;
      overlay_labels(pictures[i], read_labels(*labels, section), options.strength);
    }
  }
  const auto count = static_cast<Index>(pictures.size());
  const Index columns = options.columns > 0
                            ? options.columns
                            : static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(count))));
  const Picture picture = montage(pictures, columns);
  write_png(options.out, picture.height, picture.width, 3, picture.pixels);
  fmt::print("{} {}x{}\n", options.out, picture.height, picture.width);
  return 0;
}

}  // namespace

void add_render_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("render", "Draw sections of a volume as a PNG picture, with labels on top");
  sub->footer(footer);
  sub->add_option("where", options->where, where_help)->required()->type_name("WHERE");
  sub->add_option("--overlay", options->overlay, "Labels to colour the picture with")->type_name("WHERE");
  sub->add_option("--axis", options->axis, "The axis that sections are taken across")
      ->check(CLI::IsMember({"z", "y", "x"}))
      ->capture_default_str();
  sub->add_option("--at", options->at, "Sections to show, for example 10,50,90 (default: the middle one)")
      ->delimiter(',')
      ->type_name("N,…");
  sub->add_option("--box", options->box, "The part of the volume to show")->type_name("z0:z1,y0:y1,x0:x1");
  sub->add_option("--scale", options->scale, "Pixels for each voxel, or 1/N to show every Nth voxel")
      ->type_name("N|1/N")
      ->capture_default_str();
  sub->add_flag("--isotropic", options->isotropic, "Stretch the picture so that both axes have one scale");
  sub->add_option("--channel", options->channel, "The channel of the volume to show")->capture_default_str();
  sub->add_option("--columns", options->columns, "Sections side by side (default: about as many as rows)")
      ->check(CLI::PositiveNumber);
  sub->add_option("--strength", options->strength, "How strongly labels colour the picture")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  sub->add_option("--cut-percent", options->cut_percent,
                  "Share of the darkest and of the brightest pixels that is cut")
      ->check(CLI::Range(0.0, 49.0))
      ->capture_default_str();
  sub->add_option("--out", options->out, "The picture to write")->required()->type_name("FILE.png");
  sub->callback([options, &command] { command.run = [options](const Session&) { return run(*options); }; });
}

}  // namespace petavox::app
