#include "petavox/io/collective_export.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"
#include "petavox/io/hdf5_export.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/hdf5_petavox.hpp"
#include "petavox/io/shard_layout.hpp"

#include <algorithm>

namespace petavox {
namespace hdf5 {

ExportPlan plan_export(const Volume& source, const ExportTarget& target) {
  ExportPlan plan;
  plan.domain = source.domain();
  const Extent chunk =
      make_shard_layout(plan.domain, target.chunk_shape, target.chunk_shape, source.dtype()).chunk_shape;
  plan.layout = {target.dataset.starts_with('/') ? target.dataset : "/" + target.dataset,
                 source.dtype(),
                 source.channels(),
                 plan.domain.shape(),
                 chunk,
                 target.codec};
  const auto voxel = checked_mul(size_of(source.dtype()), static_cast<std::size_t>(source.channels()));
  plan.pieces = Tiling{plan.domain, piece_shape(chunk, plan.domain.shape(), voxel, target.buffer_bytes)};
  return plan;
}

void check_target(const ExportTarget& target) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(target.file, error);
  if (!std::filesystem::exists(status)) return;
  if (!target.overwrite || !std::filesystem::is_regular_file(status))
    throw Error{ErrorCode::io,
                target.file.string() +
                    " exists (it is not overwritten); remove it, name another file or ask to overwrite it"};
}

}  // namespace hdf5

namespace {

class SerialExporter final : public CollectiveExporter {
 public:
  ExportReport export_volume(const Volume& source, const ExportTarget& target) override {
    hdf5::check_target(target);
    const hdf5::ExportPlan plan = hdf5::plan_export(source, target);
    const hdf5::TemporaryFile temporary{hdf5::temporary_beside(target.file)};
    hdf5::ChunkedFile file{temporary.path().string(), plan.layout};
    {
      const hdf5::Lock lock;
      hdf5::write_public_attributes(file.dataset().id(), source.voxel_size_nm(), source.channels(),
                                    plan.domain.begin);
    }
    ExportReport report;
    Bytes raw(usize(plan.layout.chunk_shape.voxels()) * size_of(source.dtype()));
    for (Index i = 0; i < plan.pieces.count(); ++i) {
      const Array piece = source.read_box(plan.pieces.core(i));
      report.digest += digest_part(piece);
      store(piece, plan, raw, file);
    }
    file.close();
    report.file_bytes = std::filesystem::file_size(temporary.path());
    hdf5::publish_written(temporary.path(), target.file, target.overwrite);
    return report;
  }

 private:
  static void store(const Array& piece, const hdf5::ExportPlan& plan, Bytes& raw, hdf5::ChunkedFile& file) {
    const Tiling chunks{plan.domain, plan.layout.chunk_shape};
    for (int channel = 0; channel < piece.channels(); ++channel)
      chunks.touching(piece.box()).for_each([&](Coord position) {
        const Box core = chunks.core_of(position);
        std::fill(raw.begin(), raw.end(), std::byte{0});
        copy_to_chunk(piece, channel, core, raw, Box::from(core.begin, plan.layout.chunk_shape));
        file.put_chunk(channel, Coord{} + (core.begin - plan.domain.begin),
                       hdf5::encode_chunk(raw, plan.layout.codec, size_of(piece.dtype())));
      });
  }
};

}  // namespace

std::unique_ptr<CollectiveExporter> make_serial_exporter() { return std::make_unique<SerialExporter>(); }

}  // namespace petavox
