#include "petavox/run/step_block.hpp"

#include "petavox/base/check.hpp"
#include "petavox/base/phase.hpp"

#include <fmt/format.h>

namespace petavox {
namespace {

[[noreturn]] void contract_error(const StepPlan& step, const std::string& text) {
  throw Error{ErrorCode::contract, fmt::format("step {}: {}", step.name, text)};
}

}  // namespace

// ---------------------------------------------------------------- inputs

StepInputs::StepInputs(const DataAccess& data, const ResultLookup& results, const StepPlan& step, Index block)
    : data_{data}, results_{results}, step_{step}, block_{block}, core_{step.tiling.core(block)} {}

bool StepInputs::has(std::string_view port) const {
  for (const ReadEdge& read : step_.reads)
    if (read.port.name == port) return true;
  return false;
}

const ReadEdge& StepInputs::edge(std::string_view port, PortKind kind) const {
  for (const ReadEdge& read : step_.reads) {
    if (read.port.name != port) continue;
    if (read.port.kind != kind)
      contract_error(
          step_,
          fmt::format("port '{}' holds {}, not {} (it was read as the wrong kind); use the function of "
                      "its kind",
                      port, name_of(read.port.kind), name_of(kind)));
    return read;
  }
  contract_error(
      step_, fmt::format("port '{}' was read but is not connected (the contract does not declare it, or it "
                         "is optional); declare it, and ask has() first",
                         port));
}

Box StepInputs::readable(std::string_view port) const {
  for (const ReadEdge& read : step_.reads)
    if (read.port.name == port) {
      const Box& domain = volume(read).domain;
      return read.port.reads.box(core_, domain).intersect(domain);
    }
  contract_error(step_,
                 fmt::format("port '{}' is not connected (nothing can be read); ask has() first", port));
}

void StepInputs::check(const ReadEdge& read, const Box& box) const {
  const Box allowed = readable(read.port.name);
  if (!allowed.contains(box))
    contract_error(
        step_, fmt::format("port '{}' of the block with core {} was read over {}, beyond its declared box {} "
                           "(the result would depend on the block); declare a larger halo",
                           read.port.name, to_string(core_), to_string(box), to_string(allowed)));
  const Index held = read.port.reads.held_voxels;
  if (held > 0 && box.voxels() > held)
    contract_error(
        step_,
        fmt::format("port '{}' of the block with core {} was read over {}, more than the {} voxels "
                    "that it holds at once (memory would not be what the plan says); read smaller boxes",
                    read.port.name, to_string(core_), to_string(box), held));
}

Array StepInputs::image(std::string_view port, const Box& box) const {
  const ReadEdge& read = edge(port, PortKind::image);
  check(read, box);
  Array array = read_voxels(data_, results_, read.volume, box);
  bytes_read_ += array.bytes().size();
  return array;
}

LabelArray StepInputs::labels(std::string_view port, const Box& box) const {
  const ReadEdge& read = edge(port, PortKind::labels);
  check(read, box);
  LabelArray labels = read_labels(data_, results_, read.volume, box);
  bytes_read_ += labels.ids.bytes().size();
  return labels;
}

LabelTable StepInputs::label_table(std::string_view port) const {
  const ReadEdge& read = edge(port, PortKind::labels);
  const VolumePlan& v = volume(read);
  if (!(data_.plan.step(v.voxels_step).tiling == step_.tiling))
    contract_error(
        step_, fmt::format("the label table of port '{}' belongs to another tiling (its blocks are not these "
                           "blocks); connect labels of the same resolution",
                           port));
  LabelTable table = read_label_table(data_, results_, read.volume, block_);
  bytes_read_ += table.names.size() * (sizeof(Name) + sizeof(std::uint64_t) + 1);
  return table;
}

Table StepInputs::table(std::string_view port) const {
  const ReadEdge& read = edge(port, PortKind::table);
  const VolumePlan& v = volume(read);
  Table table{v.columns};
  data_.store.with({v.voxels_step, block_}, results_, [&](const BundleReader& reader) {
    table = reader.table(voxels_part(v.voxels_port), v.columns);
  });
  bytes_read_ += table.data().size();
  return table;
}

Bytes StepInputs::summary(std::string_view port) const {
  const ReadEdge& read = edge(port, PortKind::summary);
  const VolumePlan& v = volume(read);
  Bytes bytes;
  data_.store.with({v.voxels_step, data_.plan.step(v.voxels_step).tree.root()}, results_,
                   [&](const BundleReader& reader) { bytes = reader.blob(summary_part); });
  bytes_read_ += bytes.size();
  return bytes;
}

std::optional<LabelArray> StepInputs::window(std::string_view port, Coord offset, const Box& box) const {
  const ReadEdge& read = edge(port, PortKind::labels);
  const VolumePlan& v = volume(read);
  const Tiling& tiling = data_.plan.step(v.voxels_step).tiling;
  const Coord here = tiling.position(block_);
  const Coord there{here.z + offset.z, here.y + offset.y, here.x + offset.x};
  if (!Box::from({0, 0, 0}, tiling.grid()).contains(there)) return std::nullopt;
  const Index block = tiling.block_at(there);
  const Box region = tiling.core(block).grow(v.window).intersect(v.domain).intersect(box);
  if (region.empty()) return std::nullopt;
  LabelArray labels{Array{DType::u32, region, v.domain}, {}};
  data_.store.with({v.voxels_step, block}, results_, [&](const BundleReader& reader) {
    reader.read_labels(voxels_part(v.voxels_port), labels.ids, region);
    labels.names = reader.label_table(label_table_part(v.voxels_port)).names;
  });
  bytes_read_ += labels.ids.bytes().size();
  return labels;
}

std::optional<Array> StepInputs::mask(const Box& box) const {
  return data_.inputs.mask(box, step_.setup.domain, step_.input_factor);
}

// ---------------------------------------------------------------- outputs

StepOutputs::StepOutputs(const Plan& plan, const StepPlan& step, Index block)
    : plan_{plan}, step_{step}, core_{step.tiling.core(block)} {}

const WriteEdge& StepOutputs::edge(std::string_view port, PortKind kind, std::size_t& number) const {
  for (number = 0; number < step_.writes.size(); ++number) {
    const WriteEdge& write = step_.writes[number];
    if (write.port.name == port && write.port.kind == kind) return write;
  }
  contract_error(
      step_, fmt::format("{} port '{}' was written but is not declared (it would be lost); declare it in the "
                         "contract",
                         name_of(kind), port));
}

Array& StepOutputs::image(std::string_view port) {
  std::size_t number = 0;
  const VolumePlan& v = plan_.volume(edge(port, PortKind::image, number).volume);
  if (const auto known = images_.find(number); known != images_.end()) return known->second;
  return images_.emplace(number, Array{v.dtype, core_, v.domain, v.channels}).first->second;
}

LabelArray& StepOutputs::labels(std::string_view port) {
  std::size_t number = 0;
  const VolumePlan& v = plan_.volume(edge(port, PortKind::labels, number).volume);
  if (const auto known = labels_.find(number); known != labels_.end()) return known->second;
  const Box box = core_.grow(v.window).intersect(v.domain);
  return labels_.emplace(number, LabelArray{Array{DType::u32, box, v.domain}, {}}).first->second;
}

Table& StepOutputs::table(std::string_view port) {
  std::size_t number = 0;
  const WriteEdge& write = edge(port, PortKind::table, number);
  return tables_.try_emplace(number, Table{write.port.columns}).first->second;
}

LabelTable make_label_table(const LabelArray& labels, const Box& core) {
  LabelTable table;
  table.names = labels.names;
  table.sizes.assign(labels.names.size(), 0);
  table.faces.assign(labels.names.size(), 0);
  const auto ids = labels.ids.view<std::uint32_t>();
  for (Index z = core.begin.z; z < core.end.z; ++z)
    for (Index y = core.begin.y; y < core.end.y; ++y) {
      const std::uint32_t* row = &ids[{z, y, core.begin.x}];
      for (Index x = 0; x < core.shape().x; ++x) {
        if (row[x] > table.sizes.size())
          throw Error{ErrorCode::contract,
                      "a stage wrote local id " + std::to_string(row[x]) + " but only " +
                          std::to_string(table.sizes.size()) +
                          " names (the object would have no name); write one name per id"};
        if (row[x] != 0) ++table.sizes[row[x] - 1];
      }
    }
  for (int axis = 0; axis < 3; ++axis)
    for (const bool high : {false, true})
      face_layer(core, axis, high).for_each([&](Coord p) {
        if (const std::uint32_t id = ids[p]; id != 0)
          table.faces[id - 1] = static_cast<FaceMask>(table.faces[id - 1] | face_bit(axis, high));
      });
  return table;
}

Bytes StepOutputs::pack(std::uint64_t key, const InputSet& inputs, const CodecOptions& image_codec,
                        const CodecOptions& label_codec) {
  const PhaseScope encoding{Phase::encode};
  BundleWriter bundle{key};
  std::size_t number = 0;
  for (const WriteEdge& write : step_.writes) {
    const VolumePlan& v = plan_.volume(write.volume);
    const auto part = voxels_part(static_cast<std::uint32_t>(number));
    if (write.port.kind == PortKind::image) {
      Array& array = image(write.port.name);
      if (array.dtype() != v.dtype || array.box() != core_ || array.channels() != v.channels)
        contract_error(
            step_,
            fmt::format("port '{}' was replaced by an array of another shape or type (it must be filled "
                        "in place); write into the array that is given",
                        write.port.name));
      if (const auto mask = write.port.masked ? inputs.mask(core_, v.domain, v.factor) : std::nullopt)
        apply_mask(array, *mask);
      bundle.add_image(part, array, step_.chunk_shape, image_codec, true);
      bytes_written_ += array.bytes().size();
    } else if (write.port.kind == PortKind::labels) {
      LabelArray& array = labels(write.port.name);
      const Box box = core_.grow(v.window).intersect(v.domain);
      if (array.ids.dtype() != DType::u32 || array.ids.box() != box)
        contract_error(
            step_,
            fmt::format("port '{}' was replaced by an array of another shape or type (it must be filled "
                        "in place); write into the array that is given",
                        write.port.name));
      if (const auto mask = inputs.mask(box, v.domain, v.factor)) apply_mask(array.ids, *mask);
      bundle.add_labels(part, array, step_.chunk_shape, label_codec, true);
      bundle.add_label_table(label_table_part(static_cast<std::uint32_t>(number)),
                             make_label_table(array, core_));
      bytes_written_ += array.ids.bytes().size();
    } else if (write.port.kind == PortKind::table) {
      bundle.add_table(part, table(write.port.name));
      bytes_written_ += table(write.port.name).data().size();
    }
    ++number;
  }
  return bundle.finish();
}

}  // namespace petavox
