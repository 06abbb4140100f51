#include "petavox/io/tile_volumes.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/base/log.hpp"
#include "petavox/io/chunk_cache.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/file.hpp"
#include "petavox/io/image_stack_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace petavox {

struct TileSet::Impl {
  TileList list;
  std::vector<std::size_t> first;  // of each layer's tiles; one more for the end
  mutable ChunkCache cache;

  Impl(TileList tiles, std::size_t cache_bytes) : list{std::move(tiles)}, cache{cache_bytes} {
    first.assign(usize(list.num_layers) + 1, list.tiles.size());
    for (std::size_t i = list.tiles.size(); i-- > 0;) first[usize(list.tiles[i].z)] = i;
    for (std::size_t z = usize(list.num_layers); z-- > 0;) first[z] = std::min(first[z], first[z + 1]);
  }

  DType dtype() const { return list.bits == 16 ? DType::u16 : DType::u8; }
  std::size_t num_tiles(Index z) const { return first[usize(z) + 1] - first[usize(z)]; }
  const TileEntry& tile(Index z, std::size_t slot) const { return list.tiles[first[usize(z)] + slot]; }

  /// Pixels of dtype(); all 0 if the file is damaged. Throws Error{io} if it cannot be read.
  std::shared_ptr<const Bytes> pixels(Index z, std::size_t slot) const {
    ChunkKey key;
    key.chunk = first[usize(z)] + slot;
    if (auto found = cache.find(key)) return found;
    auto decoded = std::make_shared<Bytes>(decode(tile(z, slot)));
    cache.insert(key, decoded);
    return decoded;
  }

 private:
  Bytes decode(const TileEntry& entry) const {
    detail::ImageHeader header;
    header.height = entry.height;
    header.width = entry.width;
    header.bits = entry.bits;
    Bytes raw;
    try {
      header = detail::read_image_headers(entry.file, std::int64_t{1} << 28).front();
      if (header.height != entry.height || header.width != entry.width || header.bits != entry.bits)
        throw Error{ErrorCode::io, entry.file.string() + " has changed (its header is another)"};
      raw.resize(header.size_bytes());
      detail::decode_image(entry.file, header, raw);
    } catch (const Error& error) {
      check_readable(entry.file);  // a file system that fails is no property of the tile
      log::warning(fmt::format("tile {} is damaged and counts as blank: {}", entry.name, error.what()));
      raw.assign(usize(entry.height * entry.width) * static_cast<std::size_t>(entry.bits / 8), std::byte{0});
    }
    return entry.bits == list.bits ? raw : widened(raw);
  }

  static void check_readable(const std::filesystem::path& file) {
    const File opened{detail::open_regular(file), file.string()};
    Bytes piece(std::size_t{1} << 20);
    for (std::uint64_t at = 0;;) {
      const std::size_t got = opened.read_at(piece, at);
      if (got == 0) return;
      at += got;
    }
  }

  static Bytes widened(const Bytes& raw) {
    Bytes wide(raw.size() * 2);
    for (std::size_t i = 0; i < raw.size(); ++i) {
      const auto value = static_cast<std::uint16_t>(static_cast<unsigned>(raw[i]) * 257U);
      std::memcpy(wide.data() + 2 * i, &value, 2);
    }
    return wide;
  }
};

namespace {

using Set = std::shared_ptr<const TileSet>;

class TileVolume : public Volume {
 public:
  TileVolume(Set set, const Box& domain, DType type, int channels)
      : set_{std::move(set)}, domain_{domain}, type_{type}, channels_{channels} {}
  Box domain() const override { return domain_; }
  DType dtype() const override { return type_; }
  int channels() const override { return channels_; }
  VoxelSizeNm voxel_size_nm() const override { return set_->list().voxel_size_nm; }

 protected:
  const TileSet::Impl& tiles() const { return set_->impl(); }

 private:
  Set set_;
  Box domain_;
  DType type_;
  int channels_;
};

class Slots final : public TileVolume {
 public:
  explicit Slots(const Set& set)
      : TileVolume{set,
                   Box::from({}, {set->list().num_layers, set->list().slots * set->list().height,
                                  set->list().width}),
                   set->impl().dtype(), 1} {}

  void read(Array& into) const override {
    check_read(into, dtype(), 1, domain(), "the tiles");
    const std::array<std::byte, 2> nothing{};
    fill_box(into, 0, into.box(), std::span{nothing}.first(size_of(dtype())));
    for (Index z = into.box().begin.z; z < into.box().end.z; ++z)
      for (std::size_t slot = 0; slot < tiles().num_tiles(z); ++slot) {
        const TileEntry& entry = tiles().tile(z, slot);
        const Index y = static_cast<Index>(slot) * tiles().list.height;
        const Box place{{z, y, 0}, {z + 1, y + entry.height, entry.width}};
        const Box wanted = place.intersect(into.box());
        if (!wanted.empty()) copy_from_chunk(*tiles().pixels(z, slot), place, into, 0, wanted);
      }
  }
};

class Fields final : public TileVolume {
 public:
  explicit Fields(const Set& set)
      : TileVolume{set, Box::from({}, {set->list().num_layers, set->list().slots, 1}), DType::i32,
                   num_tile_fields} {}

  void read(Array& into) const override {
    check_read(into, dtype(), channels(), domain(), "the tile list");
    const auto view = into.view<std::int32_t>();
    const TileList& list = tiles().list;
    into.box().for_each([&](Coord p) {
      const auto put = [&](TileField field, std::int64_t value) {
        view.at(static_cast<int>(field), p) = checked_cast<std::int32_t>(value);
      };
      const bool present = usize(p.y) < tiles().num_tiles(p.z);
      const TileEntry none{}, &tile = present ? tiles().tile(p.z, usize(p.y)) : none;
      const auto units = [&](double px) {
        return static_cast<std::int64_t>(std::floor(px * tile_units_per_px + 0.5));
      };
      put(TileField::present, present ? 1 : 0);
      put(TileField::y, present ? units(tile.y - list.origin_y) : 0);
      put(TileField::x, present ? units(tile.x - list.origin_x) : 0);
      put(TileField::height, tile.height);
      put(TileField::width, tile.width);
      put(TileField::beam, std::clamp<std::int64_t>(tile.beam, -1, 1 << 30));
    });
  }
};

class Mosaic final : public TileVolume {
 public:
  explicit Mosaic(const Set& set)
      : TileVolume{set, Box::from({}, set->list().canvas), set->impl().dtype(), 1} {}

  void read(Array& into) const override {
    check_read(into, dtype(), 1, domain(), "the mosaic");
    const std::array<std::byte, 2> nothing{};
    fill_box(into, 0, into.box(), std::span{nothing}.first(size_of(dtype())));
    for (Index z = into.box().begin.z; z < into.box().end.z; ++z)
      for (std::size_t slot = tiles().num_tiles(z); slot-- > 0;) {
        const TileEntry& tile = tiles().tile(z, slot);
        const auto y = static_cast<Index>(std::floor(tile.y - tiles().list.origin_y + 0.5));
        const auto x = static_cast<Index>(std::floor(tile.x - tiles().list.origin_x + 0.5));
        const Box place{{z, y, x}, {z + 1, y + tile.height, x + tile.width}};
        const Box wanted = place.intersect(into.box());
        if (!wanted.empty()) copy_from_chunk(*tiles().pixels(z, slot), place, into, 0, wanted);
      }
  }
};

}  // namespace

TileSet::TileSet(TileList list, std::size_t cache_bytes)
    : impl_{std::make_unique<Impl>(std::move(list), cache_bytes)} {}
TileSet::~TileSet() = default;
const TileList& TileSet::list() const { return impl_->list; }

std::unique_ptr<Volume> TileSet::volume(std::shared_ptr<const TileSet> set, const std::string& name) {
  if (name == "tiles") return std::make_unique<Slots>(set);
  if (name == "list") return std::make_unique<Fields>(set);
  if (name == "mosaic" || name.empty()) return std::make_unique<Mosaic>(set);
  throw Error{
      ErrorCode::config,
      fmt::format("a tile list has no volume '{}' (there is nothing to read); it has tiles, list and mosaic",
                  name)};
}

}  // namespace petavox
