#pragma once
// The directory of a bundle in memory, and its bytes. Internal to the bundle writer and reader.

#include "petavox/io/bundle.hpp"

#include <array>
#include <vector>

namespace petavox::detail {

struct StoredChunk {
  std::uint64_t offset = 0;  ///< in the bundle
  std::uint32_t bytes = 0;
  std::uint64_t checksum = 0;
};

/// The lattice of chunks over a box: the part itself, or one of its face layers.
struct Section {
  std::uint32_t face = 0;  ///< 0: the part itself; else 1 + 2 * axis + (high ? 1 : 0)
  Box box;
  Extent chunk{1, 1, 1}, grid;
  std::vector<StoredChunk> chunks;  ///< raster order of the grid

  Section() = default;
  Section(std::uint32_t face_number, const Box& voxels, Extent chunk_shape);
  /// The voxels of a chunk.
  Box chunk_box(std::size_t chunk) const;
};

struct BundlePart {
  PartInfo info;
  FaceMask faces = 0;
  std::uint8_t blob_width = 1;  ///< the element size by which a blob is shuffled
  std::vector<Section> sections;
};

struct BundleDirectory {
  std::vector<BundlePart> parts;
  /// Null if there is none.
  const BundlePart* find(std::uint32_t part) const;
};

/// What comes first in a bundle.
struct BundleHeader {
  std::array<char, 8> magic{};
  std::uint64_t length_bytes = 0;  ///< of the whole bundle
  std::uint32_t directory_bytes = 0, num_parts = 0;
  std::uint64_t checksum = 0;  ///< of the fields above and the directory
};
static_assert(sizeof(BundleHeader) == 32);
inline constexpr std::array<char, 8> bundle_magic{'P', 'V', 'X', 'B', 'N', 'D', 'L', '1'};

/// Rows of a table, and of a label table, that are packed together: a chunk for each of their columns.
inline constexpr std::uint64_t rows_per_group = std::uint64_t{1} << 20;
/// Bytes of a blob in a chunk.
inline constexpr std::uint64_t blob_chunk_bytes = std::uint64_t{1} << 20;

/// The bytes of the columns of a table or label table.
std::vector<std::size_t> column_widths(const PartInfo& info);
/// How many chunks the shape of a part asks for. Throws Error{resource} if it overflows.
std::uint64_t num_chunks(const Section& section);
std::uint64_t num_row_groups(std::uint64_t rows);
/// The sections that a part of this kind, shape and these faces has, without chunks.
std::vector<Section> sections_of(const PartInfo& info, FaceMask faces);
/// The faces of `box` whose layers are stored: those inside the domain, unless the layer is the whole box.
FaceMask stored_faces(const Box& box, const Box& domain);

/// The seed of a chunk's checksum.
std::uint64_t chunk_seed(std::uint64_t key, std::uint32_t part, std::uint32_t face, std::uint64_t chunk);
std::uint64_t header_checksum(const BundleHeader& header, std::span<const std::byte> directory,
                              std::uint64_t key);

Bytes encode(const BundleDirectory& directory);
/// `payload_begin`, `payload_end`: where the chunks lie in the bundle; they must fill it exactly.
/// Throws Error{io} if the bytes are no directory. Allocates no more than a small multiple of them.
BundleDirectory decode_directory(std::span<const std::byte> bytes, std::uint32_t num_parts,
                                 std::uint64_t payload_begin, std::uint64_t payload_end);

}  // namespace petavox::detail
