#pragma once
// What ports are connected to when a stage runs in memory. Values are cheap to copy (shared, immutable).

#include "petavox/stage/block.hpp"
#include "petavox/testing/partition.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace petavox::testing {

/// Labels as a run holds them: for each block its voxels and its table.
struct LabelBlocks {
  Partition partition;
  Halo window;                     ///< the voxels cover the cores grown by this, clipped to the domain
  std::vector<LabelArray> voxels;  ///< ids, and the names that the writer gave them
  std::vector<LabelTable> tables;  ///< current names, sizes and faces of the same ids
  Array names;                     ///< the current name of every voxel of the domain, uint64
};

/// Rows as a run holds them.
struct TableBlocks {
  Partition partition;
  std::vector<Table> tables;
};

/// A volume, table or summary.
class MemoryValue {
 public:
  /// Voxels over their whole domain.
  static MemoryValue image(Array voxels);
  /// Objects over their whole domain, as names of any unsigned type (0: background). Tables are made for the
  /// blocks of whoever reads them.
  static MemoryValue labels(const Array& names);
  static MemoryValue labels(LabelBlocks blocks);
  static MemoryValue table(TableBlocks blocks);
  static MemoryValue summary(Bytes bytes);

  PortKind kind() const { return kind_; }
  const Box& domain() const { return domain_; }
  /// Voxels of an image; names (uint64) of labels.
  const Array& voxels() const;
  const LabelBlocks& label_blocks() const;
  const TableBlocks& table_blocks() const;
  const Bytes& bytes() const;

 private:
  PortKind kind_ = PortKind::image;
  Box domain_;
  std::shared_ptr<const Array> image_;
  std::shared_ptr<const LabelBlocks> labels_;
  std::shared_ptr<const TableBlocks> tables_;
  std::shared_ptr<const Bytes> bytes_;
};

using MemoryValues = std::map<std::string, MemoryValue>;

/// Sizes and faces of the ids of `labels` over `core` (inside labels.ids.box()), with the names it gives
/// them.
LabelTable table_of(const LabelArray& labels, const Box& core);
/// The voxels of `box` as an array of their own.
Array cut_out(const Array& voxels, const Box& box);

}  // namespace petavox::testing
