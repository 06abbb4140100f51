#pragma once
// Rows of 64-bit numbers in few bytes, in a buffer that spills: each number as its difference from the one in
// the row before, in as many bytes as that needs. For what is written and read in order, above all sorted
// rows.

#include "petavox/base/varint.hpp"
#include "petavox/reduce/reduction.hpp"

#include <array>
#include <bit>
#include <iterator>

namespace petavox {

/// `Row`: a structure of 64-bit unsigned numbers. A PackedRows belongs to one thread at a time.
template <class Row>
class PackedRows {
  static_assert(std::has_unique_object_representations_v<Row> && sizeof(Row) % 8 == 0);
  using Numbers = std::array<std::uint64_t, sizeof(Row) / 8>;

 public:
  /// Always in memory.
  PackedRows() = default;
  explicit PackedRows(const ReductionContext& context) : bytes_{context.pool} {}

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Of memory or file that the rows take.
  std::size_t bytes() const { return bytes_.size(); }

  void push_back(const Row& row) {
    const auto numbers = std::bit_cast<Numbers>(row);
    bytes_.append_at_most(numbers.size() * detail::longest_varint, [&](std::byte* to) {
      for (std::size_t k = 0; k < numbers.size(); ++k)
        to = detail::write_varint(detail::zigzag_difference(numbers[k], last_[k]), to);
      return to;
    });
    last_ = numbers;
    ++size_;
  }

  /// From the first row to the last. Invalid once a row is added.
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Row;
    Row operator*() const { return std::bit_cast<Row>(numbers_); }
    Iterator& operator++() {
      if (--left_ > 0) read();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return left_ == 0; }

   private:
    friend class PackedRows;
    Iterator(const std::byte* from, std::size_t left) : from_{from}, left_{left} {
      if (left > 0) read();
    }
    void read() {
      for (std::uint64_t& number : numbers_) number = detail::add_zigzag(number, detail::read_varint(from_));
    }
    const std::byte* from_;
    std::size_t left_;
    Numbers numbers_{};
  };
  Iterator begin() const { return {bytes_.data(), size_}; }
  std::default_sentinel_t end() const { return {}; }

  void pack(ByteWriter& writer) const {
    writer.put(static_cast<std::uint64_t>(size_));
    writer.put_span(bytes_.span());
  }
  /// Throws Error{io} if the bytes are not packed rows.
  static PackedRows unpack(ByteReader& reader, const ReductionContext& context) {
    PackedRows rows;
    const auto size = reader.get<std::uint64_t>();
    rows.bytes_ = unpacked<std::byte>(reader, context);
    ByteReader numbers{rows.bytes_.span()};
    for (; rows.size_ < size; ++rows.size_)
      for (std::uint64_t& number : rows.last_)
        number = detail::add_zigzag(number, detail::get_varint(numbers));
    if (!numbers.done())
      throw Error{ErrorCode::io, "rows of a reduction state of box " + to_string(context.box) +
                                     " are too long (they are damaged); the object is refused"};
    return rows;
  }

 private:
  SpillVector<std::byte> bytes_;
  std::size_t size_ = 0;
  Numbers last_{};
};

}  // namespace petavox
