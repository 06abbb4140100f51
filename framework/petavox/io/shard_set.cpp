#include "petavox/io/shard_set.hpp"

#include "petavox/base/phase.hpp"
#include "petavox/io/chunk_cache.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_shard_file.hpp"

#include <list>
#include <mutex>
#include <unordered_map>

namespace petavox {
namespace {

// Each open shard takes a file descriptor.
constexpr std::size_t most_open = 128;

}  // namespace

class ShardSetVolume::Impl {
 public:
  Impl(const ShardSpec& spec, std::filesystem::path directory, const std::vector<ShardRecord>& records,
       std::size_t cache_bytes)
      : spec_{spec},
        tiling_{spec.layout.shards()},
        directory_{std::move(directory)},
        root_{OutputRoot::open(directory_.string())},
        cache_{cache_bytes} {
    for (const ShardRecord& record : records) {
      if (record.shard < 0 || record.shard >= tiling_.count())
        throw Error{ErrorCode::config, "shard " + std::to_string(record.shard) + " in " +
                                           directory_.string() + " is none of the volume's " +
                                           std::to_string(tiling_.count()) +
                                           " (the records are of another volume); check the run directory"};
      if (!records_.emplace(record.shard, record).second)
        throw Error{ErrorCode::config,
                    "shard " + std::to_string(record.shard) + " in " + directory_.string() +
                        " has two records (which file counts is unknown); check the run directory"};
    }
  }

  const ShardSpec& spec() const { return spec_; }
  std::string name() const { return "the shards in " + directory_.string(); }

  void read(Array& into) {
    const PhaseScope decoding{Phase::decode};
    check_read(into, spec_.dtype, spec_.channels, spec_.layout.domain, name());
    const Box box = into.box();
    if (box.empty()) return;
    tiling_.touching(box).for_each([&](Coord position) { read_shard(into, tiling_.block_at(position)); });
  }

  void verify(Index shard) {
    const auto file = open(shard);
    for (Index i = 0; i < file->num_chunks(); ++i) file->read_stored(i);
  }

 private:
  using FilePointer = std::shared_ptr<const hdf5::ShardFile>;

  void read_shard(Array& into, Index shard) {
    const FilePointer file = open(shard);
    const Box wanted = file->core().intersect(into.box());
    for (int c = 0; c < spec_.channels; ++c)
      file->tiling().touching(wanted).for_each([&](Coord position) {
        const Box whole = file->chunk_box(position);
        const auto chunk = load(*file, shard, file->chunk_number(c, position));
        copy_from_chunk(*chunk, whole, into, c, whole.intersect(wanted));
      });
  }

  std::shared_ptr<const Bytes> load(const hdf5::ShardFile& file, Index shard, Index chunk) {
    ChunkKey key;
    key.offset = static_cast<std::uint64_t>(shard);
    key.chunk = static_cast<std::uint64_t>(chunk);
    if (auto found = cache_.find(key)) return found;
    auto bytes = std::make_shared<const Bytes>(file.read(chunk));
    cache_.insert(key, bytes);
    return bytes;
  }

  FilePointer open(Index shard) {
    {
      const std::lock_guard guard{mutex_};
      if (const auto found = open_.find(shard); found != open_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        return found->second->second;
      }
    }
    const auto record = records_.find(shard);
    if (record == records_.end())
      throw CorruptObject{"shard " + std::to_string(shard) + " with box " + to_string(tiling_.core(shard)) +
                          " in " + directory_.string() +
                          " is missing (its voxels are not known); run the task that writes it again"};
    // Opened outside the lock: two threads may both do it, and one of the two is dropped.
    auto file = std::make_shared<const hdf5::ShardFile>(root_, spec_, record->second);
    const std::lock_guard guard{mutex_};
    if (const auto found = open_.find(shard); found != open_.end()) return found->second->second;
    recent_.emplace_front(shard, file);
    open_[shard] = recent_.begin();
    if (recent_.size() > most_open) {
      open_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return file;
  }

  ShardSpec spec_;
  Tiling tiling_;
  std::filesystem::path directory_;
  OutputRoot root_;
  std::unordered_map<Index, ShardRecord> records_;
  ChunkCache cache_;
  std::mutex mutex_;
  std::list<std::pair<Index, FilePointer>> recent_;  // most recently used first
  std::unordered_map<Index, std::list<std::pair<Index, FilePointer>>::iterator> open_;
};

ShardSetVolume::ShardSetVolume(const ShardSpec& spec, std::filesystem::path directory,
                               const std::vector<ShardRecord>& records, std::size_t cache_bytes)
    : impl_{std::make_unique<Impl>(spec, std::move(directory), records, cache_bytes)} {}
ShardSetVolume::~ShardSetVolume() = default;

Box ShardSetVolume::domain() const { return impl_->spec().layout.domain; }
DType ShardSetVolume::dtype() const { return impl_->spec().dtype; }
int ShardSetVolume::channels() const { return impl_->spec().channels; }
VoxelSizeNm ShardSetVolume::voxel_size_nm() const { return impl_->spec().voxel_size_nm; }
void ShardSetVolume::read(Array& into) const { impl_->read(into); }
void ShardSetVolume::verify(Index shard) const { impl_->verify(shard); }

}  // namespace petavox
