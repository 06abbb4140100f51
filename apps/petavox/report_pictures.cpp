#include "petavox/base/log.hpp"
#include "petavox/io/image_stack.hpp"
#include "petavox/run/run_directory.hpp"
#include "petavox/volume/memory_volume.hpp"

#include "apps/petavox/picture.hpp"
#include "apps/petavox/report_page.hpp"

#include <algorithm>

namespace petavox::app {
namespace {

constexpr Index max_edge = 512;
constexpr std::size_t max_pictures = 4;
constexpr const char* directory = "reports/pictures";

/// The middle section, at most max_edge voxels high and wide.
Section middle_of(const Box& domain) {
  Section section;
  section.box = domain;
  section.at = (domain.begin.z + domain.end.z) / 2;
  section.box.begin.z = section.at;
  section.box.end.z = section.at + 1;
  for (int axis = 1; axis < 3; ++axis) {
    const Index length = domain.end[axis] - domain.begin[axis];
    if (length <= max_edge) continue;
    section.box.begin[axis] = domain.begin[axis] + (length - max_edge) / 2;
    section.box.end[axis] = section.box.begin[axis] + max_edge;
  }
  return section;
}

Picture grey_of(const Volume& volume, const Section& section) {
  std::vector<double> values = read_values(volume, section);
  const auto limits = stretch_limits(values, 0.5);
  return grey_picture(values, section, limits);
}

Picture draw(const ManifestVolume& entry, const Volume& volume, const InputSet& inputs) {
  const Section section = middle_of(volume.domain());
  if (entry.kind != "labels") return grey_of(volume, section);
  const std::vector<std::uint64_t> labels = read_labels(volume, section);
  const InputInfo& input = inputs.infos().front();
  // Labels of another scale or place have no image under them.
  if (!input.domain.contains(section.box) || input.voxel_size_nm != volume.voxel_size_nm())
    return label_picture(labels, section);
  Picture picture = grey_of(MemoryVolume{inputs.read(0, section.box)}, section);
  overlay_labels(picture, labels, 0.35);
  return picture;
}

}  // namespace

void draw_report_pictures(const OutputRoot& root, const InputSet& inputs) {
  root.make_directories(directory);
  for (const std::string& name : root.list(directory)) root.remove(std::string{directory} + "/" + name);
  const Manifest manifest = read_manifest(root);
  std::size_t drawn = 0;
  for (const ManifestVolume& entry : manifest.volumes) {
    if (drawn == max_pictures) break;
    const Picture picture = draw(entry, *open_run_volume(root.path(), entry.name), inputs);
    write_png(root.path_of(std::string{directory} + "/" + entry.name + ".png"), picture.height, picture.width,
              3, picture.pixels);
    ++drawn;
  }
}

void write_report(const OutputRoot& root, const InputSet& inputs, bool complete) {
  try {
    if (complete) draw_report_pictures(root, inputs);
  } catch (const Error& error) {
    log::warning(std::string{error.what()} + " (report.html goes without pictures)");
  }
  try {
    const auto [page, comparison] = make_report(root);
    root.atomically_replace("report.html", bytes_of(page));
    log::info(comparison);
    log::info("report: " + root.path_of("report.html"));
  } catch (const Error& error) {
    log::warning(std::string{error.what()} + " (no report.html was written)");
  }
}

}  // namespace petavox::app
