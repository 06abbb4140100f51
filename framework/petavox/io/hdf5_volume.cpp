#include "petavox/io/hdf5_volume.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/base/phase.hpp"
#include "petavox/io/chunk_cache.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_dataset.hpp"
#include "petavox/io/hdf5_petavox.hpp"
#include "petavox/io/hdf5_virtual_volume.hpp"
#include "petavox/io/shard_set.hpp"

#include <algorithm>

namespace petavox {
namespace {

constexpr const char* damaged = "the file may be damaged: get a fresh copy";

Box domain_of(const Hdf5DatasetInfo& info) { return Box::from({}, info.shape); }

// A dataset with voxels of its own.
class PlainVolume final : public Hdf5Volume {
 public:
  PlainVolume(hdf5::Dataset dataset, const Hdf5Options& options)
      : d_{std::move(dataset)},
        name_{hdf5::where(d_.info.file, d_.info.dataset)},
        file_bytes_{std::filesystem::file_size(d_.info.file)},
        cache_{options.cache_bytes} {}

  Box domain() const override { return domain_of(d_.info); }
  DType dtype() const override { return d_.info.dtype; }
  int channels() const override { return d_.info.channels; }
  VoxelSizeNm voxel_size_nm() const override { return d_.info.voxel_size_nm; }
  const Hdf5DatasetInfo& info() const override { return d_.info; }

  void read(Array& into) const override {
    check_read(into, dtype(), channels(), domain(), name_);
    if (into.box().empty()) return;
    if (d_.direct) return read_chunks(into);
    if (d_.decodable_voxel_bytes > 0) check_chunks(into.box());
    read_through_library(into);
  }

 private:
  void read_chunks(Array& into) const {
    const PhaseScope decoding{Phase::decode};
    const Extent chunk{(*d_.chunk)[1], (*d_.chunk)[2], (*d_.chunk)[3]};
    const Tiling tiling{domain(), chunk};
    const Index chunk_channels = (*d_.chunk)[0];
    const Index groups = ceil_div(channels(), chunk_channels);
    const Box positions = tiling.touching(into.box());
    for (Index group = 0; group < groups; ++group)
      positions.for_each([&](Coord position) {
        const Box whole =
            Box::from({position.z * chunk.z, position.y * chunk.y, position.x * chunk.x}, chunk);
        const Box what = whole.intersect(into.box());
        const auto bytes = load(group, tiling.block_at(position), whole.begin, what);
        const std::size_t channel_bytes = d_.chunk_bytes / static_cast<std::size_t>(chunk_channels);
        const Index first = group * chunk_channels;
        for (Index c = first; c < std::min<Index>(first + chunk_channels, channels()); ++c) {
          if (bytes)
            copy_from_chunk(
                std::span{*bytes}.subspan(static_cast<std::size_t>(c - first) * channel_bytes, channel_bytes),
                whole, into, static_cast<int>(c), what);
          else
            fill_box(into, static_cast<int>(c), what, d_.fill);
        }
      });
  }

  Error damaged_chunk(Coord begin, const Box& what) const {
    return {ErrorCode::io, "cannot decompress the chunk at " + to_string(begin) + " of " + name_ +
                               " for box " + to_string(what) +
                               " (its bytes are damaged); get a fresh copy of the file"};
  }

  // The library reads beyond the end of a chunk that is shorter than its header says.
  void check_chunks(const Box& box) const {
    const PhaseScope decoding{Phase::decode};
    const hdf5::Shape4 shape = *d_.chunk;
    const Extent chunk{shape[1], shape[2], shape[3]};
    Bytes decoded(checked_mul(usize(checked_mul(chunk.voxels(), shape[0])), d_.decodable_voxel_bytes));
    for (Index group = 0; group < ceil_div(channels(), shape[0]); ++group)
      Tiling{domain(), chunk}.touching(box).for_each([&](Coord position) {
        const Coord begin{position.z * chunk.z, position.y * chunk.y, position.x * chunk.x};
        unsigned mask = 0;
        const auto stored = fetch(group, begin, box, mask);
        if (stored && !hdf5::decode_chunk(d_.filters, mask, *stored, d_.decodable_voxel_bytes, decoded))
          throw damaged_chunk(begin, box);
      });
  }

  // The decoded chunk; null for one that was never written.
  std::shared_ptr<const Bytes> load(Index group, Index chunk, Coord begin, const Box& what) const {
    ChunkKey key;
    key.offset = static_cast<std::uint64_t>(group);
    key.chunk = static_cast<std::uint64_t>(chunk);
    if (auto found = cache_.find(key)) return found;
    unsigned mask = 0;
    const auto stored = fetch(group, begin, what, mask);
    if (!stored) return nullptr;
    auto out = std::make_shared<Bytes>(d_.chunk_bytes);
    if (!hdf5::decode_chunk(d_.filters, mask, *stored, size_of(dtype()), *out))
      throw damaged_chunk(begin, what);
    cache_.insert(key, out);
    return out;
  }

  // The stored chunk; nothing for one that was never written.
  std::optional<Bytes> fetch(Index group, Coord begin, const Box& what, unsigned& mask) const {
    const PhaseScope reading{Phase::read};
    const std::array<hsize_t, 4> at{static_cast<hsize_t>(group * (*d_.chunk)[0]),
                                    static_cast<hsize_t>(begin.z), static_cast<hsize_t>(begin.y),
                                    static_cast<hsize_t>(begin.x)};
    const hsize_t* offset = at.data() + (d_.rank == 4 ? 0 : 1);
    const auto problem = [&] { return "cannot read box " + to_string(what) + " of " + name_; };
    const hdf5::Lock lock;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(d_.dataset.id(), offset, &mask, &address, &size) < 0)
      hdf5::fail(problem(), damaged);
    if (address == HADDR_UNDEF || size == 0) return std::nullopt;
    if (size > file_bytes_)
      throw Error{ErrorCode::io, problem() + " (a chunk of " + std::to_string(size) +
                                     " bytes does not fit into the file); " + damaged};
    Bytes stored(static_cast<std::size_t>(size));
    std::uint32_t filter_mask = 0;
    if (H5Dread_chunk(d_.dataset.id(), H5P_DEFAULT, offset, &filter_mask, stored.data()) < 0)
      hdf5::fail(problem(), damaged);
    mask = filter_mask;
    count_stored_read(size);
    return stored;
  }

  void read_through_library(Array& into) const {
    const PhaseScope reading{Phase::read};
    count_stored_read(into.bytes().size());
    const Box& box = into.box();
    const Extent shape = box.shape();
    const auto size = [](Index n) { return static_cast<hsize_t>(n); };
    const std::array<hsize_t, 4> start{0, size(box.begin.z), size(box.begin.y), size(box.begin.x)};
    const std::array<hsize_t, 4> count{size(channels()), size(shape.z), size(shape.y), size(shape.x)};
    const std::size_t skip = d_.rank == 4 ? 0 : 1;
    const std::string problem = "cannot read box " + to_string(box) + " of " + name_;
    const hdf5::Lock lock;
    const auto space = hdf5::own(H5Dget_space(d_.dataset.id()), H5Sclose, problem, damaged);
    const auto memory =
        hdf5::own(H5Screate_simple(d_.rank, count.data() + skip, nullptr), H5Sclose, problem, damaged);
    if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data() + skip, nullptr, count.data() + skip,
                            nullptr) < 0 ||
        H5Dread(d_.dataset.id(), d_.memory_type.id(), memory.id(), space.id(), H5P_DEFAULT,
                into.bytes().data()) < 0)
      hdf5::fail(problem, damaged);
  }

  hdf5::Dataset d_;
  std::string name_;
  std::uint64_t file_bytes_;
  mutable ChunkCache cache_;
};

// A shard or shard set of petavox: chunks are checked against their checksums.
class CheckedVolume final : public Hdf5Volume {
 public:
  CheckedVolume(Hdf5DatasetInfo info, const ShardSet& set, const Box& domain, std::size_t cache_bytes)
      : info_{std::move(info)}, domain_{domain}, volume_{set.spec, set.directory, set.records, cache_bytes} {}

  Box domain() const override { return domain_; }
  DType dtype() const override { return info_.dtype; }
  int channels() const override { return info_.channels; }
  VoxelSizeNm voxel_size_nm() const override { return info_.voxel_size_nm; }
  const Hdf5DatasetInfo& info() const override { return info_; }
  void read(Array& into) const override {
    check_read(into, dtype(), channels(), domain_, hdf5::where(info_.file, info_.dataset));
    volume_.read(into);
  }

 private:
  Hdf5DatasetInfo info_;
  Box domain_;
  ShardSetVolume volume_;
};

}  // namespace

std::unique_ptr<Hdf5Volume> open_hdf5_volume(const std::filesystem::path& file, const std::string& dataset,
                                             const Hdf5Options& options) {
  hdf5::Dataset opened = hdf5::open_dataset(file, dataset, options);
  if (auto set = hdf5::shard_set_of(opened)) {
    const Box domain = opened.is_virtual ? set->spec.layout.domain
                                         : set->spec.layout.shards().core(set->records.front().shard);
    return std::make_unique<CheckedVolume>(std::move(opened.info), *set, domain, options.cache_bytes);
  }
  if (opened.is_virtual) return hdf5::make_virtual_volume(std::move(opened), options);
  return std::make_unique<PlainVolume>(std::move(opened), options);
}

std::optional<ShardSet> find_shard_set(const std::filesystem::path& file, const std::string& dataset) {
  return hdf5::shard_set_of(hdf5::open_dataset(file, dataset, {}));
}

}  // namespace petavox
