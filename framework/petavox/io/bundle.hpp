#pragma once
// A task's result as one string of bytes: a directory and independently compressed chunks. Every chunk and
// the directory have a checksum keyed with (key, part, chunk), so that damaged, swapped, stale or foreign
// data is noticed before it is used. docs/formats.md has the bytes.
//
// A bundle has parts, numbered by the caller (the ports of a step). An image or label part may carry, beside
// its chunks, the one-voxel layers at those of its faces that are not faces of the domain: a reader whose
// region lies in such a layer reads that instead of whole chunks.

#include "petavox/geometry/box.hpp"
#include "petavox/io/chunk_cache.hpp"
#include "petavox/io/codec.hpp"
#include "petavox/io/pack.hpp"
#include "petavox/volume/label_array.hpp"
#include "petavox/volume/label_table.hpp"
#include "petavox/volume/table.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace petavox {

enum class PartKind : std::uint8_t { image = 1, labels = 2, label_table = 3, table = 4, blob = 5 };

/// What the directory says of a part.
struct PartInfo {
  std::uint32_t part = 0;
  PartKind kind = PartKind::blob;
  DType dtype = DType::u8;         ///< of an image; u32 for labels
  int channels = 1;                ///< of an image
  Box box;                         ///< of an image or labels
  Extent chunk;                    ///< of an image or labels
  std::uint64_t count = 0;         ///< rows of a table, ids of a label table, bytes of a blob
  std::uint64_t stored_bytes = 0;  ///< compressed, face layers included
  std::vector<Column> columns{};   ///< of a table
};

namespace detail {
struct BundlePart;
struct BundleDirectory;
struct BundleSource;
}  // namespace detail

/// Builds a bundle in memory. Each part number is used once (else Error{internal}). Not synchronised.
class BundleWriter {
 public:
  /// `key` stands for (stage fingerprint, step, task); a reader must know it.
  explicit BundleWriter(std::uint64_t key);
  ~BundleWriter();
  BundleWriter(BundleWriter&&) noexcept;
  BundleWriter& operator=(BundleWriter&&) noexcept;

  /// The voxels of the array. Chunks lie on the lattice that starts at array.box().begin; the last ones of an
  /// axis may be smaller. With `face_layers`, the layers at the faces inside array.domain() are stored too.
  void add_image(std::uint32_t part, const Array& array, Extent chunk, const CodecOptions& codec,
                 bool face_layers);
  /// The local ids of the labels (not the names: see add_label_table), over a core or a window.
  void add_labels(std::uint32_t part, const LabelArray& labels, Extent chunk, const CodecOptions& codec,
                  bool face_layers);
  /// Expects vectors of equal length.
  void add_label_table(std::uint32_t part, const LabelTable& table);
  void add_table(std::uint32_t part, const Table& table);
  void add_blob(std::uint32_t part, std::span<const std::byte> bytes);

  /// The bundle. The writer is empty afterwards.
  Bytes finish();

 private:
  detail::BundlePart& begin_part(std::uint32_t part, PartKind kind);
  void add_columns(detail::BundlePart& added, std::span<const std::span<const std::byte>> columns);

  std::uint64_t key_;
  std::unique_ptr<detail::BundleDirectory> directory_;
  Bytes payload_;
};

/// Reads a bundle piece by piece. Thread-safe. Every function throws CorruptObject, with the object, the part
/// and the box, if what it needs is not what was written under this key; Error{contract} if the part is
/// missing or of another kind, type or schema than asked for.
class BundleReader {
 public:
  /// Fills `into` with the bundle's bytes from `offset` on, or throws.
  using Read = std::function<void(std::uint64_t offset, std::span<std::byte> into)>;

  /// Reads and checks the directory. `name` is for messages, for example "step 3 task 17".
  BundleReader(Read read, std::uint64_t length_bytes, std::uint64_t key, std::string name);
  /// From a pack. Unpacked chunks are shared through `cache` if there is one.
  BundleReader(std::shared_ptr<const PackReader> packs, const Location& location, std::uint64_t key,
               std::string name, std::shared_ptr<ChunkCache> cache = nullptr);
  ~BundleReader();
  BundleReader(BundleReader&&) noexcept;
  BundleReader& operator=(BundleReader&&) noexcept;

  /// All parts in the order in which they were added.
  std::vector<PartInfo> parts() const;
  /// Nothing if there is no such part.
  std::optional<PartInfo> info(std::uint32_t part) const;

  /// Fills `region` of the array, unpacking only what touches it. Expects `region` inside the part's box and
  /// into.box(), and the part's type and channels (else Error{contract}).
  void read_image(std::uint32_t part, Array& into, const Box& region) const;
  /// The same for local ids; `into` is uint32 with one channel.
  void read_labels(std::uint32_t part, Array& into, const Box& region) const;
  LabelTable label_table(std::uint32_t part) const;
  /// Error{contract} unless the stored columns are `expected`.
  Table table(std::uint32_t part, const std::vector<Column>& expected) const;
  Bytes blob(std::uint32_t part) const;
  /// Bytes [offset, offset + into.size()) of a blob: for states larger than memory.
  void read_blob(std::uint32_t part, std::uint64_t offset, std::span<std::byte> into) const;

  /// Reads and checks everything. Throws CorruptObject.
  void verify() const;

 private:
  explicit BundleReader(detail::BundleSource made);
  std::shared_ptr<const detail::BundleSource> source_;
  std::shared_ptr<const detail::BundleDirectory> directory_;
};

}  // namespace petavox
