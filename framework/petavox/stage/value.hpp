#pragma once
// A parsed configuration tree with the place of every value, independent of the file format it came from; and
// the list in which all problems of a configuration are gathered before any work starts.

#include "petavox/base/error.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace petavox {

/// Where a value stands. line and column count from 1; 0 means unknown (`--set`, defaults).
struct Position {
  std::string file;
  int line = 0, column = 0;
};
/// "file:line:column".
std::string to_string(const Position& position);

struct Value {
  enum class Kind { none, scalar, list, map };
  Kind kind = Kind::none;
  std::string scalar;  ///< as written, unquoted
  bool quoted = false;
  std::vector<Value> items;                            ///< of a list
  std::vector<std::pair<std::string, Value>> entries;  ///< of a map, in the order written
  Position where;

  /// The entry of a map, or nullptr.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);

  static Value text(std::string scalar, Position where = {});
  static Value mapping(std::vector<std::pair<std::string, Value>> entries, Position where = {});
};

/// Gathers every problem, so that the user sees all of them at once.
class Problems {
 public:
  /// `text` is `<problem> (<why it matters>); <what to do>`.
  void add(const Position& where, const std::string& text);
  bool empty() const { return texts_.empty(); }
  std::size_t size() const { return texts_.size(); }
  const std::vector<std::string>& texts() const { return texts_; }
  /// Throws one Error{config} with all of them, one a line.
  void throw_if_any() const;

 private:
  std::vector<std::string> texts_;
};

/// The name in `known` that is nearest to a misspelt one, or empty: for "did you mean".
std::string nearest_name(std::string_view word, const std::vector<std::string>& known);

}  // namespace petavox
