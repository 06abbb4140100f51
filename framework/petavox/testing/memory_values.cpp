#include "petavox/testing/memory_values.hpp"

namespace petavox::testing {

MemoryValue MemoryValue::image(Array voxels) {
  MemoryValue value;
  value.domain_ = voxels.box();
  value.image_ = std::make_shared<const Array>(std::move(voxels));
  return value;
}

MemoryValue MemoryValue::labels(const Array& names) {
  LabelBlocks blocks;
  blocks.partition.domain = names.box();
  blocks.names = expanded(compacted(names));
  return labels(std::move(blocks));
}

MemoryValue MemoryValue::labels(LabelBlocks blocks) {
  MemoryValue value;
  value.kind_ = PortKind::labels;
  value.domain_ = blocks.partition.domain;
  value.labels_ = std::make_shared<const LabelBlocks>(std::move(blocks));
  return value;
}

MemoryValue MemoryValue::table(TableBlocks blocks) {
  MemoryValue value;
  value.kind_ = PortKind::table;
  value.domain_ = blocks.partition.domain;
  value.tables_ = std::make_shared<const TableBlocks>(std::move(blocks));
  return value;
}

MemoryValue MemoryValue::summary(Bytes bytes) {
  MemoryValue value;
  value.kind_ = PortKind::summary;
  value.bytes_ = std::make_shared<const Bytes>(std::move(bytes));
  return value;
}

const Array& MemoryValue::voxels() const {
  PETAVOX_ASSERT(image_ || labels_);
  return image_ ? *image_ : labels_->names;
}
const LabelBlocks& MemoryValue::label_blocks() const {
  PETAVOX_ASSERT(labels_);
  return *labels_;
}
const TableBlocks& MemoryValue::table_blocks() const {
  PETAVOX_ASSERT(tables_);
  return *tables_;
}
const Bytes& MemoryValue::bytes() const {
  PETAVOX_ASSERT(bytes_);
  return *bytes_;
}

LabelTable table_of(const LabelArray& labels, const Box& core) {
  LabelTable table;
  table.names = labels.names;
  table.sizes.assign(labels.names.size(), 0);
  table.faces.assign(labels.names.size(), 0);
  const auto ids = labels.ids.view<std::uint32_t>();
  core.for_each([&](Coord p) {
    const std::uint32_t id = ids[p];
    if (id == 0) return;
    ++table.sizes[id - 1];
    FaceMask& faces = table.faces[id - 1];
    for (int axis = 0; axis < 3; ++axis) {
      if (p[axis] == core.begin[axis]) faces = static_cast<FaceMask>(faces | face_bit(axis, false));
      if (p[axis] == core.end[axis] - 1) faces = static_cast<FaceMask>(faces | face_bit(axis, true));
    }
  });
  return table;
}

Array cut_out(const Array& voxels, const Box& box) {
  Array part{voxels.dtype(), box, voxels.domain(), voxels.channels()};
  copy_box(voxels, part, box);
  return part;
}

}  // namespace petavox::testing
