#pragma once
// The parameters of a stage, as its constructor asks for them. Asking is declaring: each call names a key,
// its default, its bounds and one line of documentation. `petavox stages NAME` lists what was asked; a key
// that is present but was never asked is an error. Not synchronised.

#include "petavox/geometry/box.hpp"
#include "petavox/stage/value.hpp"

#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace petavox {

/// What `petavox stages NAME` prints of a parameter.
struct ParamSpec {
  std::string key, type, default_text, doc;
  bool required = false;
};

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min(), max = std::numeric_limits<std::int64_t>::max();
};
struct NumberRange {
  double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();
};

class Params {
 public:
  /// Reads from `node` (a map or none), whose place in the configuration is `path` ("stages.watershed").
  /// Problems are added to `problems`, and the default is returned in their place.
  Params(const Value& node, std::string path, Problems& problems)
      : node_{&node}, path_{std::move(path)}, problems_{&problems} {}

  std::int64_t integer(const std::string& key, std::int64_t fallback, IntegerRange range,
                       const std::string& doc);
  double number(const std::string& key, double fallback, NumberRange range, const std::string& doc);
  bool flag(const std::string& key, bool fallback, const std::string& doc);
  std::string text(const std::string& key, const std::string& fallback, const std::string& doc);
  /// A file that the stage reads. Not in canonical(): where a file lies changes no result. What is in it
  /// does: whoever reads it asks for its digest as a parameter of its own.
  std::string file(const std::string& key, const std::string& doc);
  /// One of a few words.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& words, const std::string& doc);
  /// [z, y, x], or one number for a cube.
  Extent extent(const std::string& key, Extent fallback, IntegerRange range, const std::string& doc);
  std::vector<double> numbers(const std::string& key, const std::vector<double>& fallback, NumberRange range,
                              const std::string& doc);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback,
                                 const std::string& doc);
  /// Without these keys there is a problem; the value returned then is only a placeholder.
  std::string required_text(const std::string& key, const std::string& doc);
  double required_number(const std::string& key, NumberRange range, const std::string& doc);

  bool has(const std::string& key) const { return node_->find(key) != nullptr; }
  const Value* raw(const std::string& key) const { return node_->find(key); }
  /// For a problem that a constructor finds by itself, for example between two parameters.
  void problem(const std::string& key, const std::string& text);
  Problems& problems() { return *problems_; }
  const std::string& path() const { return path_; }
  const Value& node() const { return *node_; }
  Position where(const std::string& key) const;

  const std::vector<ParamSpec>& asked() const { return asked_; }
  /// Adds a problem for each key that is present but was not asked and is not in `others`.
  void reject_unknown(const std::vector<std::string>& others = {});
  /// What was read, defaults included, as "key=value" lines in the order asked: the semantic part of a
  /// fingerprint.
  const std::string& canonical() const { return canonical_; }
  /// For a stage that was made elsewhere, with parameters that asked there: as if it had asked here.
  void adopt(std::vector<ParamSpec> asked, std::string canonical) {
    asked_.insert(asked_.end(), std::make_move_iterator(asked.begin()), std::make_move_iterator(asked.end()));
    canonical_ += canonical;
  }

 private:
  std::string read_text(const std::string& key, const std::string& fallback, const std::string& doc);
  const Value* ask(const std::string& key, const std::string& type, const std::string& fallback,
                   const std::string& doc, bool required = false);
  void note(const std::string& key, const std::string& value) { canonical_ += key + "=" + value + "\n"; }
  std::optional<std::int64_t> to_integer(const Value& value, const std::string& key, IntegerRange range);
  std::optional<double> to_number(const Value& value, const std::string& key, NumberRange range);

  const Value* node_;
  std::string path_;
  Problems* problems_;
  std::vector<ParamSpec> asked_;
  std::string canonical_;
};

}  // namespace petavox
