#include "petavox/io/hdf5_virtual_volume.hpp"

#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/output_root.hpp"

#include <list>
#include <unordered_map>

namespace petavox::hdf5 {
namespace {

// Each open source takes a file descriptor and the library's caches of its metadata.
constexpr std::size_t most_open = 64;

class VirtualVolume final : public Hdf5Volume {
 public:
  VirtualVolume(Dataset dataset, const Hdf5Options& options)
      : info_{std::move(dataset.info)},
        mappings_{std::move(dataset.mappings)},
        options_{options},
        name_{where(info_.file, info_.dataset)} {
    for (const Mapping& mapping : mappings_)
      if (mapping.channels != info_.channels || !domain().contains(mapping.target))
        throw Error{ErrorCode::io, "cannot read the virtual dataset " + name_ +
                                       " (a source lies outside its shape); copy it into one plain dataset"};
    // Most blocks touch one or two sources: what is cached for each is a part of what is cached in all.
    options_.cache_bytes /= std::max<std::size_t>(1, std::min(mappings_.size(), most_open));
  }

  Box domain() const override { return Box::from({}, info_.shape); }
  DType dtype() const override { return info_.dtype; }
  int channels() const override { return info_.channels; }
  VoxelSizeNm voxel_size_nm() const override { return info_.voxel_size_nm; }
  const Hdf5DatasetInfo& info() const override { return info_; }

  void read(Array& into) const override {
    check_read(into, dtype(), channels(), domain(), name_);
    std::vector<Box> pieces;
    Index covered = 0;
    for (std::size_t i = 0; i < mappings_.size(); ++i) {
      const Box piece = mappings_[i].target.intersect(into.box());
      if (piece.empty()) continue;
      for (const Box& other : pieces)
        if (!piece.intersect(other).empty()) refuse(piece, "two sources hold it");
      pieces.push_back(piece);
      covered += piece.voxels();
      copy(i, piece, into);
    }
    if (covered != into.box().voxels()) refuse(into.box(), "no source holds all of it");
  }

 private:
  [[noreturn]] void refuse(const Box& box, const std::string& why) const {
    throw Error{ErrorCode::io, "cannot read box " + to_string(box) + " of the virtual dataset " + name_ +
                                   " (" + why + "); complete it, or copy it into one plain dataset"};
  }

  void copy(std::size_t index, const Box& piece, Array& into) const {
    const Mapping& mapping = mappings_[index];
    const auto volume = source(index);
    const Coord origin = mapping.source.begin + volume_offset(*volume);
    const Box from = Box::from(origin + (piece.begin - mapping.target.begin), piece.shape());
    if (volume->dtype() != dtype() || volume->channels() != channels() || !volume->domain().contains(from))
      refuse(piece, "its source " + mapping.file + ":" + mapping.dataset + " has another type or shape");
    const Array part = volume->read_box(from);
    const std::size_t channel_bytes = part.bytes().size() / static_cast<std::size_t>(channels());
    for (int c = 0; c < channels(); ++c)
      copy_from_chunk(part.bytes().subspan(static_cast<std::size_t>(c) * channel_bytes, channel_bytes), piece,
                      into, c, piece);
  }

  // A shard of petavox has coordinates of its own.
  static Extent volume_offset(const Hdf5Volume& volume) { return volume.domain().begin - Coord{}; }

  std::shared_ptr<const Hdf5Volume> source(std::size_t index) const {
    const std::lock_guard guard{mutex_};
    if (const auto found = open_.find(index); found != open_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
    std::shared_ptr<const Hdf5Volume> volume = open_source(mappings_[index]);
    recent_.emplace_front(index, volume);
    open_[index] = recent_.begin();
    if (recent_.size() > most_open) {
      open_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return volume;
  }

  std::unique_ptr<Hdf5Volume> open_source(const Mapping& mapping) const {
    std::filesystem::path file = info_.file;
    if (mapping.file != ".") {
      const auto directory = info_.file.parent_path();
      const OutputRoot root = OutputRoot::open(directory.empty() ? "." : directory.string());
      // Refuses links that lead outside, and what is no regular file.
      static_cast<void>(root.open_for_reading(mapping.file));
      file = root.path_of(mapping.file);
    }
    auto volume = open_hdf5_volume(file, mapping.dataset, options_);
    if (volume->info().layout == "virtual")
      throw Error{ErrorCode::io, "cannot read the virtual dataset " + name_ + " (its source " + mapping.file +
                                     ":" + mapping.dataset +
                                     " is virtual itself); copy it into one plain dataset"};
    return volume;
  }

  Hdf5DatasetInfo info_;
  std::vector<Mapping> mappings_;
  Hdf5Options options_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<std::size_t, std::shared_ptr<const Hdf5Volume>>> recent_;
  mutable std::unordered_map<std::size_t,
                             std::list<std::pair<std::size_t, std::shared_ptr<const Hdf5Volume>>>::iterator>
      open_;
};

}  // namespace

std::unique_ptr<Hdf5Volume> make_virtual_volume(Dataset dataset, const Hdf5Options& options) {
  return std::make_unique<VirtualVolume>(std::move(dataset), options);
}

}  // namespace petavox::hdf5
