#include "petavox/io/shard_writer.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/base/phase.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/hdf5_petavox.hpp"
#include "petavox/io/hdf5_shard_file.hpp"
#include "petavox/volume/huge_pages.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>

namespace petavox {
namespace {

void check_source(const ShardSpec& spec, const Volume& source) {
  if (source.dtype() != spec.dtype || source.channels() != spec.channels ||
      source.domain() != spec.layout.domain)
    throw Error{ErrorCode::contract, "a shard of " + std::to_string(spec.channels) + " x " +
                                         name_of(spec.dtype) + " " + to_string(spec.layout.domain) +
                                         " was to be written from " + std::to_string(source.channels()) +
                                         " x " + name_of(source.dtype()) + " " + to_string(source.domain()) +
                                         " (the file would lie about its content); give the volume itself"};
}

hdf5::ChunkedLayout layout_of(const ShardSpec& spec, const std::string& dataset, Extent shape) {
  return {dataset.starts_with('/') ? dataset : "/" + dataset,
          spec.dtype,
          spec.channels,
          shape,
          spec.layout.chunk_shape,
          spec.codec};
}

Hash128 hash_of(const File& file, std::uint64_t size) {
  if (size == 0) return hash128(std::span<const std::byte>{});
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (mapped == MAP_FAILED) throw system_error("map", file.path(), errno);
  const Hash128 hash = hash128({static_cast<const std::byte*>(mapped), static_cast<std::size_t>(size)});
  ::munmap(mapped, size);
  return hash;
}

// Compresses the chunks of one shard; keeps their checksums and the sum of the digest.
class Encoder {
 public:
  Encoder(const ShardSpec& spec, Index shard, const Box& core, hdf5::ChunkedFile& file)
      : spec_{spec},
        shard_{shard},
        core_{core},
        chunks_{core, spec.layout.chunk_shape},
        file_{file},
        raw_(usize(spec.layout.chunk_shape.voxels()) * size_of(spec.dtype)),
        table_(usize(chunks_.count()) * static_cast<std::size_t>(spec.channels)) {}

  // Stores the chunks of a piece: a box of whole chunks, but for the core's far faces.
  void store(const Array& piece) {
    for (int channel = 0; channel < spec_.channels; ++channel)
      chunks_.touching(piece.box()).for_each([&](Coord position) { store(piece, channel, position); });
  }

  const std::vector<std::uint64_t>& table() const { return table_; }
  const DigestSum& digest() const { return digest_; }

 private:
  void store(const Array& piece, int channel, Coord position) {
    const PhaseScope encoding{Phase::encode};
    const Box core = chunks_.core_of(position);
    const Box whole = Box::from(core.begin, spec_.layout.chunk_shape);
    // What of a chunk lies outside the volume is 0, not what the chunk before left.
    if (core != whole) std::fill(raw_.begin(), raw_.end(), std::byte{0});
    copy_to_chunk(piece, channel, core, raw_, whole);
    // From there, where they lie one after the other and in the cache: rows of a piece lie far apart.
    digest_ += digest_part({raw_, whole, channel}, core, spec_.dtype, spec_.layout.domain);
    const Bytes stored = hdf5::encode_chunk(raw_, spec_.codec, size_of(spec_.dtype));
    const Index number = static_cast<Index>(channel) * chunks_.count() + chunks_.block_at(position);
    table_[usize(number)] = checksum(stored, hdf5::chunk_key(spec_.fingerprint, shard_, number));
    const PhaseScope writing{Phase::write};
    count_stored_written(stored.size());
    file_.put_chunk(channel, Coord{} + (core.begin - core_.begin), stored);
  }

  const ShardSpec& spec_;
  Index shard_;
  Box core_;
  Tiling chunks_;
  hdf5::ChunkedFile& file_;
  Bytes raw_;
  std::vector<std::uint64_t> table_;
  DigestSum digest_;
};

}  // namespace

ShardResult write_shard(const ShardSpec& spec, Index shard, const Volume& source,
                        const std::filesystem::path& directory, std::uint64_t generation,
                        std::uint64_t attempt) {
  check_source(spec, source);
  const Tiling shards = spec.layout.shards();
  PETAVOX_ASSERT(shard >= 0 && shard < shards.count());
  const Box core = shards.core(shard);
  ShardResult result;
  result.record.shard = shard;
  result.record.file = shard_file_name(shards.position(shard), generation, attempt);

  const hdf5::TemporaryFile temporary{hdf5::temporary_beside(directory / result.record.file)};
  hdf5::ChunkedFile file{temporary.path().string(), layout_of(spec, spec.dataset, core.shape())};
  {
    const hdf5::Lock lock;
    hdf5::write_public_attributes(file.dataset().id(), spec.voxel_size_nm, spec.channels, core.begin);
    hdf5::write_shard_attributes(file.dataset().id(), spec, shard);
  }
  Encoder encoder{spec, shard, core, file};
  const Tiling pieces{core, shard_piece(spec)};
  for (Index i = 0; i < pieces.count(); ++i) {
    Array piece{spec.dtype, pieces.core(i), source.domain(), spec.channels, Array::Fill::anything};
    prefer_huge_pages(piece.bytes());
    source.read(piece);
    encoder.store(piece);
  }
  result.digest = encoder.digest();
  const PhaseScope writing{Phase::write};
  file.put_table(hdf5::checksum_table, encoder.table());
  file.close();

  const OutputRoot root = OutputRoot::open(directory.string());
  const File written = root.open_for_reading(temporary.path().filename().string());
  result.record.bytes = written.size_bytes();
  result.record.file_hash = hash_of(written, result.record.bytes);
  result.record.checksum = hdf5::table_checksum(spec.fingerprint, shard, encoder.table());
  hdf5::publish_written(temporary.path(), directory / result.record.file, false);
  return result;
}

}  // namespace petavox
