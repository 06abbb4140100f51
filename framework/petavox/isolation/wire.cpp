#include "petavox/isolation/wire.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace petavox::isolation {
namespace {

constexpr int max_depth = 64;

[[noreturn]] void nonsense() {
  throw Error{ErrorCode::stage,
              "a helper answered with something that no stage can mean (it is damaged); its answer "
              "is refused"};
}

void put_number(ByteWriter& out, double value) { out.put(std::bit_cast<std::uint64_t>(value)); }
double get_number(ByteReader& in) { return std::bit_cast<double>(in.get<std::uint64_t>()); }

void put_flag(ByteWriter& out, bool flag) { out.put(static_cast<std::uint8_t>(flag ? 1 : 0)); }
bool get_flag(ByteReader& in) { return in.get<std::uint8_t>() != 0; }

/// A count of entries of at least so many bytes each.
std::size_t get_count(ByteReader& in, std::size_t least_bytes) {
  const auto count = in.get<std::uint64_t>();
  if (count > in.remaining() / least_bytes) nonsense();
  return static_cast<std::size_t>(count);
}

template <class Enum>
Enum get_enum(ByteReader& in, Enum last) {
  const auto number = in.get<std::uint32_t>();
  if (number > static_cast<std::uint32_t>(last)) nonsense();
  return static_cast<Enum>(number);
}
template <class Enum>
void put_enum(ByteWriter& out, Enum value) {
  out.put(static_cast<std::uint32_t>(value));
}

void put(ByteWriter& out, const Position& where) {
  out.put_text(where.file);
  out.put(static_cast<std::int32_t>(where.line));
  out.put(static_cast<std::int32_t>(where.column));
}
Position get_position(ByteReader& in) {
  Position where;
  where.file = in.get_text();
  where.line = in.get<std::int32_t>();
  where.column = in.get<std::int32_t>();
  return where;
}

/// Products of its sides cannot overflow, wherever it lies.
Box get_box(ByteReader& in) {
  const Box box = in.get<Box>();
  constexpr Index far = Index{1} << 60;
  Index voxels = 1;
  for (int axis = 0; axis < 3; ++axis) {
    if (box.begin[axis] < -far || box.end[axis] > far || box.end[axis] < box.begin[axis]) nonsense();
    const Index side = std::max<Index>(1, box.end[axis] - box.begin[axis]);
    if (side > (Index{1} << 58) / voxels) nonsense();
    voxels *= side;
  }
  return box;
}

Extent get_extent(ByteReader& in, Index least) {
  const auto extent = in.get<Extent>();
  for (int axis = 0; axis < 3; ++axis)
    if (extent[axis] < least || extent[axis] > Index{1} << 40) nonsense();
  return extent;
}
Halo get_halo(ByteReader& in) {
  Halo halo;
  halo.low = get_extent(in, 0);
  halo.high = get_extent(in, 0);
  return halo;
}
void put(ByteWriter& out, const Halo& halo) {
  out.put(halo.low);
  out.put(halo.high);
}

void put(ByteWriter& out, const VoxelSizeNm& size) {
  for (const double side : size) put_number(out, side);
}
VoxelSizeNm get_voxel_size(ByteReader& in) {
  VoxelSizeNm size{};
  for (double& side : size) side = get_number(in);
  return size;
}

void put(ByteWriter& out, const Reads& reads) {
  out.put(reads.factor);
  put(out, reads.halo);
  out.put(reads.divisor);
  for (const bool whole : reads.whole) put_flag(out, whole);
  out.put(reads.held_voxels);
}
Reads get_reads(ByteReader& in) {
  Reads reads;
  reads.factor = get_extent(in, 1);
  reads.halo = get_halo(in);
  reads.divisor = get_extent(in, 1);
  for (bool& whole : reads.whole) whole = get_flag(in);
  reads.held_voxels = in.get<Index>();
  if (reads.held_voxels < 0) nonsense();
  return reads;
}

int get_channels(ByteReader& in) {
  const auto channels = in.get<std::int32_t>();
  if (channels < 0 || channels > 1 << 20) nonsense();
  return channels;
}

}  // namespace

void put(ByteWriter& out, const Value& value) {
  put_enum(out, value.kind);
  out.put_text(value.scalar);
  put_flag(out, value.quoted);
  put(out, value.where);
  out.put(static_cast<std::uint64_t>(value.items.size()));
  for (const Value& item : value.items) put(out, item);
  out.put(static_cast<std::uint64_t>(value.entries.size()));
  for (const auto& [key, entry] : value.entries) {
    out.put_text(key);
    put(out, entry);
  }
}

Value get_value(ByteReader& in, int depth) {
  if (depth > max_depth) nonsense();
  Value value;
  value.kind = get_enum(in, Value::Kind::map);
  value.scalar = in.get_text();
  value.quoted = get_flag(in);
  value.where = get_position(in);
  value.items.resize(get_count(in, 32));
  for (Value& item : value.items) item = get_value(in, depth + 1);
  value.entries.resize(get_count(in, 32));
  for (auto& [key, entry] : value.entries) {
    key = in.get_text();
    entry = get_value(in, depth + 1);
  }
  return value;
}

void put(ByteWriter& out, const std::vector<ParamSpec>& specs) {
  out.put(static_cast<std::uint64_t>(specs.size()));
  for (const ParamSpec& spec : specs) {
    for (const std::string* text : {&spec.key, &spec.type, &spec.default_text, &spec.doc})
      out.put_text(*text);
    put_flag(out, spec.required);
  }
}
std::vector<ParamSpec> get_specs(ByteReader& in) {
  std::vector<ParamSpec> specs(get_count(in, 33));
  for (ParamSpec& spec : specs) {
    for (std::string* text : {&spec.key, &spec.type, &spec.default_text, &spec.doc}) *text = in.get_text();
    spec.required = get_flag(in);
  }
  return specs;
}

void put(ByteWriter& out, const std::vector<std::string>& texts) {
  out.put(static_cast<std::uint64_t>(texts.size()));
  for (const std::string& text : texts) out.put_text(text);
}
std::vector<std::string> get_texts(ByteReader& in) {
  std::vector<std::string> texts(get_count(in, 8));
  for (std::string& text : texts) text = in.get_text();
  return texts;
}

DType get_dtype(ByteReader& in) { return get_enum(in, static_cast<DType>(num_dtypes - 1)); }

void put(ByteWriter& out, const Setup& setup) {
  out.put(setup.domain);
  put(out, setup.voxel_size_nm);
  put_enum(out, setup.dtype);
  out.put(static_cast<std::int32_t>(setup.channels));
}
Setup get_setup(ByteReader& in) {
  Setup setup;
  setup.domain = get_box(in);
  setup.voxel_size_nm = get_voxel_size(in);
  setup.dtype = get_dtype(in);
  setup.channels = get_channels(in);
  return setup;
}

void put(ByteWriter& out, const std::vector<Column>& columns) {
  out.put(static_cast<std::uint64_t>(columns.size()));
  for (const Column& column : columns) {
    out.put_text(column.name);
    put_enum(out, column.dtype);
  }
}
std::vector<Column> get_columns(ByteReader& in) {
  std::vector<Column> columns(get_count(in, 12));
  for (Column& column : columns) {
    column.name = in.get_text();
    column.dtype = get_dtype(in);
  }
  return columns;
}

void put(ByteWriter& out, const Contract& contract) {
  out.put(static_cast<std::uint64_t>(contract.reads.size()));
  for (const InPort& port : contract.reads) {
    out.put_text(port.name);
    put_enum(out, port.kind);
    out.put(std::bit_cast<std::uint32_t>(port.accepts));
    out.put(static_cast<std::int32_t>(port.channels));
    put(out, port.reads);
    out.put_text(port.volume);
    put(out, port.columns);
    put_flag(out, port.optional);
  }
  out.put(static_cast<std::uint64_t>(contract.writes.size()));
  for (const OutPort& port : contract.writes) {
    out.put_text(port.name);
    put_enum(out, port.kind);
    put_flag(out, port.dtype.has_value());
    put_enum(out, port.dtype.value_or(DType::u8));
    out.put(static_cast<std::int32_t>(port.channels));
    out.put(port.factor);
    put(out, port.window);
    put_flag(out, port.masked);
    put(out, port.columns);
  }
  put_number(out, contract.scratch_bytes_per_voxel);
  out.put(contract.subvolume);
  put_flag(out, contract.domain.has_value());
  out.put(contract.domain.value_or(Box{}));
}

Contract get_contract(ByteReader& in) {
  Contract contract;
  contract.reads.resize(get_count(in, 64));
  for (InPort& port : contract.reads) {
    port.name = in.get_text();
    port.kind = get_enum(in, PortKind::summary);
    const auto accepted = in.get<std::uint32_t>();
    if (accepted >> num_dtypes != 0) nonsense();
    port.accepts = std::bit_cast<DTypeSet>(accepted);
    port.channels = get_channels(in);
    port.reads = get_reads(in);
    port.volume = in.get_text();
    port.columns = get_columns(in);
    port.optional = get_flag(in);
  }
  contract.writes.resize(get_count(in, 64));
  for (OutPort& port : contract.writes) {
    port.name = in.get_text();
    port.kind = get_enum(in, PortKind::summary);
    const bool typed = get_flag(in);
    const DType dtype = get_dtype(in);
    if (typed) port.dtype = dtype;
    port.channels = get_channels(in);
    port.factor = get_extent(in, 1);
    port.window = get_halo(in);
    port.masked = get_flag(in);
    port.columns = get_columns(in);
  }
  contract.scratch_bytes_per_voxel = get_number(in);
  if (!(contract.scratch_bytes_per_voxel >= 0)) nonsense();
  contract.subvolume = get_extent(in, 0);
  const bool placed = get_flag(in);
  const Box domain = get_box(in);
  if (placed) contract.domain = domain;
  return contract;
}

void put(ByteWriter& out, const BlockContext& context) {
  out.put(context.domain());
  put(out, context.voxel_size_nm());
  out.put(context.seed());
}
BlockContext get_context(ByteReader& in) {
  const Box domain = get_box(in);
  const VoxelSizeNm size = get_voxel_size(in);
  return {domain, size, in.get<std::uint64_t>()};
}

void put(ByteWriter& out, const NodeContext& context) {
  out.put(context.box);
  out.put(context.domain);
  put(out, context.voxel_size_nm);
}
NodeContext get_node_context(ByteReader& in) {
  NodeContext context;
  context.box = get_box(in);
  context.domain = get_box(in);
  context.voxel_size_nm = get_voxel_size(in);
  // Nothing can be spilled: what is too much ends at the helper's limit of memory.
  context.memory_bytes = std::numeric_limits<std::size_t>::max();
  return context;
}

std::size_t ArrayShape::bytes() const {
  return checked_mul(checked_mul(static_cast<std::size_t>(box.voxels()), static_cast<std::size_t>(channels)),
                     size_of(dtype));
}
ArrayShape shape_of(const Array& array) {
  return {array.dtype(), array.box(), array.domain(), array.channels()};
}
void put(ByteWriter& out, const ArrayShape& shape) {
  put_enum(out, shape.dtype);
  out.put(shape.box);
  out.put(shape.domain);
  out.put(static_cast<std::int32_t>(shape.channels));
}
ArrayShape get_shape(ByteReader& in) {
  ArrayShape shape;
  shape.dtype = get_dtype(in);
  shape.box = get_box(in);
  shape.domain = get_box(in);
  shape.channels = get_channels(in);
  if (shape.channels == 0) nonsense();
  return shape;
}
Array make_array(const ArrayShape& shape, std::span<const std::byte> bytes) {
  Array array{shape.dtype, shape.box, shape.domain, shape.channels};
  if (array.bytes().size() != bytes.size()) nonsense();
  if (!bytes.empty()) std::memcpy(array.bytes().data(), bytes.data(), bytes.size());
  return array;
}

void put(ByteWriter& out, const Error& error) {
  put_enum(out, error.code());
  put_flag(out, error.retryable());
  out.put_text(error.what());
}
Error get_error(ByteReader& in) {
  const ErrorCode code = get_enum(in, ErrorCode::verify);
  const bool retryable = get_flag(in);
  std::string text = in.get_text();
  if (text.size() > 4000) text.resize(4000);
  return {code, text, retryable};
}

}  // namespace petavox::isolation
