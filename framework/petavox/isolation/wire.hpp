#pragma once
// How configuration values, contracts and contexts look between a process and its helper. Decoders are
// bounded by what they are given and refuse what no encoder writes: a helper may send anything. They throw
// Error.

#include "petavox/base/bytes.hpp"
#include "petavox/stage/block.hpp"
#include "petavox/stage/params.hpp"
#include "petavox/stage/tree_reduction.hpp"

namespace petavox::isolation {

void put(ByteWriter& out, const Value& value);
Value get_value(ByteReader& in, int depth = 0);

void put(ByteWriter& out, const std::vector<ParamSpec>& specs);
std::vector<ParamSpec> get_specs(ByteReader& in);

void put(ByteWriter& out, const std::vector<std::string>& texts);
std::vector<std::string> get_texts(ByteReader& in);

void put(ByteWriter& out, const Setup& setup);
Setup get_setup(ByteReader& in);

void put(ByteWriter& out, const Contract& contract);
Contract get_contract(ByteReader& in);

void put(ByteWriter& out, const BlockContext& context);
BlockContext get_context(ByteReader& in);

/// Without the place for files, which a helper has not.
void put(ByteWriter& out, const NodeContext& context);
NodeContext get_node_context(ByteReader& in);

/// What is known of an array but its voxels.
struct ArrayShape {
  DType dtype = DType::u8;
  Box box, domain;
  int channels = 1;
  std::size_t bytes() const;
};
ArrayShape shape_of(const Array& array);
void put(ByteWriter& out, const ArrayShape& shape);
ArrayShape get_shape(ByteReader& in);
Array make_array(const ArrayShape& shape, std::span<const std::byte> bytes);

void put(ByteWriter& out, const Error& error);
Error get_error(ByteReader& in);

DType get_dtype(ByteReader& in);
std::vector<Column> get_columns(ByteReader& in);
void put(ByteWriter& out, const std::vector<Column>& columns);

}  // namespace petavox::isolation
