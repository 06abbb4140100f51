#include "petavox/io/manifest.hpp"

#include "petavox/base/checked.hpp"

#include <charconv>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

namespace petavox {
namespace {

using Json = nlohmann::ordered_json;

constexpr int max_depth = 16;
constexpr int max_channels = 1 << 16;
constexpr Index max_coordinate = Index{1} << 60;

[[noreturn]] void refuse(const std::string& where, const std::string& problem) {
  throw Error{ErrorCode::io, "manifest: " + where + " " + problem +
                                 " (the file is damaged or not a manifest); restore it or run again"};
}

// --- reading: every access names the place in the document

const Json& member(const Json& object, const std::string& where, const char* key) {
  if (!object.is_object()) refuse(where.empty() ? "the document" : where, "is not an object");
  const auto found = object.find(key);
  if (found == object.end()) refuse(where + "/" + key, "is missing");
  return *found;
}

std::string text(const Json& object, const std::string& where, const char* key) {
  const Json& value = member(object, where, key);
  if (!value.is_string()) refuse(where + "/" + key, "is not a text");
  return value.get<std::string>();
}

std::uint64_t size(const Json& object, const std::string& where, const char* key) {
  const Json& value = member(object, where, key);
  if (!value.is_number_unsigned()) refuse(where + "/" + key, "is not a whole number of at least 0");
  return value.get<std::uint64_t>();
}

const Json& list(const Json& object, const std::string& where, const char* key) {
  const Json& value = member(object, where, key);
  if (!value.is_array()) refuse(where + "/" + key, "is not a list");
  return value;
}

Hash128 hash(const Json& object, const std::string& where, const char* key) {
  const std::string digits = text(object, where, key);
  Hash128 value;
  const char* at = digits.data();
  const auto half = [&](std::uint64_t& into) {
    const auto [end, error] = std::from_chars(at, at + 16, into, 16);
    return error == std::errc{} && end == at + 16;
  };
  bool good = digits.size() == 32 && half(value.high);
  at += 16;
  good = good && half(value.low);
  if (!good || to_hex(value) != digits) refuse(where + "/" + key, "is not 32 lower-case hexadecimal digits");
  return value;
}

Box box(const Json& object, const std::string& where, const char* key) {
  const auto parsed = parse_box(text(object, where, key));
  if (!parsed) refuse(where + "/" + key, "is not a box z0:z1,y0:y1,x0:x1");
  for (int axis = 0; axis < 3; ++axis)
    if (parsed->begin[axis] < -max_coordinate || parsed->end[axis] > max_coordinate)
      refuse(where + "/" + key, "has a coordinate out of range");
  return *parsed;
}

std::string file_name(const Json& object, const std::string& where, const char* key) {
  std::string name = text(object, where, key);
  try {
    check_relative_name(name);
  } catch (const Error& error) {
    refuse(where + "/" + key, std::string{"is not a file of the run: "} + error.what());
  }
  return name;
}

VoxelSizeNm voxel_size(const Json& object, const std::string& where) {
  const Json& value = list(object, where, "voxel_size_nm");
  VoxelSizeNm sizes{};
  bool good = value.size() == 3;
  for (std::size_t i = 0; good && i < 3; ++i) {
    good = value[i].is_number() && std::isfinite(value[i].get<double>()) && value[i].get<double>() > 0;
    if (good) sizes[i] = value[i].get<double>();
  }
  if (!good) refuse(where + "/voxel_size_nm", "is not three positive numbers");
  return sizes;
}

ManifestVolume read_volume(const Json& json, const std::string& where) {
  ManifestVolume volume;
  volume.name = text(json, where, "name");
  volume.kind = text(json, where, "kind");
  if (volume.kind != "image" && volume.kind != "labels")
    refuse(where + "/kind", "is neither image nor labels");
  const auto dtype = parse_dtype(text(json, where, "dtype"));
  if (!dtype) refuse(where + "/dtype", "is not a known voxel type");
  volume.dtype = *dtype;
  const std::uint64_t channels = size(json, where, "channels");
  if (channels < 1 || channels > max_channels) refuse(where + "/channels", "is out of range");
  volume.channels = static_cast<int>(channels);
  volume.domain = box(json, where, "domain");
  volume.voxel_size_nm = voxel_size(json, where);
  if (!text(json, where, "file").empty()) volume.file = file_name(json, where, "file");
  volume.dataset = text(json, where, "dataset");
  const Json& shards = list(json, where, "shards");
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string at = where + "/shards/" + std::to_string(i);
    ManifestShard shard;
    shard.file = file_name(shards[i], at, "file");
    shard.box = box(shards[i], at, "box");
    shard.size_bytes = size(shards[i], at, "size_bytes");
    shard.checksum = hash(shards[i], at, "checksum");
    if (!volume.domain.contains(shard.box)) refuse(at + "/box", "is not inside the volume's domain");
    volume.shards.push_back(std::move(shard));
  }
  volume.digest = hash(json, where, "digest");
  return volume;
}

ManifestTable read_table(const Json& json, const std::string& where) {
  ManifestTable table;
  table.name = text(json, where, "name");
  table.file = file_name(json, where, "file");
  table.num_rows = size(json, where, "num_rows");
  table.size_bytes = size(json, where, "size_bytes");
  table.checksum = hash(json, where, "checksum");
  table.digest = hash(json, where, "digest");
  return table;
}

Json parse(std::string_view document) {
  const auto limit_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > max_depth) refuse("the document", "is nested too deeply");
    return true;
  };
  try {
    return Json::parse(document, limit_depth);
  } catch (const nlohmann::json::exception& error) {
    refuse("the document", std::string{"is not JSON: "} + error.what());
  }
}

}  // namespace

std::string manifest_to_text(const Manifest& manifest) {
  Json json;
  json["format"] = "petavox manifest";
  json["schema_version"] = Manifest::schema_version;
  json["digest"] = to_hex(manifest.digest);
  Json& provenance = json["provenance"] = Json::object();
  for (const auto& [key, value] : manifest.provenance) provenance[key] = value;
  Json& volumes = json["volumes"] = Json::array();
  for (const ManifestVolume& v : manifest.volumes) {
    Json shards = Json::array();
    for (const ManifestShard& s : v.shards)
      shards.push_back({{"file", s.file},
                        {"box", to_string(s.box)},
                        {"size_bytes", s.size_bytes},
                        {"checksum", to_hex(s.checksum)}});
    volumes.push_back({{"name", v.name},
                       {"kind", v.kind},
                       {"dtype", name_of(v.dtype)},
                       {"channels", v.channels},
                       {"domain", to_string(v.domain)},
                       {"voxel_size_nm", v.voxel_size_nm},
                       {"file", v.file},
                       {"dataset", v.dataset},
                       {"digest", to_hex(v.digest)},
                       {"shards", std::move(shards)}});
  }
  Json& tables = json["tables"] = Json::array();
  for (const ManifestTable& t : manifest.tables)
    tables.push_back({{"name", t.name},
                      {"file", t.file},
                      {"num_rows", t.num_rows},
                      {"size_bytes", t.size_bytes},
                      {"checksum", to_hex(t.checksum)},
                      {"digest", to_hex(t.digest)}});
  // A path or name that is not UTF-8 is shown with replacement characters rather than losing the manifest.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Manifest manifest_from_text(std::string_view document) {
  const Json json = parse(document);
  if (text(json, "", "format") != "petavox manifest") refuse("/format", "is not \"petavox manifest\"");
  const std::uint64_t version = size(json, "", "schema_version");
  if (version != static_cast<std::uint64_t>(Manifest::schema_version))
    throw Error{ErrorCode::io, "the manifest has schema version " + std::to_string(version) +
                                   " (this program reads version " +
                                   std::to_string(Manifest::schema_version) +
                                   "); use the petavox that made it"};
  Manifest manifest;
  manifest.digest = hash(json, "", "digest");
  const Json& provenance = member(json, "", "provenance");
  if (!provenance.is_object()) refuse("/provenance", "is not an object");
  for (const auto& [key, value] : provenance.items()) {
    if (!value.is_string()) refuse("/provenance/" + key, "is not a text");
    manifest.provenance.emplace_back(key, value.get<std::string>());
  }
  const Json& volumes = list(json, "", "volumes");
  for (std::size_t i = 0; i < volumes.size(); ++i)
    manifest.volumes.push_back(read_volume(volumes[i], "/volumes/" + std::to_string(i)));
  const Json& tables = list(json, "", "tables");
  for (std::size_t i = 0; i < tables.size(); ++i)
    manifest.tables.push_back(read_table(tables[i], "/tables/" + std::to_string(i)));
  return manifest;
}

void write_manifest(const OutputRoot& root, const Manifest& manifest, std::string_view name) {
  const std::string document = manifest_to_text(manifest);
  root.atomically_replace(name, bytes_of(document));
}

Manifest read_manifest(const OutputRoot& root, std::string_view name, std::uint64_t max_bytes) {
  const Bytes bytes = root.read_file(name, max_bytes);
  try {
    return manifest_from_text(text_of(bytes));
  } catch (const Error& error) {
    throw Error{error.code(), root.path() + "/" + std::string{name} + ": " + error.what()};
  }
}

}  // namespace petavox
