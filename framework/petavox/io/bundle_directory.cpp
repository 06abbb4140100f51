#include "petavox/io/bundle_directory.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/base/varint.hpp"

#include <cstddef>

namespace petavox::detail {
namespace {

constexpr std::size_t max_columns = 1024;
constexpr int max_channels = 1 << 16;
constexpr Index max_coordinate = Index{1} << 60;

[[noreturn]] void refuse(const char* problem) {
  throw Error{ErrorCode::io,
              std::string{"its directory "} + problem + " (it is damaged); it will be made again"};
}

bool has_voxels(PartKind kind) { return kind == PartKind::image || kind == PartKind::labels; }

void put_box(ByteWriter& out, const Box& box) {
  for (int axis = 0; axis < 3; ++axis) {
    put_varint(out, zigzag(box.begin[axis]));
    put_varint(out, zigzag(box.end[axis]));
  }
}

Index get_coordinate(ByteReader& in) {
  const std::int64_t value = unzigzag(get_varint(in));
  if (value < -max_coordinate || value > max_coordinate) refuse("has a coordinate out of range");
  return value;
}

Box get_box(ByteReader& in) {
  Box box;
  for (int axis = 0; axis < 3; ++axis) {
    box.begin[axis] = get_coordinate(in);
    box.end[axis] = get_coordinate(in);
  }
  return box;
}

DType get_dtype(ByteReader& in) {
  const auto value = in.get<std::uint8_t>();
  if (value >= num_dtypes) refuse("has an unknown voxel type");
  return static_cast<DType>(value);
}

void put_info(ByteWriter& out, const BundlePart& part) {
  const PartInfo& info = part.info;
  put_varint(out, info.part);
  out.put(static_cast<std::uint8_t>(info.kind));
  switch (info.kind) {
    case PartKind::image:
    case PartKind::labels:
      out.put(static_cast<std::uint8_t>(info.dtype));
      put_varint(out, static_cast<std::uint64_t>(info.channels));
      put_box(out, info.box);
      for (int axis = 0; axis < 3; ++axis) put_varint(out, static_cast<std::uint64_t>(info.chunk[axis]));
      out.put(part.faces);
      break;
    case PartKind::table:
      put_varint(out, info.count);
      put_varint(out, info.columns.size());
      for (const Column& column : info.columns) {
        put_varint(out, column.name.size());
        out.append(column.name.data(), column.name.size());
        out.put(static_cast<std::uint8_t>(column.dtype));
      }
      break;
    case PartKind::label_table:
      put_varint(out, info.count);
      break;
    case PartKind::blob:
      put_varint(out, info.count);
      out.put(part.blob_width);
      break;
  }
}

BundlePart get_info(ByteReader& in) {
  BundlePart part;
  PartInfo& info = part.info;
  info.part = checked_cast<std::uint32_t>(get_varint(in));
  const auto kind = in.get<std::uint8_t>();
  if (kind < 1 || kind > 5) refuse("has a part of unknown kind");
  info.kind = static_cast<PartKind>(kind);
  switch (info.kind) {
    case PartKind::image:
    case PartKind::labels:
      info.dtype = get_dtype(in);
      info.channels = checked_cast<int>(get_varint(in));
      if (info.channels < 1 || info.channels > max_channels) refuse("has a wrong number of channels");
      if (info.kind == PartKind::labels && (info.dtype != DType::u32 || info.channels != 1))
        refuse("has labels of a wrong type");
      info.box = get_box(in);
      for (int axis = 0; axis < 3; ++axis) {
        info.chunk[axis] = checked_cast<Index>(get_varint(in));
        if (info.chunk[axis] < 1 || info.chunk[axis] > max_coordinate) refuse("has a wrong chunk shape");
      }
      part.faces = in.get<FaceMask>();
      if ((part.faces & ~all_faces) != 0) refuse("has wrong face layers");
      break;
    case PartKind::table: {
      info.count = get_varint(in);
      const std::uint64_t num_columns = get_varint(in);
      if (num_columns == 0 || num_columns > max_columns) refuse("has a wrong number of columns");
      for (std::uint64_t i = 0; i < num_columns; ++i) {
        const auto name = in.get_raw(checked_cast<std::size_t>(get_varint(in)));
        Column column{{reinterpret_cast<const char*>(name.data()), name.size()}, DType::u8};
        column.dtype = get_dtype(in);
        info.columns.push_back(std::move(column));
      }
      break;
    }
    case PartKind::label_table:
      info.count = get_varint(in);
      break;
    case PartKind::blob:
      info.count = get_varint(in);
      part.blob_width = in.get<std::uint8_t>();
      if (part.blob_width != 1 && part.blob_width != 8) refuse("has a blob of unknown form");
      break;
  }
  return part;
}

}  // namespace

Section::Section(std::uint32_t face_number, const Box& voxels, Extent chunk_shape)
    : face{face_number}, box{voxels}, chunk{chunk_shape} {
  if (box.empty()) return;
  const Extent shape = box.shape();
  for (int axis = 0; axis < 3; ++axis) grid[axis] = ceil_div(shape[axis], chunk[axis]);
}

Box Section::chunk_box(std::size_t index) const {
  const auto i = static_cast<Index>(index);
  const Coord position{i / (grid.y * grid.x), i / grid.x % grid.y, i % grid.x};
  const Coord begin{box.begin.z + position.z * chunk.z, box.begin.y + position.y * chunk.y,
                    box.begin.x + position.x * chunk.x};
  return Box::from(begin, chunk).intersect(box);
}

const BundlePart* BundleDirectory::find(std::uint32_t part) const {
  for (const BundlePart& p : parts)
    if (p.info.part == part) return &p;
  return nullptr;
}

std::vector<std::size_t> column_widths(const PartInfo& info) {
  if (info.kind == PartKind::label_table) return {8, 8, 1};  // names, sizes, faces
  std::vector<std::size_t> widths;
  for (const Column& column : info.columns) widths.push_back(size_of(column.dtype));
  return widths;
}

std::uint64_t num_row_groups(std::uint64_t rows) {
  return rows / rows_per_group + (rows % rows_per_group != 0 ? 1 : 0);
}

std::uint64_t num_chunks(const Section& section) {
  return checked_mul(
      checked_mul(static_cast<std::uint64_t>(section.grid.z), static_cast<std::uint64_t>(section.grid.y)),
      static_cast<std::uint64_t>(section.grid.x));
}

FaceMask stored_faces(const Box& box, const Box& domain) {
  if (box.empty()) return 0;
  FaceMask faces = open_faces(box, domain);
  for (int axis = 0; axis < 3; ++axis)
    if (box.shape()[axis] == 1)
      faces = static_cast<FaceMask>(faces & ~(face_bit(axis, false) | face_bit(axis, true)));
  return faces;
}

std::vector<Section> sections_of(const PartInfo& info, FaceMask faces) {
  std::vector<Section> sections;
  const auto line = [&](std::uint64_t n) {
    sections.emplace_back(0, Box{{0, 0, 0}, {1, 1, checked_cast<Index>(n)}}, Extent{1, 1, 1});
  };
  switch (info.kind) {
    case PartKind::image:
    case PartKind::labels:
      sections.emplace_back(0, info.box, info.chunk);
      for (int axis = 0; axis < 3; ++axis)
        for (const bool high : {false, true})
          if ((faces & face_bit(axis, high)) != 0)
            sections.emplace_back(static_cast<std::uint32_t>(1 + 2 * axis + (high ? 1 : 0)),
                                  face_layer(info.box, axis, high), info.chunk);
      break;
    case PartKind::table:
    case PartKind::label_table:
      line(checked_mul(num_row_groups(info.count), std::uint64_t{column_widths(info).size()}));
      break;
    case PartKind::blob:
      line(info.count / blob_chunk_bytes + (info.count % blob_chunk_bytes != 0 ? 1 : 0));
      break;
  }
  return sections;
}

std::uint64_t chunk_seed(std::uint64_t key, std::uint32_t part, std::uint32_t face, std::uint64_t chunk) {
  const std::uint64_t place = std::uint64_t{part} << 8 | face;
  return mix64(key ^ mix64(place + 0x9e3779b97f4a7c15ULL + mix64(chunk + 0xc2b2ae3d27d4eb4fULL)));
}

std::uint64_t header_checksum(const BundleHeader& header, std::span<const std::byte> directory,
                              std::uint64_t key) {
  const auto fields = std::as_bytes(std::span{&header, 1}).first(offsetof(BundleHeader, checksum));
  return checksum(directory, mix64(key ^ checksum(fields, 0x2545f4914f6cdd1dULL)));
}

Bytes encode(const BundleDirectory& directory) {
  ByteWriter out;
  for (const BundlePart& part : directory.parts) {
    put_info(out, part);
    for (const Section& section : part.sections) {
      for (const StoredChunk& chunk : section.chunks) put_varint(out, chunk.bytes);
      for (const StoredChunk& chunk : section.chunks) out.put(chunk.checksum);
    }
  }
  return out.take();
}

BundleDirectory decode_directory(std::span<const std::byte> bytes, std::uint32_t num_parts,
                                 std::uint64_t payload_begin, std::uint64_t payload_end) {
  ByteReader in{bytes};
  BundleDirectory directory;
  std::uint64_t offset = payload_begin;
  for (std::uint32_t i = 0; i < num_parts; ++i) {
    BundlePart part = get_info(in);
    if (directory.find(part.info.part) != nullptr) refuse("lists a part twice");
    if (has_voxels(part.info.kind)) {
      const Extent shape = part.info.box.shape();
      (void)checked_mul(checked_mul(shape.z, shape.y), checked_mul(shape.x, Index{part.info.channels}));
      if (part.info.box.empty() && part.faces != 0) refuse("has wrong face layers");
    }
    part.sections = sections_of(part.info, part.faces);
    for (Section& section : part.sections) {
      const std::uint64_t n = num_chunks(section);
      // Each chunk takes a length of at least one byte and a checksum of eight.
      if (n > in.remaining() / 9) refuse("ends too early");
      section.chunks.resize(static_cast<std::size_t>(n));
      for (StoredChunk& chunk : section.chunks) {
        const std::uint64_t size = get_varint(in);
        if (size == 0 || size > max_chunk_bytes || size > payload_end - offset)
          refuse("has a chunk outside the object");
        chunk.offset = offset;
        chunk.bytes = static_cast<std::uint32_t>(size);
        offset += size;
        part.info.stored_bytes += size;
      }
      for (StoredChunk& chunk : section.chunks) chunk.checksum = in.get<std::uint64_t>();
    }
    directory.parts.push_back(std::move(part));
  }
  if (!in.done() || offset != payload_end) refuse("does not cover the object");
  return directory;
}

}  // namespace petavox::detail
