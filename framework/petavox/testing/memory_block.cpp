#include "petavox/testing/memory_block.hpp"

#include <algorithm>

namespace petavox::testing {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw Error{ErrorCode::contract, text}; }

/// The number of the block whose core is `core`, or nothing.
std::optional<std::size_t> block_with_core(const Partition& partition, const Box& core) {
  const auto found = std::ranges::find(partition.cores, core);
  if (found == partition.cores.end()) return std::nullopt;
  return static_cast<std::size_t>(found - partition.cores.begin());
}

}  // namespace

void apply_mask(const Array& mask, Array& voxels) {
  const Box inside = voxels.box();
  const auto open = mask.view<std::uint8_t>();
  visit_dtype(voxels.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto view = voxels.view<T>();
    for (int c = 0; c < voxels.channels(); ++c)
      inside.for_each([&](Coord p) {
        if (open[p] == 0) view.at(c, p) = T{};
      });
  });
}

const InPort& MemoryInputs::declared(std::string_view port, PortKind kind) const {
  for (const InPort& in : contract_.reads)
    if (in.name == port) {
      if (in.kind != kind)
        refuse("port '" + in.name + "' is declared as " + name_of(in.kind) + " but is used as " +
               name_of(kind) + " (the framework would not provide it); correct the contract");
      return in;
    }
  refuse("port '" + std::string{port} +
         "' is not declared (the framework cannot know what to read); add it to the contract");
}

void MemoryInputs::connect(const std::string& port, MemoryValue value) {
  const InPort& in = declared(port, value.kind());
  if (in.kind == PortKind::image) {
    if (!in.accepts.contains(value.voxels().dtype()))
      refuse("port '" + port + "' does not accept " + name_of(value.voxels().dtype()) + " (it declares " +
             to_string(in.accepts) + "); convert the input");
    if (in.channels != 0 && in.channels != value.voxels().channels())
      refuse("port '" + port + "' wants " + std::to_string(in.channels) + " channels, not " +
             std::to_string(value.voxels().channels()) + " (voxels would be misread); convert the input");
  }
  values_.insert_or_assign(port, std::move(value));
}

const MemoryValue& MemoryInputs::value(std::string_view port, PortKind kind) const {
  declared(port, kind);
  const auto found = values_.find(std::string{port});
  if (found == values_.end())
    refuse("port '" + std::string{port} + "' is not connected (there is nothing to read); ask has() first");
  return found->second;
}

Box MemoryInputs::readable(std::string_view port) const {
  for (const InPort& in : contract_.reads)
    if (in.name == port) {
      const Box domain = value(port, in.kind).domain();
      return in.reads.box(core_, domain).intersect(domain);
    }
  return value(port, PortKind::image).domain();  // throws
}

void MemoryInputs::check_box(std::string_view port, const Box& box) const {
  const Box allowed = readable(port);
  if (!allowed.contains(box))
    refuse("port '" + std::string{port} + "' was read at " + to_string(box) + ", beyond " +
           to_string(allowed) + " declared for core " + to_string(core_) +
           " (the result would depend on the block); declare a larger halo");
  for (const InPort& in : contract_.reads)
    if (in.name == port && in.reads.held_voxels > 0 && box.voxels() > in.reads.held_voxels)
      refuse("port '" + std::string{port} + "' was read at " + to_string(box) + ", more than the " +
             std::to_string(in.reads.held_voxels) +
             " voxels that it holds at once (memory would not be what the plan says); read smaller boxes");
}

Array MemoryInputs::image(std::string_view port, const Box& box) const {
  const MemoryValue& source = value(port, PortKind::image);
  check_box(port, box);
  Array voxels = cut_out(source.voxels(), box);
  if (mask_ && source.domain() == mask_->box()) apply_mask(*mask_, voxels);
  return voxels;
}

LabelArray MemoryInputs::labels(std::string_view port, const Box& box) const {
  const MemoryValue& source = value(port, PortKind::labels);
  check_box(port, box);
  Array names = cut_out(source.voxels(), box);
  if (mask_ && source.domain() == mask_->box()) apply_mask(*mask_, names);
  return compacted(names);
}

LabelTable MemoryInputs::label_table(std::string_view port) const {
  const LabelBlocks& blocks = value(port, PortKind::labels).label_blocks();
  if (const auto block = block_with_core(blocks.partition, core_)) return blocks.tables[*block];
  return table_of(labels(port, core_), core_);
}

Table MemoryInputs::table(std::string_view port) const {
  const TableBlocks& blocks = value(port, PortKind::table).table_blocks();
  const auto block = block_with_core(blocks.partition, core_);
  if (!block)
    refuse("table '" + std::string{port} + "' has no rows for core " + to_string(core_) +
           " (it was written for other blocks); run both steps on one lattice");
  const Table& rows = blocks.tables[*block];
  if (rows.columns() != declared(port, PortKind::table).columns)
    refuse("table '" + std::string{port} +
           "' has other columns than declared (rows would be misread); correct the contract");
  return rows;
}

Bytes MemoryInputs::summary(std::string_view port) const { return value(port, PortKind::summary).bytes(); }

std::optional<LabelArray> MemoryInputs::window(std::string_view port, Coord offset, const Box& box) const {
  const LabelBlocks& blocks = value(port, PortKind::labels).label_blocks();
  check_box(port, box);
  const auto here = block_with_core(blocks.partition, core_);
  if (!blocks.partition.tiling || !here)
    refuse("windows of '" + std::string{port} +
           "' were asked for on another lattice than they were written "
           "(neighbours are not defined); set the same subvolume");
  const Tiling& tiling = *blocks.partition.tiling;
  Coord position = tiling.position(static_cast<Index>(*here));
  for (int axis = 0; axis < 3; ++axis) {
    position[axis] += offset[axis];
    if (position[axis] < 0 || position[axis] >= tiling.grid()[axis]) return std::nullopt;
  }
  const LabelArray& written = blocks.voxels[usize(tiling.block_at(position))];
  const Box part = box.intersect(written.ids.box());
  if (part.empty()) return std::nullopt;
  Array names = cut_out(expanded(written), part);
  if (mask_ && blocks.partition.domain == mask_->box()) apply_mask(*mask_, names);
  return compacted(names);
}

std::optional<Array> MemoryInputs::mask(const Box& box) const {
  if (!mask_) return std::nullopt;
  return cut_out(*mask_, box);
}

MemoryOutputs::MemoryOutputs(const Contract& contract, const Box& core, const Box& domain,
                             const Setup& setup) {
  for (const OutPort& out : contract.writes) switch (out.kind) {
      case PortKind::image: {
        const Expected e{out.dtype.value_or(setup.dtype), core,
                         out.channels == 0 ? setup.channels : out.channels};
        images_.emplace(out.name, Array{e.dtype, e.box, domain, e.channels});
        expected_.emplace(out.name, e);
        break;
      }
      case PortKind::labels: {
        const Expected e{DType::u32, core.grow(out.window).intersect(domain), 1};
        labels_.emplace(out.name, LabelArray{Array{e.dtype, e.box, domain}, {}});
        expected_.emplace(out.name, e);
        break;
      }
      case PortKind::table:
        tables_.emplace(out.name, Table{out.columns});
        break;
      case PortKind::summary:
        refuse("a map step declares the summary '" + out.name +
               "' (only reductions have one); write a table instead");
    }
}

void MemoryOutputs::no_such(std::string_view port) {
  refuse("output '" + std::string{port} +
         "' is not declared with this kind (nothing would store it); add it to the contract");
}

Array& MemoryOutputs::image(std::string_view port) {
  const auto found = images_.find(port);
  if (found == images_.end()) no_such(port);
  return found->second;
}

LabelArray& MemoryOutputs::labels(std::string_view port) {
  const auto found = labels_.find(port);
  if (found == labels_.end()) no_such(port);
  return found->second;
}

Table& MemoryOutputs::table(std::string_view port) {
  const auto found = tables_.find(port);
  if (found == tables_.end()) no_such(port);
  return found->second;
}

void MemoryOutputs::check() const {
  const auto check_array = [&](const std::string& port, const Array& a) {
    const Expected& e = expected_.at(port);
    if (a.dtype() != e.dtype || a.box() != e.box || a.channels() != e.channels)
      refuse("output '" + port +
             "' was replaced by an array of another type or box (it cannot be stored); "
             "fill the array in place");
  };
  for (const auto& [port, array] : images_) check_array(port, array);
  for (const auto& [port, written] : labels_) {
    check_array(port, written.ids);
    const auto ids = written.ids.view<std::uint32_t>().channel();
    if (!ids.empty() && *std::ranges::max_element(ids) > written.names.size())
      refuse("output '" + port +
             "' has an id without a name (its object could not be named); give each id a name");
    if (std::ranges::find(written.names, Name{0}) != written.names.end())
      refuse("output '" + port + "' gives an id the name 0 (that is background); use id 0 instead");
  }
}

}  // namespace petavox::testing
