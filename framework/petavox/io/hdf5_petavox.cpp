#include "petavox/io/hdf5_petavox.hpp"

#include "petavox/base/check.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace petavox::hdf5 {
namespace {

constexpr const char* format_attribute = "petavox_format";
constexpr const char* fingerprint_attribute = "petavox_fingerprint";
constexpr const char* domain_attribute = "petavox_domain";
constexpr const char* shard_shape_attribute = "petavox_shard_shape";
constexpr const char* chunk_shape_attribute = "petavox_chunk_shape";
constexpr const char* codec_attribute = "petavox_codec";
constexpr const char* shard_attribute = "petavox_shard";
constexpr const char* shard_checksums_attribute = "petavox_shard_checksums";

void write_attribute(hid_t object, const char* name, hid_t stored, hid_t memory, std::size_t count,
                     const void* data) {
  const std::string problem = std::string{"cannot write attribute "} + name;
  const char* advice = "check that the disk is not full";
  const hsize_t dims = count;
  const Handle space = count == 0 ? own(H5Screate(H5S_SCALAR), H5Sclose, problem, advice)
                                  : own(H5Screate_simple(1, &dims, nullptr), H5Sclose, problem, advice);
  const Handle attribute =
      own(H5Acreate2(object, name, stored, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, problem, advice);
  if (H5Awrite(attribute.id(), memory, data) < 0) fail(problem, advice);
}

void write_doubles(hid_t object, const char* name, const std::array<double, 3>& values) {
  write_attribute(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 3, values.data());
}

void write_integers(hid_t object, const char* name, std::span<const std::int64_t> values) {
  write_attribute(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, values.size(), values.data());
}

void write_unsigned(hid_t object, const char* name, std::span<const std::uint64_t> values) {
  write_attribute(object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, values.size(), values.data());
}

void write_text(hid_t object, const char* name, const std::string& text) {
  const Handle type = own(H5Tcopy(H5T_C_S1), H5Tclose, "cannot make a text type", "this is a bug");
  H5Tset_size(type.id(), std::max<std::size_t>(text.size(), 1));
  H5Tset_strpad(type.id(), H5T_STR_NULLPAD);
  write_attribute(object, name, type.id(), type.id(), 0, text.data());
}

std::string codec_word(const Hdf5Codec& codec) { return codec.gzip ? "gzip" : name_of(codec.options.codec); }

void write_common(hid_t dataset, const ShardSpec& spec) {
  const auto& [domain, shard, chunk] = spec.layout;
  const std::array<std::int64_t, 1> format{shard_format};
  write_integers(dataset, format_attribute, format);
  const std::array<std::uint64_t, 2> fingerprint{spec.fingerprint.high, spec.fingerprint.low};
  write_unsigned(dataset, fingerprint_attribute, fingerprint);
  const std::array<std::int64_t, 6> box{domain.begin.z, domain.begin.y, domain.begin.x,
                                        domain.end.z,   domain.end.y,   domain.end.x};
  write_integers(dataset, domain_attribute, box);
  write_integers(dataset, shard_shape_attribute, std::array<std::int64_t, 3>{shard.z, shard.y, shard.x});
  write_integers(dataset, chunk_shape_attribute, std::array<std::int64_t, 3>{chunk.z, chunk.y, chunk.x});
  write_text(dataset, codec_attribute,
             codec_word(spec.codec) + " " + std::to_string(spec.codec.options.level) + " " +
                 name_of(spec.codec.options.shuffle));
}

[[noreturn]] void contradiction(const std::string& name, const std::string& what) {
  throw Error{ErrorCode::io,
              name + " says that petavox wrote it, but " + what +
                  " (it was changed or is damaged); get a fresh copy, or remove its petavox_… attributes"};
}

template <class T>
T require(std::optional<T> value, const std::string& name, const char* attribute) {
  if (!value) contradiction(name, std::string{"attribute "} + attribute + " is missing or malformed");
  return *std::move(value);
}

Hdf5Codec parse_codec_text(const std::string& text, const std::string& name) {
  const auto first = text.find(' '), second = text.find(' ', first + 1);
  if (first == std::string::npos || second != first + 2) contradiction(name, "its codec is unknown");
  try {
    return parse_hdf5_codec(text.substr(0, first), text[first + 1] - '0', text.substr(second + 1));
  } catch (const Error&) {
    contradiction(name, "its codec is unknown");
  }
}

ShardSpec read_spec(const Dataset& d, const std::string& name) {
  const hid_t id = d.dataset.id();
  const auto format = require(read_integers(id, format_attribute, 1), name, format_attribute);
  if (format[0] != shard_format)
    throw Error{ErrorCode::io, name + " has format " + std::to_string(format[0]) +
                                   " (this program knows format " + std::to_string(shard_format) +
                                   "); use a newer petavox"};
  const auto print = require(read_unsigned(id, fingerprint_attribute, 2), name, fingerprint_attribute);
  const auto box = require(read_integers(id, domain_attribute, 6), name, domain_attribute);
  const auto shard = require(read_integers(id, shard_shape_attribute, 3), name, shard_shape_attribute);
  const auto chunk = require(read_integers(id, chunk_shape_attribute, 3), name, chunk_shape_attribute);
  const auto codec = require(read_text(id, codec_attribute), name, codec_attribute);
  constexpr Index far = Index{1} << 60;
  for (const std::int64_t v : box)
    if (v < -far || v > far) contradiction(name, "its domain is out of range");
  ShardSpec spec;
  const Box domain{{box[0], box[1], box[2]}, {box[3], box[4], box[5]}};
  try {
    spec.layout = make_shard_layout(domain, {shard[0], shard[1], shard[2]}, {chunk[0], chunk[1], chunk[2]},
                                    d.info.dtype);
  } catch (const Error&) {
    contradiction(name, "its shards cannot be");
  }
  spec.dtype = d.info.dtype;
  spec.channels = d.info.channels;
  spec.voxel_size_nm = d.info.voxel_size_nm;
  spec.codec = parse_codec_text(codec, name);
  spec.fingerprint = {print[0], print[1]};
  return spec;
}

ShardSet single_shard(const Dataset& d, ShardSpec spec, const std::string& name) {
  const auto shard = require(read_integers(d.dataset.id(), shard_attribute, 1), name, shard_attribute)[0];
  const Tiling tiling = spec.layout.shards();
  if (shard < 0 || shard >= tiling.count()) contradiction(name, "its number is not in its volume");
  if (tiling.core(shard).shape() != d.info.shape) contradiction(name, "its shape is not that of its place");
  spec.dataset = d.info.dataset;
  ShardRecord record;
  record.shard = shard;
  record.file = d.info.file.filename().string();
  const auto directory = d.info.file.parent_path();
  return {std::move(spec), directory.empty() ? "." : directory, {record}};
}

ShardSet all_shards(const Dataset& d, ShardSpec spec, const std::string& name) {
  const Tiling tiling = spec.layout.shards();
  if (spec.layout.domain.shape() != d.info.shape) contradiction(name, "its shape is not that of its domain");
  if (static_cast<Index>(d.mappings.size()) != tiling.count())
    contradiction(name, "shards are missing in it");
  const auto checksums = require(read_unsigned(d.dataset.id(), shard_checksums_attribute, d.mappings.size()),
                                 name, shard_checksums_attribute);
  ShardSet set;
  const auto directory = d.info.file.parent_path();
  set.directory = directory.empty() ? "." : directory;
  std::vector<bool> seen(d.mappings.size());
  for (const Mapping& mapping : d.mappings) {
    const Coord first = spec.layout.domain.begin +
                        Extent{mapping.target.begin.z, mapping.target.begin.y, mapping.target.begin.x};
    if (!spec.layout.domain.contains(first)) contradiction(name, "a shard lies outside its domain");
    const Index shard = tiling.block_of(first);
    const Box core = tiling.core(shard);
    if (core.begin != first || core.shape() != mapping.target.shape() || mapping.source.begin != Coord{} ||
        seen[usize(shard)])
      contradiction(name, "a shard is not where it should be");
    seen[usize(shard)] = true;
    if (spec.dataset != mapping.dataset && !set.records.empty())
      contradiction(name, "its shards are named differently");
    spec.dataset = mapping.dataset;
    ShardRecord record;
    record.shard = shard;
    record.file = mapping.file;
    record.checksum = checksums[usize(shard)];
    set.records.push_back(std::move(record));
  }
  set.spec = std::move(spec);
  return set;
}

}  // namespace

void write_public_attributes(hid_t dataset, const VoxelSizeNm& size, int channels, Coord begin) {
  write_doubles(dataset, "voxel_size_nm", size);
  write_doubles(dataset, "resolution", size);
  write_text(dataset, "axes", channels > 1 ? "czyx" : "zyx");
  write_doubles(dataset, "offset",
                {static_cast<double>(begin.z) * size[0], static_cast<double>(begin.y) * size[1],
                 static_cast<double>(begin.x) * size[2]});
}

void write_shard_attributes(hid_t dataset, const ShardSpec& spec, Index shard) {
  write_common(dataset, spec);
  write_integers(dataset, shard_attribute, std::array<std::int64_t, 1>{shard});
}

void write_shard_attributes(hid_t dataset, const ShardSpec& spec, const std::vector<ShardRecord>& records) {
  write_common(dataset, spec);
  std::vector<std::uint64_t> checksums(records.size());
  for (const ShardRecord& record : records) {
    PETAVOX_ASSERT(record.shard >= 0 && usize(record.shard) < checksums.size());
    checksums[usize(record.shard)] = record.checksum;
  }
  write_unsigned(dataset, shard_checksums_attribute, checksums);
}

std::optional<ShardSet> shard_set_of(const Dataset& dataset) {
  const Lock lock;
  if (H5Aexists(dataset.dataset.id(), format_attribute) <= 0) return std::nullopt;
  const std::string name = where(dataset.info.file, dataset.info.dataset);
  ShardSpec spec = read_spec(dataset, name);
  return dataset.is_virtual ? all_shards(dataset, std::move(spec), name)
                            : single_shard(dataset, std::move(spec), name);
}

std::uint64_t chunk_key(const Hash128& fingerprint, Index shard, Index chunk) {
  constexpr std::uint64_t step = 0x9e3779b97f4a7c15ULL;
  std::uint64_t key = mix64(fingerprint.high + step);
  key = mix64(key ^ fingerprint.low);
  key = mix64(key + step * (static_cast<std::uint64_t>(shard) + 1));
  return mix64(key + step * (static_cast<std::uint64_t>(chunk) + 2));
}

}  // namespace petavox::hdf5
