#include "petavox/run/name_values.hpp"

#include "petavox/base/varint.hpp"

#include <algorithm>

namespace petavox {

using detail::add_zigzag;
using detail::get_varint;
using detail::put_varint;
using detail::zigzag_difference;

namespace {

[[noreturn]] void refuse() {
  throw Error{ErrorCode::io,
              "a list of names is malformed (it was not written by petavox); the object is refused"};
}

std::uint64_t get_count(ByteReader& in) {
  const std::uint64_t count = get_varint(in);
  // Each entry takes at least two bytes.
  if (count > in.remaining() / 2)
    throw Error{ErrorCode::io,
                "a list of names is truncated (it claims more entries than it has); the object is refused"};
  return count;
}

}  // namespace

Name value_of(const NameValues& values, Name name) {
  const auto at = std::lower_bound(values.begin(), values.end(), name,
                                   [](const NameValue& v, Name n) { return v.name < n; });
  return at != values.end() && at->name == name ? at->value : name;
}

NameValues compose(const std::vector<NameAssignment>& assignments, const NameValues& parent) {
  NameValues values;
  for (const NameAssignment& a : assignments) {
    const Name value = a.settled != 0 ? a.to : value_of(parent, a.to);
    if (value != a.name) values.push_back({a.name, value});
  }
  return values;
}

Bytes encode_assignments(const std::vector<NameAssignment>& assignments) {
  ByteWriter out;
  put_varint(out, assignments.size());
  Name last = 0;
  for (const NameAssignment& a : assignments) {
    put_varint(out, zigzag_difference(a.name, last));
    put_varint(out, zigzag_difference(a.to, a.name));
    put_varint(out, a.settled);
    last = a.name;
  }
  return out.take();
}

std::vector<NameAssignment> decode_assignments(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  ByteReader in{bytes};
  std::vector<NameAssignment> assignments(static_cast<std::size_t>(get_count(in)));
  Name last = 0;
  for (NameAssignment& a : assignments) {
    a.name = add_zigzag(last, get_varint(in));
    a.to = add_zigzag(a.name, get_varint(in));
    a.settled = get_varint(in);
    last = a.name;
  }
  if (!in.done()) refuse();
  return assignments;
}

Bytes encode_values(const NameValues& values) {
  ByteWriter out;
  put_varint(out, values.size());
  Name last = 0;
  for (const NameValue& v : values) {
    put_varint(out, zigzag_difference(v.name, last));
    put_varint(out, zigzag_difference(v.value, v.name));
    last = v.name;
  }
  return out.take();
}

NameValues decode_values(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  ByteReader in{bytes};
  NameValues values(static_cast<std::size_t>(get_count(in)));
  Name last = 0;
  for (NameValue& v : values) {
    v.name = add_zigzag(last, get_varint(in));
    v.value = add_zigzag(v.name, get_varint(in));
    last = v.name;
  }
  if (!in.done()) refuse();
  return values;
}

}  // namespace petavox
