#include "petavox/pipeline/config_detail.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace petavox::config_detail {
namespace {

namespace fs = std::filesystem;

void remove(Value& map, std::string_view key) {
  std::erase_if(map.entries, [&](const auto& entry) { return entry.first == key; });
}

bool any_override(const Value& value) {
  return from_override(value) || std::any_of(value.items.begin(), value.items.end(), any_override) ||
         std::any_of(value.entries.begin(), value.entries.end(),
                     [](const auto& entry) { return any_override(entry.second); });
}

fs::path resolved(const Value& path, const fs::path& base) {
  const auto [file, dataset] = split_dataset(path.scalar);
  return ((from_override(path) ? fs::current_path() : base) / file).lexically_normal();
}

/// "path: file.h5:/raw" becomes path and dataset; a path from an override takes its dataset with it.
void split_path(Value& input, const fs::path& base) {
  Value* path = input.find("path");
  if (path == nullptr || path->kind != Value::Kind::scalar) return;
  const Value* dataset = input.find("dataset");
  const bool stale = dataset != nullptr && from_override(*path) && !from_override(*dataset);
  const auto [file, inside] = split_dataset(path->scalar);
  std::error_code ignored;
  if (stale && (!inside.empty() || fs::is_directory(resolved(*path, base), ignored))) {
    remove(input, "dataset");
    path = input.find("path");
    dataset = nullptr;
  }
  // Otherwise two datasets are given: left as it is, to be reported.
  if (inside.empty() || dataset != nullptr) return;
  const Position where = path->where;
  path->scalar = file;
  input.entries.emplace_back("dataset", Value::text(inside, where));
}

void settle_source(Value& input, const std::string& key, std::vector<std::string>& notes) {
  const Value *path = input.find("path"), *phantom = input.find("phantom");
  if (path == nullptr || phantom == nullptr || from_override(*path) == from_override(*phantom)) return;
  const bool path_wins = from_override(*path);
  notes.push_back(fmt::format("{}.{} from --set takes the place of {}.{} in the file", key,
                              path_wins ? "path" : "phantom", key, path_wins ? "phantom" : "path"));
  if (path_wins) {
    remove(input, "phantom");
  } else {
    remove(input, "path");
    remove(input, "dataset");
  }
}

bool main_was_replaced(const Value& main, const Value& written, const fs::path& base) {
  const Value* old_main = written.find("input");
  // What a list of tiles is made of comes from the list.
  if (old_main == nullptr || old_main->find("tiles") != nullptr) return false;
  const Value *path = main.find("path"), *old_path = old_main->find("path");
  if ((path == nullptr) != (old_path == nullptr)) return true;
  return path != nullptr && resolved(*path, base) != resolved(*old_path, base);
}

std::optional<Index> parse_index(const Value& value) {
  Index index{};
  const char *first = value.scalar.data(), *last = first + value.scalar.size();
  const auto [end, error] = std::from_chars(first, last, index);
  if (value.kind != Value::Kind::scalar || error != std::errc{} || end != last) return std::nullopt;
  return index;
}

std::optional<Box> to_box(const Value& value) {
  if (value.kind == Value::Kind::scalar) return parse_box(value.scalar);
  if (value.items.size() != 3) return std::nullopt;
  Box box;
  for (int axis = 0; axis < 3; ++axis) {
    const Value& range = value.items[static_cast<std::size_t>(axis)];
    if (range.items.size() != 2) return std::nullopt;
    const auto begin = parse_index(range.items[0]), end = parse_index(range.items[1]);
    if (!begin || !end || *end <= *begin) return std::nullopt;
    box.begin[axis] = *begin;
    box.end[axis] = *end;
  }
  return box;
}

void read_box(const Value& input, const std::string& key, InputSpec& spec, Problems& problems) {
  const Value* value = input.find("box");
  if (value == nullptr || value->kind == Value::Kind::none) return;
  constexpr Index far = Index{1} << 40;
  const std::optional<Box> box = to_box(*value);
  if (!box) {
    problems.add(value->where,
                 fmt::format("{}.box is not a box (three ranges begin:end are needed, each with "
                             "end > begin); write \"z0:z1,y0:y1,x0:x1\"",
                             key));
    return;
  }
  for (int axis = 0; axis < 3; ++axis)
    if (box->begin[axis] < -far || box->end[axis] > far) {
      problems.add(value->where, fmt::format("{}.box reaches beyond 2^40 voxels (no volume is that long); "
                                             "correct the numbers",
                                             key));
      return;
    }
  if (check_size(box->shape(), key + ".box", value->where, problems)) spec.box = box;
}

void read_voxel_size(Params& params, const Value& input, const std::string& key, InputSpec& spec) {
  const std::vector<double> size =
      params.numbers("voxel_size_nm", {}, {1e-3, 1e9}, "size of a voxel, z, y, x");
  if (input.find("voxel_size_nm") == nullptr) return;
  if (size.size() == 3)
    spec.voxel_size_nm = VoxelSizeNm{size[0], size[1], size[2]};
  else if (params.problems().empty())
    params.problems().add(params.where("voxel_size_nm"),
                          key + ".voxel_size_nm has not three numbers (axes are z, y, x); write [z, y, x]");
}

void read_phantom(const Value& value, const std::string& key, const PhantomSource* main, InputSpec& spec,
                  Problems& problems) {
  PhantomSource phantom = main != nullptr ? *main : PhantomSource{};
  if (value.kind == Value::Kind::scalar) {
    phantom.volume = value.scalar;
  } else if (value.kind == Value::Kind::list) {
    problems.add(value.where, key + " is a list (it has named parts); write {shape: [z, y, x], seed: 1}");
  } else {
    Params params{value, key, problems};
    if (main == nullptr) {
      phantom.shape = params.extent("shape", phantom.shape, {1, Index{1} << 30}, "size in voxels");
      phantom.seed = static_cast<std::uint64_t>(params.integer(
          "seed", static_cast<std::int64_t>(phantom.seed), {0}, "another seed, another tissue"));
      phantom.noise = params.number("noise", phantom.noise, {0, 4}, "strength of the image noise");
      phantom.section_variation =
          params.number("section_variation", phantom.section_variation, {0, 4},
                        "strength of the change of brightness from section to section");
      phantom.section_jitter_nm = params.number("section_jitter_nm", phantom.section_jitter_nm, {0, 1000},
                                                "largest shift of a section");
      check_size(phantom.shape, key + ".shape", params.where("shape"), problems);
    }
    phantom.volume = params.text("volume", phantom.volume, "which of the phantom's volumes");
    params.reject_unknown();
  }
  if (!is_safe_name(phantom.volume))
    problems.add(value.where, fmt::format("{}.volume is '{}' (it is not a name); write a word such as labels",
                                          key, phantom.volume.substr(0, 80)));
  spec.phantom = phantom;
}

/// `main` is nothing for the main input itself.
InputSpec read_input(const Value& input, const std::string& name, const InputSpec* main, Problems& problems) {
  const std::string key = main == nullptr ? "input" : "inputs." + name;
  InputSpec spec;
  spec.name = name;
  spec.where = input.where;
  if (input.kind != Value::Kind::map) {
    problems.add(
        input.where,
        fmt::format("{} is not a map (it needs a path or a phantom); write {{path: …, dataset: …}}", key));
    return spec;
  }
  Params params{input, key, problems};
  spec.path = params.text("path", main != nullptr ? main->path.string() : "", "file or directory of images");
  spec.dataset = params.text("dataset", "", "inside an HDF5 file");
  const std::string gaps =
      params.choice("gaps", "refuse", {"refuse", "blank", "skip"}, "a missing section of an image stack");
  spec.gaps = gaps == "blank" ? GapPolicy::blank : gaps == "skip" ? GapPolicy::skip : GapPolicy::refuse;
  read_voxel_size(params, input, key, spec);
  read_box(input, key, spec, problems);
  const Value* phantom = input.find("phantom");
  if (phantom != nullptr && input.find("path") != nullptr)
    problems.add(phantom->where, key + " has both a path and a phantom (only one can be read); remove one");
  if (phantom != nullptr) {
    if (main != nullptr && !main->phantom)
      problems.add(phantom->where, key +
                                       ".phantom refers to the phantom of the main input (which has none); "
                                       "give a path");
    read_phantom(*phantom, key + ".phantom", main != nullptr && main->phantom ? &*main->phantom : nullptr,
                 spec, problems);
    spec.path.clear();
    if (!spec.dataset.empty())
      problems.add(params.where("dataset"), key +
                                                ".dataset stands beside a phantom (nothing would read it); "
                                                "remove it");
  } else if (spec.path.empty()) {
    problems.add(input.where, key + " has neither a path nor a phantom (there is nothing to read); give one");
  }
  if (spec.path.string().find(":/") != std::string::npos)
    problems.add(params.where("dataset"),
                 key +
                     " names a dataset in `path` and in `dataset` (they may differ); "
                     "keep one");
  params.reject_unknown(main == nullptr ? std::vector<std::string>{"box", "phantom", "mask"}
                                        : std::vector<std::string>{"box", "phantom"});
  return spec;
}

void read_mask(const Value& mask, RunConfig& config, Problems& problems) {
  if (mask.kind == Value::Kind::none) return;
  MaskSpec spec;
  spec.where = mask.where;
  if (mask.kind == Value::Kind::scalar) {
    std::string file;
    std::tie(file, spec.dataset) = split_dataset(mask.scalar);
    spec.path = file;
  } else if (mask.kind == Value::Kind::map) {
    Params params{mask, "input.mask", problems};
    spec.path = params.required_text("path", "the file or directory of the mask");
    spec.dataset = params.text("dataset", "", "inside an HDF5 file");
    spec.invert = params.flag("invert", false, "count the zeros instead");
    params.reject_unknown();
  } else {
    problems.add(mask.where, "input.mask is a list (one mask is possible); write file.h5:/dataset");
    return;
  }
  config.mask = spec;
}

}  // namespace

namespace {

/// `input: {tiles: list.csv}` is short for the mosaic of the list as main input and inputs `tiles` and
/// `tile_list`.
void spell_out_tiles(Value& root, Problems& problems) {
  Value* main = root.find("input");
  const Value* tiles = main != nullptr ? main->find("tiles") : nullptr;
  if (tiles == nullptr) return;
  if (main->find("path") != nullptr || main->find("phantom") != nullptr || main->find("mask") != nullptr) {
    problems.add(tiles->where,
                 "input.tiles stands beside a path, a phantom or a mask (the tiles are the input, "
                 "and a mask would cut them before they are placed); keep one");
    return;
  }
  if (tiles->kind != Value::Kind::scalar) {
    problems.add(tiles->where, "input.tiles is not a path (one list is read); write tiles: tiles.csv");
    return;
  }
  const Value list = *tiles;
  remove(*main, "tiles");
  main->entries.emplace_back("path", list);
  main->entries.emplace_back("dataset", Value::text("mosaic", list.where));
  if (root.find("inputs") == nullptr) {
    Value none;
    none.kind = Value::Kind::map;
    none.where = list.where;
    root.entries.emplace_back("inputs", none);
  }
  Value& others = *root.find("inputs");
  for (const auto& [name, part] : {std::pair{"tiles", "tiles"}, std::pair{"tile_list", "list"}}) {
    if (others.find(name) != nullptr) continue;
    Value input;
    input.kind = Value::Kind::map;
    input.where = list.where;
    input.entries.emplace_back("path", list);
    input.entries.emplace_back("dataset", Value::text(part, list.where));
    others.entries.emplace_back(name, input);
  }
}

}  // namespace

void settle_inputs(Value& root, const Value& written, const fs::path& base, RunConfig& config,
                   Problems& problems) {
  spell_out_tiles(root, problems);
  Value* main = root.find("input");
  if (main == nullptr) return;
  settle_source(*main, "input", config.notes);
  // Before the path is split, so that equal texts compare equal.
  const bool replaced = main_was_replaced(*main, written, base);
  split_path(*main, base);
  Value* others = root.find("inputs");
  if (others == nullptr) return;
  for (auto& [name, input] : others->entries) {
    settle_source(input, "inputs." + name, config.notes);
    split_path(input, base);
    if (!replaced || any_override(input)) continue;
    config.absent_inputs.push_back(name);
    config.notes.push_back(
        fmt::format("input '{}' belongs to the input that --set replaced and is left out; give "
                    "--set inputs.{}.path=… for another",
                    name, name));
  }
  for (const std::string& name : config.absent_inputs) remove(*others, name);
}

void read_inputs(const Value& root, RunConfig& config, Problems& problems) {
  const Value* main = root.find("input");
  if (main == nullptr) {
    problems.add(root.where,
                 "`input` is missing (there is nothing to work on); add input: {path: …, dataset: …}");
    config.inputs.push_back({});
    config.inputs.back().name = "input";
    return;
  }
  config.inputs.push_back(read_input(*main, "input", nullptr, problems));
  if (const Value* mask = main->find("mask")) read_mask(*mask, config, problems);
  const InputSpec main_spec = config.inputs.front();
  for (const auto& [name, input] : section(root, "inputs", problems).entries) {
    if (!is_safe_name(name) || name == "input") {
      problems.add(input.where,
                   fmt::format("inputs.{} is not a possible name (it is 'input' itself or has "
                               "other characters than letters, digits, '_', '.', '-'); rename it",
                               name.substr(0, 80)));
      continue;
    }
    config.inputs.push_back(read_input(input, name, &main_spec, problems));
  }
}

}  // namespace petavox::config_detail

std::string petavox::to_string(const PhantomSource& source) {
  return fmt::format("phantom {} of {} seed {} noise {} variation {} jitter {} nm", source.volume,
                     to_string(source.shape), source.seed, source.noise, source.section_variation,
                     source.section_jitter_nm);
}
