#include "petavox/io/hdf5_shard_file.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/base/phase.hpp"
#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_petavox.hpp"

#include <algorithm>
#include <array>

namespace petavox::hdf5 {
namespace {

constexpr const char* run_again = "run the task that wrote it again, or get a fresh copy";

[[noreturn]] void corrupt(const std::string& name, const std::string& why) {
  throw CorruptObject{"cannot use shard " + name + " (" + why + "); " + run_again};
}

std::vector<std::uint64_t> read_table(const Dataset& shard, Index count, const std::string& name) {
  const Handle table{H5Dopen2(shard.file.id(), checksum_table, guarded_access(nullptr).id()), H5Dclose};
  if (!table.valid()) corrupt(name, "its table of checksums cannot be read: " + last_error());
  const Handle space{H5Dget_space(table.id()), H5Sclose};
  const Handle creation{H5Dget_create_plist(table.id()), H5Pclose};
  if (H5Sget_simple_extent_npoints(space.id()) != count || H5Pget_external_count(creation.id()) != 0 ||
      H5Pget_layout(creation.id()) != H5D_CONTIGUOUS)
    corrupt(name, "its table of checksums does not fit its chunks");
  std::vector<std::uint64_t> values(usize(count));
  if (H5Dread(table.id(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    corrupt(name, "its table of checksums cannot be read: " + last_error());
  return values;
}

void check_identity(const Dataset& d, const ShardSpec& spec, const ShardRecord& record,
                    const std::string& name) {
  const auto found = shard_set_of(d);
  if (!found || d.is_virtual) corrupt(name, "it is not a shard");
  if (found->spec.fingerprint != spec.fingerprint || found->spec.dtype != spec.dtype ||
      found->spec.channels != spec.channels || !(found->spec.layout == spec.layout))
    corrupt(name, "it is a shard of another volume");
  if (found->records.front().shard != record.shard) corrupt(name, "it is another shard of the volume");
  if (!d.chunk ||
      *d.chunk != Shape4{1, spec.layout.chunk_shape.z, spec.layout.chunk_shape.y, spec.layout.chunk_shape.x})
    corrupt(name, "its chunks have another shape");
  if (!d.direct) corrupt(name, "its chunks are encoded in another way");
}

}  // namespace

std::uint64_t table_checksum(const Hash128& fingerprint, Index shard,
                             const std::vector<std::uint64_t>& table) {
  return checksum(std::as_bytes(std::span{table}), chunk_key(fingerprint, shard, -1));
}

ShardFile::ShardFile(const OutputRoot& root, const ShardSpec& spec, const ShardRecord& record) {
  try {
    read_header(root, spec, record);
  } catch (const CorruptObject&) {
    throw;
  } catch (const Error& error) {
    // What is wrong with a file that we wrote ourselves is damage, whatever it looks like.
    if (error.code() != ErrorCode::io && error.code() != ErrorCode::config) throw;
    if (error.retryable()) throw;
    throw CorruptObject{error.what()};
  }
}

void ShardFile::read_header(const OutputRoot& root, const ShardSpec& spec, const ShardRecord& record) {
  file_ = root.open_for_reading(record.file);
  name_ = root.path_of(record.file);
  shard_ = record.shard;
  fingerprint_ = spec.fingerprint;
  type_size_ = size_of(spec.dtype);
  core_ = spec.layout.shards().core(shard_);
  chunk_shape_ = spec.layout.chunk_shape;
  tiling_ = Tiling{core_, chunk_shape_};

  const Lock lock;
  Hdf5Options options;
  options.max_chunk_bytes = max_chunk_bytes;
  options.cache_bytes = 0;
  const Dataset d = open_dataset(name_, spec.dataset, options);
  check_identity(d, spec, record, name_);
  chunk_bytes_ = d.chunk_bytes;
  filters_ = d.filters;
  const Index count = checked_mul(tiling_.count(), static_cast<Index>(spec.channels));
  // Each chunk takes 8 bytes of the table: a file cannot hold more chunks than this.
  const std::uint64_t file_bytes = file_.size_bytes();
  if (static_cast<std::uint64_t>(count) > file_bytes / 8) corrupt(name_, "it is too short for its chunks");
  const auto table = read_table(d, count, name_);
  if (record.checksum != 0 && table_checksum(fingerprint_, shard_, table) != record.checksum)
    corrupt(name_, "it is not the file of the run's record: stale or changed");

  chunks_.resize(usize(count));
  for (Index i = 0; i < count; ++i) {
    StoredChunk& chunk = chunks_[usize(i)];
    const Coord position = tiling_.position(i % tiling_.count());
    const auto at = [](Index p, Index length) { return static_cast<hsize_t>(p * length); };
    const std::array<hsize_t, 4> offset{static_cast<hsize_t>(i / tiling_.count()),
                                        at(position.z, chunk_shape_.z), at(position.y, chunk_shape_.y),
                                        at(position.x, chunk_shape_.x)};
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(d.dataset.id(), offset.data() + (d.rank == 4 ? 0 : 1), &chunk.mask,
                                   &address, &size) < 0)
      corrupt(name_, "its index of chunks cannot be read: " + last_error());
    if (address == HADDR_UNDEF || size == 0) corrupt(name_, "chunk " + std::to_string(i) + " is missing");
    if (size > file_bytes || address > file_bytes - size)
      corrupt(name_, "chunk " + std::to_string(i) + " lies beyond its end");
    chunk.offset = address;
    chunk.size = size;
    chunk.checksum = table[usize(i)];
  }
}

Box ShardFile::chunk_box(Coord p) const {
  const Coord begin{core_.begin.z + p.z * chunk_shape_.z, core_.begin.y + p.y * chunk_shape_.y,
                    core_.begin.x + p.x * chunk_shape_.x};
  return Box::from(begin, chunk_shape_);
}

std::string ShardFile::describe(Index chunk) const {
  const Index channel = chunk / tiling_.count();
  std::string text = "box " + to_string(tiling_.core(chunk % tiling_.count()));
  if (channel > 0) text += " of channel " + std::to_string(channel);
  return text + " in shard " + name_;
}

bool ShardFile::encoded_as(const Hdf5Codec& codec) const {
  const Lock lock;
  const Handle creation =
      own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "cannot prepare a dataset", "this is a bug");
  set_codec(creation.id(), codec, type_size_, chunk_bytes_);
  const auto wanted = filters_of(creation.id());
  const auto same = [](const FilterStep& a, const FilterStep& b) {
    return a.id == b.id && a.values == b.values;
  };
  const bool unmasked =
      std::all_of(chunks_.begin(), chunks_.end(), [](const StoredChunk& chunk) { return chunk.mask == 0; });
  return unmasked && std::equal(wanted.begin(), wanted.end(), filters_.begin(), filters_.end(), same);
}

Bytes ShardFile::read_stored(Index chunk) const {
  const StoredChunk& stored = chunks_[usize(chunk)];
  Bytes bytes(static_cast<std::size_t>(stored.size));
  {
    const PhaseScope reading{Phase::read};
    count_stored_read(stored.size);
    file_.read_exact_at(bytes, stored.offset);
  }
  if (checksum(bytes, chunk_key(fingerprint_, shard_, chunk)) != stored.checksum)
    throw CorruptObject{"the checksum of " + describe(chunk) +
                        " is wrong (its bytes are not what was written); " + run_again};
  return bytes;
}

Bytes ShardFile::read(Index chunk) const {
  const Bytes stored = read_stored(chunk);
  Bytes out(chunk_bytes_);
  if (!decode_chunk(filters_, chunks_[usize(chunk)].mask, stored, type_size_, out))
    throw CorruptObject{"cannot decompress " + describe(chunk) + " (its bytes are not a chunk); " +
                        run_again};
  return out;
}

}  // namespace petavox::hdf5
