#include "petavox/io/bundle_source.hpp"

#include "petavox/base/hash.hpp"
#include "petavox/base/phase.hpp"
#include "petavox/io/integer_columns.hpp"

#include <algorithm>
#include <numeric>

namespace petavox::detail {
namespace {

constexpr std::uint64_t max_run_bytes = std::uint64_t{4} << 20;  // of adjacent chunks read at once

const char* noun(PartKind kind) {
  switch (kind) {
    case PartKind::image:
      return "an image";
    case PartKind::labels:
      return "labels";
    case PartKind::label_table:
      return "a label table";
    case PartKind::table:
      return "a table";
    case PartKind::blob:
      return "a blob";
  }
  return "something else";
}

ChunkKey cache_key(const Location& location, const BundlePart& part, const Section& section,
                   std::size_t chunk) {
  return {location.generation, location.writer, location.offset, part.info.part, section.face, chunk};
}

}  // namespace

void BundleSource::corrupt(const std::string& where, const std::string& problem) const {
  throw CorruptObject{"the result of " + name + where + ": " + problem};
}
void BundleSource::corrupt_chunk(const BundlePart& part, const Section& section, std::size_t chunk,
                                 const std::string& problem) const {
  std::string where = ", part " + std::to_string(part.info.part);
  if (part.info.kind == PartKind::image || part.info.kind == PartKind::labels)
    where += ", box " + to_string(section.chunk_box(chunk));
  else
    where += ", chunk " + std::to_string(chunk);
  corrupt(where, problem);
}

void BundleSource::read_range(std::uint64_t offset, std::span<std::byte> into) const {
  const PhaseScope reading{Phase::read};
  count_stored_read(into.size());
  try {
    read(offset, into);
  } catch (const CorruptObject& error) {
    corrupt("", error.what());
  }
}

void BundleSource::check(const BundlePart& part, const Section& section, std::size_t chunk,
                         std::span<const std::byte> packed) const {
  const std::uint64_t seed = chunk_seed(key, part.info.part, section.face, chunk);
  if (checksum(packed, seed) != section.chunks[chunk].checksum)
    corrupt_chunk(
        part, section, chunk,
        "the data does not have its checksum (it was damaged, exchanged or is stale); it will be made "
        "again");
}

void BundleSource::fetch(const BundlePart& part, const Section& section, std::span<const std::size_t> chunks,
                         const Use& use) const {
  const PhaseScope decoding{Phase::decode};
  Bytes buffer;
  for (std::size_t first = 0; first < chunks.size();) {
    const std::uint64_t begin = section.chunks[chunks[first]].offset;
    std::uint64_t end = begin;
    std::size_t last = first;
    while (last < chunks.size() && section.chunks[chunks[last]].offset == end &&
           (end == begin || end + section.chunks[chunks[last]].bytes - begin <= max_run_bytes))
      end += section.chunks[chunks[last++]].bytes;
    buffer.resize(static_cast<std::size_t>(end - begin));
    read_range(begin, buffer);
    for (; first < last; ++first) {
      const StoredChunk& chunk = section.chunks[chunks[first]];
      const auto packed = std::span<const std::byte>{buffer}.subspan(
          static_cast<std::size_t>(chunk.offset - begin), chunk.bytes);
      check(part, section, chunks[first], packed);
      try {
        use(chunks[first], packed);
      } catch (const CorruptObject&) {
        throw;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::io) throw;
        corrupt_chunk(part, section, chunks[first], error.what());
      }
    }
  }
}

void BundleSource::fetch_unpacked(const BundlePart& part, const Section& section,
                                  std::vector<std::size_t> chunks, const Unpack& unpack,
                                  const Use& use) const {
  const PhaseScope decoding{Phase::decode};
  if (cache)
    std::erase_if(chunks, [&](std::size_t chunk) {
      const auto known = cache->find(cache_key(location, part, section, chunk));
      if (known) use(chunk, std::span<const std::byte>{*known});
      return known != nullptr;
    });
  fetch(part, section, chunks, [&](std::size_t chunk, std::span<const std::byte> packed) {
    auto unpacked = std::make_shared<const Bytes>(unpack(chunk, packed));
    use(chunk, std::span<const std::byte>{*unpacked});
    if (cache) cache->insert(cache_key(location, part, section, chunk), std::move(unpacked));
  });
}

void BundleSource::fetch_all(const BundlePart& part, const Section& section, const Use& use) const {
  std::vector<std::size_t> chunks(section.chunks.size());
  std::iota(chunks.begin(), chunks.end(), std::size_t{0});
  fetch(part, section, chunks, use);
}

const BundlePart& BundleSource::part_of(const BundleDirectory& directory, std::uint32_t number,
                                        PartKind kind) const {
  const BundlePart* part = directory.find(number);
  if (part == nullptr || part->info.kind != kind)
    throw Error{ErrorCode::contract,
                "the result of " + name + " has " + (part == nullptr ? "nothing" : noun(part->info.kind)) +
                    " as part " + std::to_string(number) + " where " + noun(kind) +
                    " was expected (the data would be misread); check the ports of the step that made it"};
  return *part;
}

void BundleSource::check_region(const BundlePart& part, const Array& into, const Box& region) const {
  const PartInfo& info = part.info;
  if (into.dtype() != info.dtype || into.channels() != info.channels)
    throw Error{ErrorCode::contract, "part " + std::to_string(info.part) + " of the result of " + name +
                                         " is " + name_of(info.dtype) + " with " +
                                         std::to_string(info.channels) + " channels but was read as " +
                                         name_of(into.dtype()) + " with " + std::to_string(into.channels()) +
                                         " (the voxels would be misread); check the port's types"};
  if (!info.box.contains(region) || !into.box().contains(region))
    throw Error{ErrorCode::contract, "box " + to_string(region) + " was read from part " +
                                         std::to_string(info.part) + " of the result of " + name +
                                         ", which covers " + to_string(info.box) +
                                         " (there are no such voxels); read inside it"};
}

void BundleSource::for_each_column(
    const BundlePart& part, const std::function<void(std::size_t, std::size_t, const Bytes&)>& use) const {
  const Section& section = part.sections.front();
  const std::vector<std::size_t> widths = column_widths(part.info);
  Bytes previous;
  fetch_all(part, section, [&](std::size_t chunk, std::span<const std::byte> packed) {
    const std::size_t group = chunk / widths.size(), column = chunk % widths.size();
    const auto rows = static_cast<std::size_t>(
        std::min(rows_per_group, part.info.count - static_cast<std::uint64_t>(group) * rows_per_group));
    Bytes values(rows * widths[column]);
    const bool comparable = column > 0 && previous.size() == values.size();
    unpack_column(packed, widths[column], comparable ? previous : std::span<const std::byte>{}, values);
    use(group, column, values);
    previous = std::move(values);
  });
}

}  // namespace petavox::detail
