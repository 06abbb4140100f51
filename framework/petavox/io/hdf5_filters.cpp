#include "petavox/io/hdf5_filters.hpp"

#include "petavox/base/check.hpp"
#include "petavox/io/codec.hpp"
#include "petavox/io/hdf5_library.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <zlib.h>

namespace petavox::hdf5 {
namespace {

// Parameters of the registered filter 32001: filter revision, format version, type size, chunk bytes, level,
// shuffle, compressor.
constexpr std::size_t num_blosc_values = 7;
constexpr unsigned blosc_filter_revision = 2;
constexpr unsigned blosc_format_version = 2;
constexpr std::array<Codec, 5> blosc_codecs{Codec::blosclz, Codec::lz4, Codec::lz4hc, Codec::zlib,
                                            Codec::zstd};

CodecOptions codec_of_values(std::size_t count, const unsigned* values) {
  CodecOptions options{Codec::blosclz, 5, Shuffle::byte};
  if (count > 4) options.level = static_cast<int>(std::min(values[4], 9U));
  if (count > 5)
    options.shuffle = values[5] == 0 ? Shuffle::none : values[5] == 2 ? Shuffle::bit : Shuffle::byte;
  if (count > 6)
    for (const Codec codec : blosc_codecs)
      if (static_cast<unsigned>(blosc_code(codec)) == values[6]) options.codec = codec;
  return options;
}

// Replaces the library's buffer, which is malloc'ed, by a copy of `bytes`; 0 means failure to the library.
std::size_t hand_over(const void* bytes, std::size_t size, std::size_t* buffer_size, void** buffer) {
  void* fresh = std::malloc(std::max<std::size_t>(size, 1));
  if (fresh == nullptr) return 0;
  std::memcpy(fresh, bytes, size);
  std::free(*buffer);
  *buffer = fresh;
  *buffer_size = size;
  return size;
}

// An exception must not cross the library.
std::size_t blosc_callback(unsigned flags, std::size_t count, const unsigned* values, std::size_t num_bytes,
                           std::size_t* buffer_size, void** buffer) noexcept {
  try {
    const std::span<const std::byte> given{static_cast<const std::byte*>(*buffer), num_bytes};
    if ((flags & H5Z_FLAG_REVERSE) != 0) {
      const std::size_t size = blosc_data_bytes(given);
      // The filter's parameters hold the chunk's size: a buffer that claims more is damaged, and no reason to
      // allocate.
      if (size == 0 || (count > 3 && values[3] != 0 && size > values[3])) return 0;
      Bytes out(size);
      blosc_unpack(given, out);
      return hand_over(out.data(), out.size(), buffer_size, buffer);
    }
    const std::size_t type_size = count > 2 && values[2] > 0 ? values[2] : 1;
    const Bytes frame = blosc_buffer(given, type_size, codec_of_values(count, values));
    return hand_over(frame.data(), frame.size(), buffer_size, buffer);
  } catch (...) {
    return 0;
  }
}

void shuffle_bytes(std::span<const std::byte> in, std::size_t type_size, std::span<std::byte> out) {
  const std::size_t elements = in.size() / type_size;
  for (std::size_t j = 0; j < type_size; ++j)
    for (std::size_t i = 0; i < elements; ++i) out[j * elements + i] = in[i * type_size + j];
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(elements * type_size), in.end(),
            out.begin() + static_cast<std::ptrdiff_t>(elements * type_size));
}

void unshuffle_bytes(std::span<const std::byte> in, std::size_t type_size, std::span<std::byte> out) {
  const std::size_t elements = in.size() / type_size;
  for (std::size_t j = 0; j < type_size; ++j)
    for (std::size_t i = 0; i < elements; ++i) out[i * type_size + j] = in[j * elements + i];
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(elements * type_size), in.end(),
            out.begin() + static_cast<std::ptrdiff_t>(elements * type_size));
}

Bytes deflate_bytes(std::span<const std::byte> raw, int level) {
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes out(size);
  const int rc = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                           reinterpret_cast<const Bytef*>(raw.data()), static_cast<uLong>(raw.size()), level);
  if (rc != Z_OK)
    throw Error{ErrorCode::internal,
                "zlib cannot compress a chunk (code " + std::to_string(rc) + "); choose another codec"};
  out.resize(size);
  return out;
}

bool inflate_bytes(std::span<const std::byte> stored, std::span<std::byte> out) {
  uLongf size = static_cast<uLongf>(out.size());
  const int rc = uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                            reinterpret_cast<const Bytef*>(stored.data()), static_cast<uLong>(stored.size()));
  return rc == Z_OK && size == out.size();
}

// True if `stored` was a blosc buffer of out.size() bytes.
bool unblosc_bytes(std::span<const std::byte> stored, std::span<std::byte> out) {
  try {
    blosc_unpack(stored, out);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The library's checksum behind a chunk, over big-endian words of two bytes (H5_checksum_fletcher32; format
// specification, "Fletcher32 filter").
std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  std::uint32_t low = 0, high = 0;
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffffU) + (sum >> 16); };
  std::size_t in_a_row = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    low += static_cast<std::uint32_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) low += static_cast<std::uint32_t>(bytes[i + 1]);
    high += low;
    if (++in_a_row == 360) {  // before the sums of 32 bits could overflow
      low = fold(low);
      high = fold(high);
      in_a_row = 0;
    }
  }
  return fold(fold(high)) << 16 | fold(fold(low));
}

// Without the checksum; nothing if it does not fit.
std::optional<std::span<const std::byte>> without_fletcher32(std::span<const std::byte> stored) {
  std::uint32_t there = 0;
  if (stored.size() < sizeof there) return std::nullopt;
  const auto data = stored.first(stored.size() - sizeof there);
  std::memcpy(&there, stored.data() + data.size(), sizeof there);
  if (there != fletcher32(data)) return std::nullopt;
  return data;
}

bool is_compressor(H5Z_filter_t id) { return id == H5Z_FILTER_DEFLATE || id == blosc_filter; }

std::string describe(H5Z_filter_t id, const std::vector<unsigned>& values, const char* name) {
  switch (id) {
    case H5Z_FILTER_DEFLATE:
      return values.empty() ? "gzip" : "gzip " + std::to_string(values[0]);
    case H5Z_FILTER_SHUFFLE:
      return "shuffle";
    case H5Z_FILTER_FLETCHER32:
      return "fletcher32";
    case H5Z_FILTER_SZIP:
      return "szip";
    case H5Z_FILTER_NBIT:
      return "nbit";
    case H5Z_FILTER_SCALEOFFSET:
      return "scaleoffset";
    case blosc_filter: {
      std::string text = "blosc";
      if (values.size() > 6)
        text += std::string{" "} + name_of(codec_of_values(values.size(), values.data()).codec);
      if (values.size() > 4) text += " " + std::to_string(values[4]);
      return text;
    }
    default: {
      std::string text = "filter " + std::to_string(id);
      if (name[0] != '\0') text += std::string{" ("} + name + ")";
      return text;
    }
  }
}

}  // namespace

void register_blosc_filter() {
  static const H5Z_class2_t filter{H5Z_CLASS_T_VERS, blosc_filter, 1,       1,
                                   "blosc",          nullptr,      nullptr, blosc_callback};
  if (H5Zregister(&filter) < 0)
    throw Error{ErrorCode::internal,
                "the blosc filter cannot be registered with HDF5 (compressed volumes cannot be read or "
                "written); check the installation"};
}

void set_codec(hid_t creation, const Hdf5Codec& codec, std::size_t type_size, std::size_t chunk_bytes) {
  const auto& [kind, level, shuffle] = codec.options;
  herr_t rc = 0;
  if (codec.gzip) {
    if (shuffle == Shuffle::byte) rc = H5Pset_shuffle(creation);
    if (rc >= 0) rc = H5Pset_deflate(creation, static_cast<unsigned>(level));
  } else if (kind != Codec::none) {
    const std::array<unsigned, num_blosc_values> values{blosc_filter_revision,
                                                        blosc_format_version,
                                                        static_cast<unsigned>(type_size),
                                                        static_cast<unsigned>(chunk_bytes),
                                                        static_cast<unsigned>(level),
                                                        static_cast<unsigned>(shuffle),
                                                        static_cast<unsigned>(blosc_code(kind))};
    static_assert(static_cast<unsigned>(Shuffle::byte) == 1 && static_cast<unsigned>(Shuffle::bit) == 2);
    rc = H5Pset_filter(creation, blosc_filter, H5Z_FLAG_MANDATORY, values.size(), values.data());
  }
  if (rc < 0) fail("cannot set the codec " + to_string(codec), "choose another codec");
}

Bytes encode_chunk(std::span<const std::byte> raw, const Hdf5Codec& codec, std::size_t type_size) {
  if (codec.options.codec == Codec::none) return {raw.begin(), raw.end()};
  if (!codec.gzip) return blosc_buffer(raw, type_size, codec.options);
  if (codec.options.shuffle != Shuffle::byte) return deflate_bytes(raw, codec.options.level);
  Bytes shuffled(raw.size());
  shuffle_bytes(raw, type_size, shuffled);
  return deflate_bytes(shuffled, codec.options.level);
}

std::vector<FilterStep> filters_of(hid_t creation) {
  std::vector<FilterStep> steps;
  const int count = H5Pget_nfilters(creation);
  if (count < 0) fail("cannot read the filters of a dataset", "the file may be damaged; get a fresh copy");
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::array<unsigned, 32> values{};
    std::size_t num_values = values.size();
    std::array<char, 64> name{};
    const H5Z_filter_t id = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &num_values,
                                           values.data(), name.size() - 1, name.data(), &config);
    // Where a filter is not available the call fails after it has filled in the rest.
    if (id < 0) fail("cannot read the filters of a dataset", "the file may be damaged; get a fresh copy");
    num_values = std::min(num_values, values.size());
    FilterStep step{id, {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(num_values)}, {}};
    step.text = describe(id, step.values, name.data());
    steps.push_back(std::move(step));
  }
  return steps;
}

bool can_decode(const std::vector<FilterStep>& filters) {
  const auto known = [&](const FilterStep& f) {
    return is_compressor(f.id) || f.id == H5Z_FILTER_SHUFFLE ||
           (f.id == H5Z_FILTER_FLETCHER32 && &f == &filters.back());
  };
  const auto compressors =
      std::count_if(filters.begin(), filters.end(), [](const FilterStep& f) { return is_compressor(f.id); });
  return compressors <= 1 && std::all_of(filters.begin(), filters.end(), known);
}

bool decode_chunk(const std::vector<FilterStep>& filters, unsigned mask, std::span<const std::byte> stored,
                  std::size_t type_size, std::span<std::byte> out) {
  const auto skipped = [&](std::size_t i) { return i < 32 && (mask >> i & 1U) != 0; };
  std::size_t last = 0;  // the filter that is undone last
  while (last < filters.size() && skipped(last)) ++last;
  Bytes current;
  std::span<const std::byte> now = stored;
  for (std::size_t i = filters.size(); i-- > last;) {
    if (skipped(i)) continue;
    if (filters[i].id == H5Z_FILTER_FLETCHER32) {
      const auto data = without_fletcher32(now);
      if (!data) return false;
      now = *data;
      continue;
    }
    Bytes scratch(i == last ? 0 : out.size());
    const std::span<std::byte> next = i == last ? out : std::span{scratch};
    if (filters[i].id == H5Z_FILTER_SHUFFLE) {
      if (now.size() != out.size()) return false;
      const std::size_t size = filters[i].values.empty() ? type_size : filters[i].values[0];
      if (size == 0) return false;
      unshuffle_bytes(now, size, next);
    } else if (filters[i].id == H5Z_FILTER_DEFLATE) {
      if (!inflate_bytes(now, next)) return false;
    } else {
      PETAVOX_ASSERT(filters[i].id == blosc_filter);
      if (!unblosc_bytes(now, next)) return false;
    }
    if (i == last) return true;
    current = std::move(scratch);
    now = current;
  }
  if (now.size() != out.size()) return false;
  std::copy(now.begin(), now.end(), out.begin());
  return true;
}

}  // namespace petavox::hdf5
