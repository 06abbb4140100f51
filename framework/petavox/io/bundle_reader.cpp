#include "petavox/base/checked.hpp"
#include "petavox/io/bundle_source.hpp"
#include "petavox/io/label_chunk.hpp"

#include <algorithm>
#include <cstring>

namespace petavox {

using namespace detail;

namespace {

constexpr std::size_t first_read_bytes = 4096;  // holds header and directory of most bundles
constexpr std::uint32_t max_directory_bytes = std::uint32_t{256} << 20;

/// Chunks of the section that touch the region, in the order in which they are stored.
std::vector<std::size_t> chunks_touching(const Section& section, const Box& region) {
  std::vector<std::size_t> chunks;
  Box grid_box;
  for (int axis = 0; axis < 3; ++axis) {
    grid_box.begin[axis] = floor_div(region.begin[axis] - section.box.begin[axis], section.chunk[axis]);
    grid_box.end[axis] = ceil_div(region.end[axis] - section.box.begin[axis], section.chunk[axis]);
  }
  grid_box.for_each(
      [&](Coord p) { chunks.push_back(usize((p.z * section.grid.y + p.y) * section.grid.x + p.x)); });
  return chunks;
}

/// The part itself, or the face layer in which the region lies.
const Section& section_for(const BundlePart& part, const Box& region) {
  for (const Section& section : part.sections)
    if (section.face != 0 && section.box.contains(region)) return section;
  return part.sections.front();
}

/// Calls f(first voxel in the chunk, z, y, length) for each row of `region` in a chunk.
template <class F>
void for_each_row(const Box& chunk, const Box& region, F&& f) {
  const Box common = chunk.intersect(region);
  for (Index z = common.begin.z; z < common.end.z; ++z)
    for (Index y = common.begin.y; y < common.end.y; ++y) {
      const Coord first{z, y, common.begin.x};
      f(usize(chunk.raster(first)), first, usize(common.shape().x));
    }
}

}  // namespace

BundleReader::BundleReader(Read read, std::uint64_t length_bytes, std::uint64_t key, std::string name)
    : BundleReader{BundleSource{std::move(read), length_bytes, key, std::move(name), {}, nullptr}} {}

BundleReader::BundleReader(std::shared_ptr<const PackReader> packs, const Location& location,
                           std::uint64_t key, std::string name, std::shared_ptr<ChunkCache> cache)
    : BundleReader{BundleSource{
          [packs = std::move(packs), location](std::uint64_t offset, std::span<std::byte> into) {
            packs->read(location, offset, into);
          },
          location.length, key, std::move(name) + " in " + to_string(location), location, std::move(cache)}} {
}

BundleReader::BundleReader(BundleSource made)
    : source_{std::make_shared<const BundleSource>(std::move(made))} {
  const BundleSource& source = *source_;
  BundleHeader header;
  if (source.length_bytes < sizeof header)
    source.corrupt("", "it is too short for a bundle (it was damaged); it will be made again");
  Bytes start(static_cast<std::size_t>(std::min<std::uint64_t>(source.length_bytes, first_read_bytes)));
  source.read_range(0, start);
  std::memcpy(&header, start.data(), sizeof header);
  const std::uint64_t directory_end = sizeof header + std::uint64_t{header.directory_bytes};
  if (header.magic != bundle_magic || header.length_bytes != source.length_bytes ||
      directory_end > source.length_bytes || header.directory_bytes > max_directory_bytes)
    source.corrupt("",
                   "it does not begin as a bundle of its length (it was damaged or exchanged); it will be "
                   "made again");
  if (directory_end > start.size()) {
    const std::size_t have = start.size();
    start.resize(static_cast<std::size_t>(directory_end));
    source.read_range(have, std::span{start}.subspan(have));
  }
  const auto directory = std::span<const std::byte>{start}.subspan(sizeof header, header.directory_bytes);
  if (header_checksum(header, directory, source.key) != header.checksum)
    source.corrupt(
        "",
        "its directory does not have its checksum (it was damaged, exchanged or is stale); it will "
        "be made again");
  try {
    directory_ = std::make_shared<const BundleDirectory>(
        decode_directory(directory, header.num_parts, directory_end, source.length_bytes));
  } catch (const Error& error) {
    source.corrupt("", error.what());
  }
}

BundleReader::~BundleReader() = default;
BundleReader::BundleReader(BundleReader&&) noexcept = default;
BundleReader& BundleReader::operator=(BundleReader&&) noexcept = default;

std::vector<PartInfo> BundleReader::parts() const {
  std::vector<PartInfo> all;
  for (const BundlePart& part : directory_->parts) all.push_back(part.info);
  return all;
}

std::optional<PartInfo> BundleReader::info(std::uint32_t number) const {
  const BundlePart* part = directory_->find(number);
  if (part == nullptr) return std::nullopt;
  return part->info;
}

void BundleReader::read_image(std::uint32_t number, Array& into, const Box& region) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::image);
  source_->check_region(part, into, region);
  if (region.empty()) return;
  const Section& section = section_for(part, region);
  visit_dtype(into.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto target = into.view<T>();
    const auto channels = static_cast<std::size_t>(into.channels());
    const auto unpack = [&](std::size_t chunk, std::span<const std::byte> packed) {
      Bytes voxels(usize(section.chunk_box(chunk).voxels()) * channels * sizeof(T));
      unpack_chunk(packed, sizeof(T), voxels);
      return voxels;
    };
    const auto copy = [&](std::size_t chunk, std::span<const std::byte> voxels) {
      const Box box = section.chunk_box(chunk);
      for (int c = 0; c < into.channels(); ++c) {
        const std::byte* from = voxels.data() + usize(c * box.voxels()) * sizeof(T);
        for_each_row(box, region, [&](std::size_t first, Coord p, std::size_t length) {
          std::memcpy(&target.at(c, p), from + first * sizeof(T), length * sizeof(T));
        });
      }
    };
    source_->fetch_unpacked(part, section, chunks_touching(section, region), unpack, copy);
  });
}

void BundleReader::read_labels(std::uint32_t number, Array& into, const Box& region) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::labels);
  source_->check_region(part, into, region);
  if (region.empty()) return;
  const Section& section = section_for(part, region);
  const auto target = into.view<std::uint32_t>();
  const auto unpack = [&](std::size_t chunk, std::span<const std::byte> packed) {
    return LabelChunk::unpack(packed, usize(section.chunk_box(chunk).voxels()));
  };
  const auto copy = [&](std::size_t chunk, std::span<const std::byte> unpacked) {
    const LabelChunk ids{unpacked};
    for_each_row(section.chunk_box(chunk), region, [&](std::size_t first, Coord p, std::size_t length) {
      ids.copy(first, {&target[p], length});
    });
  };
  source_->fetch_unpacked(part, section, chunks_touching(section, region), unpack, copy);
}

LabelTable BundleReader::label_table(std::uint32_t number) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::label_table);
  LabelTable table;
  const auto extend = [](auto& column, const Bytes& values) {
    using T = typename std::decay_t<decltype(column)>::value_type;
    const std::size_t before = column.size();
    column.resize(before + values.size() / sizeof(T));
    if (!values.empty()) std::memcpy(column.data() + before, values.data(), values.size());
  };
  source_->for_each_column(part, [&](std::size_t, std::size_t column, const Bytes& values) {
    if (column == 0)
      extend(table.names, values);
    else if (column == 1)
      extend(table.sizes, values);
    else
      extend(table.faces, values);
  });
  return table;
}

Table BundleReader::table(std::uint32_t number, const std::vector<Column>& expected) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::table);
  if (part.info.columns != expected) {
    const auto list = [](const std::vector<Column>& columns) {
      std::string text;
      for (const Column& c : columns) text += (text.empty() ? "" : ", ") + c.name + " " + name_of(c.dtype);
      return text;
    };
    throw Error{ErrorCode::contract, "the table in part " + std::to_string(number) + " of the result of " +
                                         source_->name + " has the columns " + list(part.info.columns) +
                                         " and not " + list(expected) +
                                         " (rows would be misread); check the port's columns"};
  }
  Table table{expected};
  const std::vector<std::size_t> widths = column_widths(part.info);
  std::vector<std::size_t> starts(widths.size(), 0);
  for (std::size_t c = 1; c < widths.size(); ++c) starts[c] = starts[c - 1] + widths[c - 1];
  const std::size_t row_bytes = table.row_bytes();
  Bytes rows;
  source_->for_each_column(part, [&](std::size_t group, std::size_t column, const Bytes& values) {
    const std::size_t width = widths[column], n = values.size() / width;
    const std::size_t begin = group * static_cast<std::size_t>(rows_per_group) * row_bytes;
    if (column == 0) rows.resize(begin + n * row_bytes);
    for (std::size_t i = 0; i < n; ++i)
      std::memcpy(rows.data() + begin + i * row_bytes + starts[column], values.data() + i * width, width);
  });
  table.assign(std::move(rows));
  return table;
}

void BundleReader::read_blob(std::uint32_t number, std::uint64_t offset, std::span<std::byte> into) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::blob);
  if (offset > part.info.count || into.size() > part.info.count - offset)
    throw Error{ErrorCode::contract, "bytes beyond the end of part " + std::to_string(number) +
                                         " of the result of " + source_->name + " were read (it has " +
                                         std::to_string(part.info.count) + "); read inside it"};
  if (into.empty()) return;
  const std::uint64_t end = offset + into.size();
  std::vector<std::size_t> chunks;
  for (std::uint64_t i = offset / blob_chunk_bytes; i * blob_chunk_bytes < end; ++i)
    chunks.push_back(static_cast<std::size_t>(i));
  // Not through the cache: a state is read once, and would push out what neighbouring blocks share.
  Bytes piece;
  source_->fetch(
      part, part.sections.front(), chunks, [&](std::size_t chunk, std::span<const std::byte> packed) {
        const std::uint64_t begin = chunk * blob_chunk_bytes;
        piece.resize(static_cast<std::size_t>(std::min(blob_chunk_bytes, part.info.count - begin)));
        unpack_chunk(packed, piece.size() % part.blob_width == 0 ? part.blob_width : 1, piece);
        const std::uint64_t from = std::max(begin, offset), to = std::min(begin + piece.size(), end);
        std::memcpy(into.data() + (from - offset), piece.data() + (from - begin),
                    static_cast<std::size_t>(to - from));
      });
}

Bytes BundleReader::blob(std::uint32_t number) const {
  const BundlePart& part = source_->part_of(*directory_, number, PartKind::blob);
  Bytes bytes;
  // In pieces that must unpack before more is allocated.
  constexpr std::uint64_t step = 64 * blob_chunk_bytes;
  for (std::uint64_t at = 0; at < part.info.count; at += step) {
    bytes.resize(static_cast<std::size_t>(std::min(part.info.count, at + step)));
    read_blob(number, at, std::span{bytes}.subspan(static_cast<std::size_t>(at)));
  }
  return bytes;
}

void BundleReader::verify() const {
  for (const BundlePart& part : directory_->parts)
    for (const Section& section : part.sections)
      source_->fetch_all(part, section, [](std::size_t, std::span<const std::byte>) {});
}

}  // namespace petavox
