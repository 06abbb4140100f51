#include "petavox/base/check.hpp"
#include "petavox/base/hash.hpp"
#include "petavox/io/bundle_directory.hpp"
#include "petavox/io/integer_columns.hpp"
#include "petavox/io/label_chunk.hpp"

#include <algorithm>
#include <cstring>

namespace petavox {

using namespace detail;

namespace {

/// The voxels of a box, all channels, one row after the other.
template <class T>
std::span<const T> gather(const Array& array, const Box& box, std::vector<T>& into) {
  const auto view = array.view<T>();
  const auto row = usize(box.shape().x);
  into.resize(usize(box.voxels()) * static_cast<std::size_t>(array.channels()));
  T* out = into.data();
  for (int c = 0; c < array.channels(); ++c)
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y, out += row)
        std::memcpy(out, &view.at(c, {z, y, box.begin.x}), row * sizeof(T));
  return into;
}

/// Appends chunks and enters them into the directory.
class ChunkSink {
 public:
  ChunkSink(std::uint64_t key, std::uint32_t part, Bytes& payload)
      : key_{key}, part_{part}, payload_{payload} {}

  void add(BundlePart& part, Section& section, std::span<const std::byte> packed) {
    const std::uint64_t seed = chunk_seed(key_, part_, section.face, section.chunks.size());
    section.chunks.push_back(
        {payload_.size(), static_cast<std::uint32_t>(packed.size()), checksum(packed, seed)});
    payload_.insert(payload_.end(), packed.begin(), packed.end());
    part.info.stored_bytes += packed.size();
  }

 private:
  std::uint64_t key_;
  std::uint32_t part_;
  Bytes& payload_;
};

/// Whether shuffling by 8 bytes makes a blob smaller: states are mostly rows of 64-bit integers, but not all.
std::uint8_t best_blob_width(std::span<const std::byte> bytes) {
  constexpr std::size_t sample_bytes = std::size_t{64} << 10;
  const auto sample = bytes.first(std::min(bytes.size(), sample_bytes) / 8 * 8);
  if (sample.empty()) return 1;
  return pack_chunk(sample, 8, default_table_codec()).size() <
                 pack_chunk(sample, 1, default_label_codec()).size()
             ? 8
             : 1;
}

void check_shape(const Array& array, Extent chunk) {
  for (int axis = 0; axis < 3; ++axis) PETAVOX_ASSERT(chunk[axis] >= 1);
  Extent largest = array.box().shape();
  for (int axis = 0; axis < 3; ++axis) largest[axis] = std::min(largest[axis], chunk[axis]);
  const std::size_t bytes =
      usize(largest.voxels()) * size_of(array.dtype()) * static_cast<std::size_t>(array.channels());
  if (bytes > max_chunk_bytes)
    throw Error{ErrorCode::resource, "a chunk of " + to_string(chunk) + " voxels has " +
                                         std::to_string(bytes) +
                                         " bytes (blosc takes less than 2 GiB); use a smaller chunk shape"};
}

}  // namespace

BundleWriter::BundleWriter(std::uint64_t key) : key_{key}, directory_{std::make_unique<BundleDirectory>()} {}
BundleWriter::~BundleWriter() = default;
BundleWriter::BundleWriter(BundleWriter&&) noexcept = default;
BundleWriter& BundleWriter::operator=(BundleWriter&&) noexcept = default;

detail::BundlePart& BundleWriter::begin_part(std::uint32_t part, PartKind kind) {
  PETAVOX_ASSERT(directory_->find(part) == nullptr);
  directory_->parts.emplace_back();
  BundlePart& added = directory_->parts.back();
  added.info.part = part;
  added.info.kind = kind;
  return added;
}

void BundleWriter::add_image(std::uint32_t part, const Array& array, Extent chunk, const CodecOptions& codec,
                             bool face_layers) {
  check_shape(array, chunk);
  BundlePart& added = begin_part(part, PartKind::image);
  added.info.dtype = array.dtype();
  added.info.channels = array.channels();
  added.info.box = array.box();
  added.info.chunk = chunk;
  added.faces = face_layers ? stored_faces(array.box(), array.domain()) : FaceMask{0};
  added.sections = sections_of(added.info, added.faces);
  ChunkSink sink{key_, part, payload_};
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
    std::vector<T> voxels;
    for (Section& section : added.sections)
      for (std::size_t i = 0, n = num_chunks(section); i < n; ++i) {
        const auto values = gather<T>(array, section.chunk_box(i), voxels);
        sink.add(added, section, pack_chunk(std::as_bytes(values), sizeof(T), codec));
      }
  });
}

void BundleWriter::add_labels(std::uint32_t part, const LabelArray& labels, Extent chunk,
                              const CodecOptions& codec, bool face_layers) {
  const Array& ids = labels.ids;
  const auto all = ids.view<std::uint32_t>().channel();  // throws Error{contract} for another type
  PETAVOX_ASSERT(ids.channels() == 1);
  check_shape(ids, chunk);
  BundlePart& added = begin_part(part, PartKind::labels);
  added.info.dtype = DType::u32;
  added.info.box = ids.box();
  added.info.chunk = chunk;
  added.faces = face_layers ? stored_faces(ids.box(), ids.domain()) : FaceMask{0};
  added.sections = sections_of(added.info, added.faces);
  ChunkSink sink{key_, part, payload_};
  LabelChunkPacker packer{all.empty() ? 0 : *std::max_element(all.begin(), all.end()), all.size()};
  std::vector<std::uint32_t> voxels;
  for (Section& section : added.sections)
    for (std::size_t i = 0, n = num_chunks(section); i < n; ++i)
      sink.add(added, section, packer.pack(gather<std::uint32_t>(ids, section.chunk_box(i), voxels), codec));
}

void BundleWriter::add_columns(detail::BundlePart& added,
                               std::span<const std::span<const std::byte>> columns) {
  const std::vector<std::size_t> widths = column_widths(added.info);
  added.sections = sections_of(added.info, 0);
  ChunkSink sink{key_, added.info.part, payload_};
  for (std::uint64_t first = 0; first < added.info.count; first += rows_per_group) {
    const auto rows = static_cast<std::size_t>(std::min(rows_per_group, added.info.count - first));
    std::span<const std::byte> previous;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const auto column = columns[c].subspan(static_cast<std::size_t>(first) * widths[c], rows * widths[c]);
      const bool comparable = previous.size() == column.size();
      sink.add(added, added.sections[0],
               pack_column(column, widths[c], comparable ? previous : std::span<const std::byte>{}));
      previous = column;
    }
  }
}

void BundleWriter::add_label_table(std::uint32_t part, const LabelTable& table) {
  PETAVOX_ASSERT(table.sizes.size() == table.names.size() && table.faces.size() == table.names.size());
  BundlePart& added = begin_part(part, PartKind::label_table);
  added.info.count = table.names.size();
  const std::span<const std::byte> columns[] = {std::as_bytes(std::span{table.names}),
                                                std::as_bytes(std::span{table.sizes}),
                                                std::as_bytes(std::span{table.faces})};
  add_columns(added, columns);
}

void BundleWriter::add_table(std::uint32_t part, const Table& table) {
  PETAVOX_ASSERT(!table.columns().empty());
  BundlePart& added = begin_part(part, PartKind::table);
  added.info.columns = table.columns();
  added.info.count = table.num_rows();
  const std::size_t row_bytes = table.row_bytes(), rows = table.num_rows();
  std::vector<Bytes> columns;
  std::vector<std::span<const std::byte>> spans;
  std::size_t at = 0;
  for (const Column& column : table.columns()) {
    const std::size_t width = size_of(column.dtype);
    Bytes values(rows * width);
    for (std::size_t i = 0; i < rows; ++i)
      std::memcpy(values.data() + i * width, table.data().data() + i * row_bytes + at, width);
    columns.push_back(std::move(values));
    at += width;
  }
  for (const Bytes& column : columns) spans.emplace_back(column);
  add_columns(added, spans);
}

void BundleWriter::add_blob(std::uint32_t part, std::span<const std::byte> bytes) {
  BundlePart& added = begin_part(part, PartKind::blob);
  added.info.count = bytes.size();
  added.blob_width = best_blob_width(bytes);
  added.sections = sections_of(added.info, 0);
  ChunkSink sink{key_, part, payload_};
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), blob_chunk_bytes));
    const std::size_t width = piece.size() % added.blob_width == 0 ? added.blob_width : 1;
    sink.add(added, added.sections[0],
             pack_chunk(piece, width, width == 1 ? default_label_codec() : default_table_codec()));
    bytes = bytes.subspan(piece.size());
  }
}

Bytes BundleWriter::finish() {
  const Bytes directory = encode(*directory_);
  BundleHeader header;
  header.magic = bundle_magic;
  header.length_bytes = sizeof header + directory.size() + payload_.size();
  header.directory_bytes = checked_cast<std::uint32_t>(directory.size());
  header.num_parts = checked_cast<std::uint32_t>(directory_->parts.size());
  header.checksum = header_checksum(header, directory, key_);
  Bytes bundle(static_cast<std::size_t>(header.length_bytes));
  std::byte* at = bundle.data();
  std::memcpy(at, &header, sizeof header);
  at += sizeof header;
  if (!directory.empty()) std::memcpy(at, directory.data(), directory.size());
  at += directory.size();
  if (!payload_.empty()) std::memcpy(at, payload_.data(), payload_.size());
  directory_ = std::make_unique<BundleDirectory>();
  payload_ = {};
  return bundle;
}

}  // namespace petavox
