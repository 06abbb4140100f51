#pragma once
// The way down of a reduction: the final values of the names that a node's children passed up, composed from
// the node's assignments and its parent's values (docs/decisions/0001-execution-model.md). Plain functions;
// thread-safe.

#include "petavox/base/bytes.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include <vector>

namespace petavox {

/// A name and what it finally becomes. Names that keep their own value are left out.
struct NameValue {
  Name name = 0, value = 0;
  friend bool operator==(const NameValue&, const NameValue&) = default;
};
using NameValues = std::vector<NameValue>;  // sorted by name

/// The name's value; the name itself if it is not listed.
Name value_of(const NameValues& values, Name name);

/// Values of the names in `assignments` (sorted), where `parent` gives those of the unsettled ones.
NameValues compose(const std::vector<NameAssignment>& assignments, const NameValues& parent);

// Stored as columns of differences in variable-length integers: sorted names compress to a byte or two each.
Bytes encode_assignments(const std::vector<NameAssignment>& assignments);
/// Throws Error{io} for bytes that encode_assignments cannot have made.
std::vector<NameAssignment> decode_assignments(std::span<const std::byte> bytes);
Bytes encode_values(const NameValues& values);
NameValues decode_values(std::span<const std::byte> bytes);

}  // namespace petavox
