#include "petavox/export/mpi_exporter.hpp"

#include "petavox/base/bytes.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/export/agreement.hpp"
#include "petavox/io/hdf5_dataset.hpp"
#include "petavox/io/hdf5_export.hpp"
#include "petavox/io/hdf5_petavox.hpp"

#include <array>

namespace petavox {
namespace {

using detail::ExportComm;
using hdf5::Handle;

constexpr const char* check_disk = "check the directory, its permissions and the space left";
constexpr const char* report_bug = "this is a bug or memory is short; please report it";

// Everything that must be the same on all ranks.
std::uint64_t fingerprint(const Volume& source, const ExportTarget& target) {
  ByteWriter out;
  for (int axis = 0; axis < 3; ++axis) {
    out.put(source.domain().begin[axis]);
    out.put(source.domain().end[axis]);
    out.put(target.chunk_shape[axis]);
  }
  out.put(static_cast<std::uint64_t>(source.dtype()));
  out.put(static_cast<std::int64_t>(source.channels()));
  out.put_text(target.file.string());
  out.put_text(target.dataset);
  out.put_text(to_string(target.codec));
  out.put(static_cast<std::uint64_t>(target.buffer_bytes));
  return checksum(out.bytes());
}

void check_same(const ExportComm& comm, std::uint64_t value) {
  // The complement turns the maximum into a minimum: one reduction for both.
  std::array<std::uint64_t, 2> mine{value, ~value}, least{};
  MPI_Allreduce(mine.data(), least.data(), 2, MPI_UINT64_T, MPI_MIN, comm.handle());
  if (least[0] != ~least[1])
    throw Error{
        ErrorCode::contract,
        "the ranks were asked to export different volumes or to different files (one file cannot hold both); "
        "start all ranks with the same command"};
}

// The shared file of one export. Members that name HDF5 objects are opened and closed by all ranks together.
class SharedFile {
 public:
  SharedFile(const ExportComm& comm, const std::string& path, const hdf5::ExportPlan& plan,
             const Volume& source)
      : comm_{comm}, path_{path}, plan_{plan} {
    comm_.agree([&] { create(source); });
  }

  // Collective: writes this rank's piece, or takes part without one. Returns what went wrong on this rank.
  std::optional<Error> write(const Array* piece) {
    return detail::failure_of([&] { write_piece(piece); });
  }

  void close() {
    comm_.agree([&] {
      const hdf5::Lock lock;
      const std::string problem = "cannot finish " + path_;
      if (H5Fflush(file_.id(), H5F_SCOPE_GLOBAL) < 0) hdf5::fail(problem, check_disk);
      dataset_.close_written(problem, check_disk);
      file_.close_written(problem, check_disk);
    });
  }

 private:
  void create(const Volume& source) {
    const hdf5::Lock lock;
    const Handle access = hdf5::writing_access(), file_creation = hdf5::plain_file_creation();
    if (H5Pset_fapl_mpio(access.id(), comm_.handle(), MPI_INFO_NULL) < 0 ||
        H5Pset_coll_metadata_write(access.id(), true) < 0)
      hdf5::fail("cannot prepare MPI-IO", report_bug);
    file_ = hdf5::own(H5Fcreate(path_.c_str(), H5F_ACC_EXCL, file_creation.id(), access.id()), H5Fclose,
                      "cannot make " + path_, check_disk);
    const Handle creation = hdf5::creation_list(plan_.layout);
    if (plan_.layout.codec.options.codec == Codec::none) {
      // Space for all chunks at once and an index that is computed, not stored: writes need no coordination.
      H5Pset_alloc_time(creation.id(), H5D_ALLOC_TIME_EARLY);
      H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);
    } else {
      H5Pset_alloc_time(creation.id(), H5D_ALLOC_TIME_INCR);
    }
    dataset_ = hdf5::create_dataset(file_, plan_.layout, creation);
    hdf5::write_public_attributes(dataset_.id(), source.voxel_size_nm(), source.channels(),
                                  plan_.domain.begin);
    transfer_ = hdf5::own(H5Pcreate(H5P_DATASET_XFER), H5Pclose, "cannot prepare MPI-IO", report_bug);
    if (H5Pset_dxpl_mpio(transfer_.id(), H5FD_MPIO_COLLECTIVE) < 0)
      hdf5::fail("cannot prepare MPI-IO", report_bug);
  }

  void write_piece(const Array* piece) {
    const hdf5::Lock lock;
    const bool with_channels = plan_.layout.channels > 1;
    const std::size_t skip = with_channels ? 0 : 1;
    const std::string problem =
        "cannot write " + (piece != nullptr ? "box " + to_string(piece->box()) + " to " : std::string{}) +
        path_;
    const Handle space = hdf5::own(H5Dget_space(dataset_.id()), H5Sclose, problem, report_bug);
    std::array<hsize_t, 4> start{}, count{1, 1, 1, 1};
    if (piece != nullptr) {
      const Extent at = piece->box().begin - plan_.domain.begin, shape = piece->box().shape();
      count[0] = static_cast<hsize_t>(piece->channels());
      for (int axis = 0; axis < 3; ++axis) {
        start[usize(axis + 1)] = static_cast<hsize_t>(at[axis]);
        count[usize(axis + 1)] = static_cast<hsize_t>(shape[axis]);
      }
    }
    const Handle memory = hdf5::own(H5Screate_simple(with_channels ? 4 : 3, count.data() + skip, nullptr),
                                    H5Sclose, problem, report_bug);
    if (piece != nullptr)
      H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data() + skip, nullptr, count.data() + skip,
                          nullptr);
    else
      H5Sselect_none(space.id());
    if (piece == nullptr) H5Sselect_none(memory.id());
    // The library wants an address even where there is nothing to write.
    const std::byte nothing{};
    const void* data = piece != nullptr ? piece->bytes().data() : &nothing;
    if (H5Dwrite(dataset_.id(), hdf5::native_type(plan_.layout.dtype), memory.id(), space.id(),
                 transfer_.id(), data) < 0)
      hdf5::fail(problem, check_disk);
  }

  const ExportComm& comm_;
  std::string path_;
  const hdf5::ExportPlan& plan_;
  Handle file_, dataset_, transfer_;
};

class MpiExporter final : public CollectiveExporter {
 public:
  ExportReport export_volume(const Volume& source, const ExportTarget& target) override {
    const ExportComm comm;
    check_same(comm, fingerprint(source, target));
    hdf5::ExportPlan plan;
    std::string temporary;
    comm.agree([&] {
      plan = hdf5::plan_export(source, target);
      if (comm.rank() != 0) return;
      hdf5::check_target(target);
      temporary = hdf5::temporary_beside(target.file).string();
    });
    temporary = comm.broadcast(temporary);
    try {
      ExportReport report;
      report.digest = write_all(comm, source, plan, temporary);
      comm.agree([&] {
        if (comm.rank() != 0) return;
        report.file_bytes = std::filesystem::file_size(temporary);
        hdf5::publish_written(temporary, target.file, target.overwrite);
      });
      MPI_Bcast(&report.file_bytes, 1, MPI_UINT64_T, 0, comm.handle());
      return report;
    } catch (...) {
      std::error_code ignored;
      if (comm.rank() == 0) std::filesystem::remove(temporary, ignored);
      throw;
    }
  }

 private:
  static DigestSum write_all(const ExportComm& comm, const Volume& source, const hdf5::ExportPlan& plan,
                             const std::string& path) {
    SharedFile file{comm, path, plan, source};
    DigestSum mine;
    std::optional<Error> failure;
    const Index rounds = ceil_div(plan.pieces.count(), comm.size());
    for (Index round = 0; round < rounds; ++round) {
      const Index index = round * comm.size() + comm.rank();
      std::optional<Array> piece;
      if (!failure && index < plan.pieces.count())
        failure = detail::failure_of([&] {
          piece = source.read_box(plan.pieces.core(index));
          mine += digest_part(*piece);
        });
      // Covers this round's reading and the last one's writing: nobody may enter the write alone.
      comm.agree_on(failure);
      failure = file.write(piece ? &*piece : nullptr);
    }
    comm.agree_on(failure);
    file.close();
    std::array<std::uint64_t, 2> part{mine.a, mine.b}, sum{};
    MPI_Allreduce(part.data(), sum.data(), 2, MPI_UINT64_T, MPI_SUM, comm.handle());
    return {sum[0], sum[1]};
  }
};

}  // namespace

std::unique_ptr<CollectiveExporter> make_mpi_exporter() { return std::make_unique<MpiExporter>(); }

}  // namespace petavox
