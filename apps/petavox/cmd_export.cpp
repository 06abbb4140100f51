// petavox export: one HDF5 file from a volume, by all ranks at once under mpirun.

#include "petavox/base/log.hpp"
#include "petavox/comm/communicator.hpp"
#include "petavox/export/mpi_exporter.hpp"
#include "petavox/io/image_stack.hpp"

#include "apps/petavox/command.hpp"
#include "apps/petavox/where.hpp"

#include <iostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace petavox::app {
namespace {

constexpr const char* footer =
    "Under mpirun all ranks write the same file through MPI-IO. With --codec gzip every HDF5 program reads "
    "the\n"
    "result; the blosc codecs are faster, and h5py needs the blosc plugin (or `import tables`) for them.\n"
    "\n"
    "Examples:\n"
    "  petavox export runs/phantom:segments --to segments.h5:/labels\n"
    "  mpirun -n 4 petavox export runs/fib25:segments --to all.h5:/labels --codec gzip --overwrite\n"
    "  petavox export runs/phantom:affinities --to sections/ --box 0:1,0:64,0:64";

struct Options {
  std::string where, to, codec = "zstd", shuffle = "none", box;
  int level = 1;
  std::vector<Index> chunk{64, 64, 64};
  bool overwrite = false, json = false;
};

/// Shows a box of another volume.
class Cutout final : public Volume {
 public:
  Cutout(const Volume& source, const Box& box) : source_{source}, box_{box} {}
  Box domain() const override { return box_; }
  DType dtype() const override { return source_.dtype(); }
  int channels() const override { return source_.channels(); }
  VoxelSizeNm voxel_size_nm() const override { return source_.voxel_size_nm(); }
  void read(Array& into) const override { source_.read(into); }

 private:
  const Volume& source_;
  Box box_;
};

Box box_of(const Options& options, const Volume& volume) {
  if (options.box.empty()) return volume.domain();
  const std::optional<Box> box = parse_box(options.box);
  if (!box || !volume.domain().contains(*box))
    throw Error{ErrorCode::config,
                fmt::format("--box '{}' is not a box inside the volume {} (there is nothing to write "
                            "outside); write z0:z1,y0:y1,x0:x1",
                            options.box, to_string(volume.domain()))};
  return *box;
}

int export_images(const Options& options, const Volume& volume, const Session& session) {
  if (session.communicator != nullptr && session.communicator->rank() != 0) return 0;
  std::filesystem::create_directories(options.to);
  write_image_stack(volume, box_of(options, volume), options.to);
  return 0;
}

int run(const Options& options, const Session& session) {
  const auto volume = open_where(options.where);
  const auto [file, dataset] = split_dataset(options.to);
  if (dataset.empty() && options.to.ends_with('/')) return export_images(options, *volume, session);
  if (dataset.empty())
    throw Error{ErrorCode::config,
                fmt::format("--to '{0}' names no dataset (a file can hold several); write {0}:/data, or "
                            "{0}/ for PNG sections",
                            options.to)};
  const Cutout source{*volume, box_of(options, *volume)};
  ExportTarget target;
  target.file = file;
  target.dataset = dataset;
  target.chunk_shape = {options.chunk[0], options.chunk[1], options.chunk[2]};
  target.codec = parse_hdf5_codec(options.codec, options.level, options.shuffle);
  target.overwrite = options.overwrite;
  const auto exporter = session.communicator != nullptr ? make_mpi_exporter() : make_serial_exporter();
  const ExportReport report = exporter->export_volume(source, target);
  if (session.communicator != nullptr && session.communicator->rank() != 0) return 0;
  const std::string digest =
      to_hex(finish_digest(report.digest, source.dtype(), source.channels(), source.domain()));
  if (options.json)
    std::cout << nlohmann::ordered_json{{"file", file},
                                        {"dataset", dataset},
                                        {"bytes", report.file_bytes},
                                        {"digest", digest}}
                     .dump()
              << "\n";
  else
    std::cout << fmt::format("wrote {}:{} ({} bytes)\ndigest {}\n", file, dataset, report.file_bytes, digest);
  return 0;
}

}  // namespace

void add_export_command(CLI::App& app, Command& command) {
  const auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("export", "Write a volume into one HDF5 file, or as PNG sections");
  sub->footer(footer);
  sub->add_option("where", options->where, where_help)->required()->type_name("WHERE");
  sub->add_option("--to", options->to, "file.h5:/dataset, or a directory/ for PNG sections")
      ->required()
      ->type_name("TO");
  sub->add_option("--codec", options->codec, "none, gzip, blosclz, lz4, lz4hc, zlib or zstd");
  sub->add_option("--level", options->level, "0 (fast) to 9 (small)")->check(CLI::Range(0, 9));
  sub->add_option("--shuffle", options->shuffle, "none, byte or bit");
  sub->add_option("--chunk", options->chunk, "Voxels of a chunk")
      ->type_name("Z,Y,X")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(1, 4096));
  sub->add_option("--box", options->box, "Only these voxels")->type_name("z0:z1,y0:y1,x0:x1");
  sub->add_flag("--overwrite", options->overwrite, "Replace an existing file");
  sub->add_flag("--json", options->json, "Print one JSON object instead of text");
  sub->callback([options, &command] {
    command.run = [options](const Session& session) { return run(*options, session); };
    command.collective = true;
  });
}

}  // namespace petavox::app
