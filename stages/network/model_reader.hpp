#pragma once
// Values of a model's JSON header, checked as they are read.

#include "petavox/base/error.hpp"
#include "petavox/geometry/box.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace petavox::network {

using Json = nlohmann::json;

/// One object of the header; `where` names it in errors ("model.pvm: layer 'head'").
class Section {
 public:
  /// Throws Error{io} unless `json` is an object.
  Section(const Json& json, std::string where);

  [[noreturn]] void fail(const std::string& text) const;
  bool has(const std::string& key) const { return json_->contains(key); }
  std::string text(const std::string& key, std::size_t max_length) const;
  std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max) const;
  double number(const std::string& key, double min, double max) const;
  bool flag(const std::string& key) const;
  /// [z, y, x].
  Extent extent(const std::string& key, Index min, Index max) const;
  std::vector<std::string> texts(const std::string& key, std::size_t max_count, std::size_t max_length) const;
  /// A list of at most `max_count`.
  const Json& list(const std::string& key, std::size_t max_count) const;
  const std::string& where() const { return where_; }

 private:
  const Json& at(const std::string& key) const;
  const Json* json_;
  std::string where_;
};

/// Three whole numbers. Throws Error{io} beginning with `where`.
Extent three(const Json& json, Index min, Index max, const std::string& where);

}  // namespace petavox::network
