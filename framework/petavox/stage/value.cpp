#include "petavox/stage/value.hpp"

#include <algorithm>

namespace petavox {

std::string to_string(const Position& p) {
  if (p.line == 0) return p.file;
  return p.file + ":" + std::to_string(p.line) + ":" + std::to_string(p.column);
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}
Value* Value::find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->find(key));
}

Value Value::text(std::string scalar, Position where) {
  Value value;
  value.kind = Kind::scalar;
  value.scalar = std::move(scalar);
  value.where = std::move(where);
  return value;
}
Value Value::mapping(std::vector<std::pair<std::string, Value>> entries, Position where) {
  Value value;
  value.kind = Kind::map;
  value.entries = std::move(entries);
  value.where = std::move(where);
  return value;
}

void Problems::add(const Position& where, const std::string& text) {
  const std::string place = to_string(where);
  texts_.push_back(place.empty() ? text : place + ": " + text);
}

void Problems::throw_if_any() const {
  if (texts_.empty()) return;
  std::string all;
  for (const std::string& text : texts_) all += (all.empty() ? "" : "\n") + text;
  throw Error{ErrorCode::config, all};
}

std::string nearest_name(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t change = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace petavox
