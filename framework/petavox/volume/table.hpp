#pragma once
// Rows of a fixed layout that a block writes beside or instead of voxels: edges, nodes, counts.
// The columns are the schema: they are stored with the rows and checked when a table is read.

#include "petavox/base/bytes.hpp"
#include "petavox/base/check.hpp"
#include "petavox/volume/dtype.hpp"

#include <span>
#include <string>
#include <vector>

namespace petavox {

struct Column {
  std::string name;
  DType dtype = DType::u64;
  friend bool operator==(const Column&, const Column&) = default;
};

class Table {
 public:
  Table() = default;
  explicit Table(std::vector<Column> columns) : columns_{std::move(columns)} {}

  const std::vector<Column>& columns() const { return columns_; }
  /// Bytes of a row: the sum of its columns, without padding.
  std::size_t row_bytes() const {
    std::size_t sum = 0;
    for (const Column& c : columns_) sum += size_of(c.dtype);
    return sum;
  }
  std::size_t num_rows() const { return row_bytes() == 0 ? 0 : data_.size() / row_bytes(); }

  /// The rows as a struct of the same layout. Throws Error{internal} if the sizes differ.
  template <class Row>
  std::span<const Row> rows() const {
    static_assert(std::is_trivially_copyable_v<Row> && std::has_unique_object_representations_v<Row>);
    PETAVOX_ASSERT(sizeof(Row) == row_bytes());
    return {reinterpret_cast<const Row*>(data_.data()), num_rows()};
  }
  template <class Row>
  void append(std::span<const Row> rows) {
    static_assert(std::is_trivially_copyable_v<Row> && std::has_unique_object_representations_v<Row>);
    PETAVOX_ASSERT(sizeof(Row) == row_bytes());
    const auto bytes = std::as_bytes(rows);
    data_.insert(data_.end(), bytes.begin(), bytes.end());
  }
  const Bytes& data() const { return data_; }
  /// Takes rows that were stored; their size must be a multiple of row_bytes().
  void assign(Bytes data) {
    PETAVOX_ASSERT(row_bytes() > 0 && data.size() % row_bytes() == 0);
    data_ = std::move(data);
  }

 private:
  std::vector<Column> columns_;
  Bytes data_;
};

}  // namespace petavox
