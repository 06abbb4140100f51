#include "stages/network/model_reader.hpp"

#include <cmath>

#include <fmt/format.h>

namespace petavox::network {
namespace {

[[noreturn]] void refuse(const std::string& where, const std::string& text) {
  throw Error{ErrorCode::io, where + ": " + text + " (the model would be misread); export it again"};
}

std::int64_t whole(const Json& json, std::int64_t min, std::int64_t max, const std::string& where,
                   const std::string& key) {
  const bool fits = json.is_number_integer() &&
                    (!json.is_number_unsigned() || json.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits || json.get<std::int64_t>() < min || json.get<std::int64_t>() > max)
    refuse(where, fmt::format("{} is not a whole number from {} to {}", key, min, max));
  return json.get<std::int64_t>();
}

}  // namespace

Section::Section(const Json& json, std::string where) : json_{&json}, where_{std::move(where)} {
  if (!json.is_object()) refuse(where_, "is not an object");
}

void Section::fail(const std::string& text) const { refuse(where_, text); }

const Json& Section::at(const std::string& key) const {
  const auto found = json_->find(key);
  if (found == json_->end()) fail(key + " is missing");
  return *found;
}

std::string Section::text(const std::string& key, std::size_t max_length) const {
  const Json& value = at(key);
  if (!value.is_string() || value.get_ref<const std::string&>().size() > max_length)
    fail(fmt::format("{} is not a text of at most {} characters", key, max_length));
  return value.get<std::string>();
}

std::int64_t Section::integer(const std::string& key, std::int64_t min, std::int64_t max) const {
  return whole(at(key), min, max, where_, key);
}

double Section::number(const std::string& key, double min, double max) const {
  const Json& value = at(key);
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= min && number <= max)) fail(fmt::format("{} is not a number from {} to {}", key, min, max));
  return number;
}

bool Section::flag(const std::string& key) const {
  const Json& value = at(key);
  if (!value.is_boolean()) fail(key + " is not true or false");
  return value.get<bool>();
}

Extent three(const Json& json, Index min, Index max, const std::string& where) {
  if (!json.is_array() || json.size() != 3) refuse(where, "is not three numbers [z, y, x]");
  Extent extent;
  for (int axis = 0; axis < 3; ++axis)
    extent[axis] = whole(json[static_cast<std::size_t>(axis)], min, max, where, "an element");
  return extent;
}

Extent Section::extent(const std::string& key, Index min, Index max) const {
  return three(at(key), min, max, where_ + ": " + key);
}

const Json& Section::list(const std::string& key, std::size_t max_count) const {
  const Json& value = at(key);
  if (!value.is_array() || value.empty() || value.size() > max_count)
    fail(fmt::format("{} is not a list of 1 to {} elements", key, max_count));
  return value;
}

std::vector<std::string> Section::texts(const std::string& key, std::size_t max_count,
                                        std::size_t max_length) const {
  std::vector<std::string> all;
  for (const Json& item : list(key, max_count)) {
    if (!item.is_string() || item.get_ref<const std::string&>().size() > max_length)
      fail(fmt::format("{} has an element that is not a text of at most {} characters", key, max_length));
    all.push_back(item.get<std::string>());
  }
  return all;
}

}  // namespace petavox::network
