#pragma once
// The filters of HDF5 chunks, applied outside the library and its lock: blosc, gzip (deflate), byte
// shuffle and, for reading, fletcher32. Internal to petavox/io and petavox/export. encode/decode functions
// are stateless and may run in any thread; those that take an identifier need a Lock.

#include "petavox/base/bytes.hpp"
#include "petavox/io/hdf5_codec.hpp"

#include <span>
#include <string>
#include <vector>

#include <hdf5.h>

namespace petavox::hdf5 {

/// Makes filter 32001 known to the library, for reading and writing. Called once, by the first Lock.
void register_blosc_filter();

/// Adds the codec's filters to a dataset-creation list.
void set_codec(hid_t creation, const Hdf5Codec& codec, std::size_t type_size, std::size_t chunk_bytes);

/// A chunk as the codec's filters store it (filter mask 0). Deterministic.
Bytes encode_chunk(std::span<const std::byte> raw, const Hdf5Codec& codec, std::size_t type_size);

struct FilterStep {
  H5Z_filter_t id = 0;
  std::vector<unsigned> values;
  std::string text;  ///< "gzip 4"
};

/// The pipeline of a dataset-creation list, first filter first.
std::vector<FilterStep> filters_of(hid_t creation);

/// Whether decode_chunk() knows these filters: any order of shuffle and at most one of gzip and blosc, with
/// fletcher32 after them.
bool can_decode(const std::vector<FilterStep>& filters);

/// Decodes a stored chunk into `out`, the chunk's full size. Bit i of `mask` set: filter i was not applied.
/// False for a damaged chunk. Expects can_decode(filters).
bool decode_chunk(const std::vector<FilterStep>& filters, unsigned mask, std::span<const std::byte> stored,
                  std::size_t type_size, std::span<std::byte> out);

}  // namespace petavox::hdf5
