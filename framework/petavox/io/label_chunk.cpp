#include "petavox/io/label_chunk.hpp"

#include "petavox/base/varint.hpp"

#include <algorithm>
#include <cstring>

namespace petavox::detail {
namespace {

constexpr std::size_t unpacked_header_bytes = 8;  // width, number of ids

std::uint32_t width_for(std::size_t num_ids) { return num_ids <= 256 ? 1 : num_ids <= 65536 ? 2 : 4; }

template <class T>
Bytes narrowed(std::span<const std::uint32_t> places) {
  Bytes bytes(places.size() * sizeof(T));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto place = static_cast<T>(places[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &place, sizeof(T));
  }
  return bytes;
}

/// The ids in which width-4 chunks are stored need no list.
bool has_palette(std::uint32_t width) { return width < 4; }

[[noreturn]] void refuse() {
  throw Error{ErrorCode::io, "a chunk of labels cannot be read (it is damaged); the object is refused"};
}

template <class T>
std::uint32_t greatest(const std::byte* places, std::size_t n) {
  T top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    T place;
    std::memcpy(&place, places + i * sizeof(T), sizeof(T));
    top = std::max(top, place);
  }
  return top;
}

template <class T>
void look_up(const std::byte* places, const std::byte* palette, std::span<std::uint32_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    T place;
    std::memcpy(&place, places + i * sizeof(T), sizeof(T));
    std::memcpy(&into[i], palette + std::size_t{place} * 4, 4);
  }
}

}  // namespace

LabelChunkPacker::LabelChunkPacker(std::uint32_t max_id, std::uint64_t max_voxels) {
  if (max_id <= max_voxels) place_of_.assign(std::size_t{max_id} + 1, unseen);
}

// Layout: width (1 byte), then for widths 1 and 2 the number of ids and their differences as varints, then
// the places (ids, for width 4) as pack_chunk() leaves them.
Bytes LabelChunkPacker::pack(std::span<const std::uint32_t> ids, const CodecOptions& codec) {
  std::uint32_t width = 4;
  if (!place_of_.empty()) {
    palette_.clear();
    places_.resize(ids.size());
    std::uint32_t last = 0, last_place = unseen;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (last_place == unseen || ids[i] != last) {
        last = ids[i];
        std::uint32_t& place = place_of_.at(last);
        if (place == unseen) {
          place = static_cast<std::uint32_t>(palette_.size());
          palette_.push_back(last);
        }
        last_place = place;
      }
      places_[i] = last_place;
    }
    for (const std::uint32_t id : palette_) place_of_[id] = unseen;
    width = width_for(palette_.size());
  }
  ByteWriter out;
  out.put(static_cast<std::uint8_t>(width));
  if (has_palette(width)) {
    put_varint(out, palette_.size());
    std::int64_t before = 0;
    for (const std::uint32_t id : palette_) {
      put_varint(out, zigzag(std::int64_t{id} - before));
      before = id;
    }
  }
  const Bytes places = width == 1   ? narrowed<std::uint8_t>(places_)
                       : width == 2 ? narrowed<std::uint16_t>(places_)
                                    : narrowed<std::uint32_t>(ids);
  const Bytes packed = pack_chunk(places, width, codec);
  out.append(packed.data(), packed.size());
  return out.take();
}

// Layout in memory: width, number of ids (u32 each), the ids (u32), the places.
Bytes LabelChunk::unpack(std::span<const std::byte> packed, std::size_t voxels) {
  ByteReader in{packed};
  const auto width = std::uint32_t{in.get<std::uint8_t>()};
  if (width != 1 && width != 2 && width != 4) refuse();
  std::uint64_t num_ids = 0;
  if (has_palette(width)) {
    num_ids = get_varint(in);
    if (num_ids > in.remaining() || width_for(static_cast<std::size_t>(num_ids)) > width) refuse();
  }
  const std::size_t places_at = unpacked_header_bytes + static_cast<std::size_t>(num_ids) * 4;
  Bytes out(places_at + voxels * width);
  const std::uint32_t header[2] = {width, static_cast<std::uint32_t>(num_ids)};
  std::memcpy(out.data(), header, sizeof header);
  std::uint64_t id = 0;
  for (std::size_t i = 0; i < num_ids; ++i) {
    id += static_cast<std::uint64_t>(unzigzag(get_varint(in)));
    const auto value = static_cast<std::uint32_t>(id);
    std::memcpy(out.data() + unpacked_header_bytes + i * 4, &value, 4);
  }
  std::byte* places = out.data() + places_at;
  unpack_chunk(in.get_raw(in.remaining()), width, {places, voxels * width});
  if (voxels > 0 && has_palette(width)) {
    const std::uint32_t top =
        width == 1 ? greatest<std::uint8_t>(places, voxels) : greatest<std::uint16_t>(places, voxels);
    if (top >= num_ids) refuse();
  }
  return out;
}

LabelChunk::LabelChunk(std::span<const std::byte> unpacked) {
  std::uint32_t header[2];
  std::memcpy(header, unpacked.data(), sizeof header);
  width_ = header[0];
  num_ids_ = header[1];
  palette_ = unpacked.data() + unpacked_header_bytes;
  places_ = palette_ + std::size_t{num_ids_} * 4;
}

void LabelChunk::copy(std::size_t first, std::span<std::uint32_t> into) const {
  const std::byte* places = places_ + first * width_;
  if (width_ == 1)
    look_up<std::uint8_t>(places, palette_, into);
  else if (width_ == 2)
    look_up<std::uint16_t>(places, palette_, into);
  else
    std::memcpy(into.data(), places, into.size_bytes());
}

}  // namespace petavox::detail
