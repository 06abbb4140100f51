#include "petavox/stage/params.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace petavox {
namespace {

template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string number_text(double value) { return fmt::format("{}", value); }

std::string list_text(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ", " : "") + item;
  return text + "]";
}

/// A list in a list comes as "[a, b]", for those who ask for texts and read more in them.
std::string as_text(const Value& value) {
  if (value.kind != Value::Kind::list) return value.scalar;
  std::vector<std::string> items;
  for (const Value& item : value.items) items.push_back(as_text(item));
  return list_text(items);
}

}  // namespace

const Value* Params::ask(const std::string& key, const std::string& type, const std::string& fallback,
                         const std::string& doc, bool required) {
  asked_.push_back({key, type, fallback, doc, required});
  const Value* value = node_->find(key);
  if (value == nullptr && required)
    problems_->add(node_->where, fmt::format("{}.{} is missing (it has no default); {}", path_, key, doc));
  return value;
}

Position Params::where(const std::string& key) const {
  const Value* value = node_->find(key);
  return value != nullptr ? value->where : node_->where;
}

void Params::problem(const std::string& key, const std::string& text) {
  problems_->add(where(key), path_ + "." + key + ": " + text);
}

std::optional<std::int64_t> Params::to_integer(const Value& value, const std::string& key,
                                               IntegerRange range) {
  const auto number = value.kind == Value::Kind::scalar ? parse<std::int64_t>(value.scalar) : std::nullopt;
  if (!number) {
    problems_->add(value.where, fmt::format("{}.{} is not a whole number (got '{}'); write digits only",
                                            path_, key, value.scalar));
  } else if (*number < range.min || *number > range.max) {
    const std::string bounds = range.max == IntegerRange{}.max
                                   ? fmt::format("at least {}", range.min)
                                   : fmt::format("{} to {}", range.min, range.max);
    problems_->add(value.where, fmt::format("{}.{} is {} (it must be {}); choose a value in that range",
                                            path_, key, *number, bounds));
  } else {
    return number;
  }
  return std::nullopt;
}

std::optional<double> Params::to_number(const Value& value, const std::string& key, NumberRange range) {
  const auto number = value.kind == Value::Kind::scalar ? parse<double>(value.scalar) : std::nullopt;
  if (!number || *number != *number) {
    problems_->add(value.where, fmt::format("{}.{} is not a number (got '{}'); write a decimal number", path_,
                                            key, value.scalar));
  } else if (*number < range.min || *number > range.max) {
    problems_->add(value.where, fmt::format("{}.{} is {} (it must be {} to {}); choose a value in that range",
                                            path_, key, *number, range.min, range.max));
  } else {
    return number;
  }
  return std::nullopt;
}

std::int64_t Params::integer(const std::string& key, std::int64_t fallback, IntegerRange range,
                             const std::string& doc) {
  std::int64_t result = fallback;
  if (const Value* value = ask(key, "integer", std::to_string(fallback), doc))
    result = to_integer(*value, key, range).value_or(fallback);
  note(key, std::to_string(result));
  return result;
}

double Params::number(const std::string& key, double fallback, NumberRange range, const std::string& doc) {
  double result = fallback;
  if (const Value* value = ask(key, "number", number_text(fallback), doc))
    result = to_number(*value, key, range).value_or(fallback);
  note(key, number_text(result));
  return result;
}

double Params::required_number(const std::string& key, NumberRange range, const std::string& doc) {
  double result = std::isfinite(range.min) ? range.min : 0.0;
  if (const Value* value = ask(key, "number", "", doc, true))
    result = to_number(*value, key, range).value_or(result);
  note(key, number_text(result));
  return result;
}

bool Params::flag(const std::string& key, bool fallback, const std::string& doc) {
  bool result = fallback;
  if (const Value* value = ask(key, "true or false", fallback ? "true" : "false", doc)) {
    if (value->scalar == "true" || value->scalar == "false")
      result = value->scalar == "true";
    else
      problems_->add(value->where, fmt::format("{}.{} is '{}' (it must be true or false); write one of them",
                                               path_, key, value->scalar));
  }
  note(key, result ? "true" : "false");
  return result;
}

std::string Params::read_text(const std::string& key, const std::string& fallback, const std::string& doc) {
  std::string result = fallback;
  if (const Value* value = ask(key, "text", fallback, doc)) {
    if (value->kind == Value::Kind::scalar)
      result = value->scalar;
    else
      problems_->add(value->where,
                     fmt::format("{}.{} is not a text (it has parts); write one value", path_, key));
  }
  return result;
}

std::string Params::text(const std::string& key, const std::string& fallback, const std::string& doc) {
  std::string result = read_text(key, fallback, doc);
  note(key, result);
  return result;
}

std::string Params::file(const std::string& key, const std::string& doc) { return read_text(key, "", doc); }

std::string Params::required_text(const std::string& key, const std::string& doc) {
  std::string result;
  if (const Value* value = ask(key, "text", "", doc, true)) {
    if (value->kind == Value::Kind::scalar)
      result = value->scalar;
    else
      problems_->add(value->where,
                     fmt::format("{}.{} is not a text (it has parts); write one value", path_, key));
  }
  note(key, result);
  return result;
}

std::string Params::choice(const std::string& key, const std::string& fallback,
                           const std::vector<std::string>& words, const std::string& doc) {
  std::string result = fallback;
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : " | ") + word;
  if (const Value* value = ask(key, all, fallback, doc)) {
    if (std::find(words.begin(), words.end(), value->scalar) != words.end())
      result = value->scalar;
    else
      problems_->add(value->where, fmt::format("{}.{} is '{}' (it must be one of: {}); write one of them",
                                               path_, key, value->scalar, all));
  }
  note(key, result);
  return result;
}

Extent Params::extent(const std::string& key, Extent fallback, IntegerRange range, const std::string& doc) {
  Extent result = fallback;
  const std::string default_text = fmt::format("[{}, {}, {}]", fallback.z, fallback.y, fallback.x);
  if (const Value* value = ask(key, "[z, y, x]", default_text, doc)) {
    if (value->kind == Value::Kind::list && value->items.size() == 3) {
      for (int axis = 0; axis < 3; ++axis)
        result[axis] =
            to_integer(value->items[static_cast<std::size_t>(axis)], key, range).value_or(fallback[axis]);
    } else if (value->kind == Value::Kind::scalar) {
      result = Extent::cube(to_integer(*value, key, range).value_or(fallback.z));
    } else {
      problems_->add(
          value->where,
          fmt::format("{}.{} is not three numbers (axes are z, y, x); write [z, y, x]", path_, key));
    }
  }
  note(key, to_string(result));
  return result;
}

std::vector<double> Params::numbers(const std::string& key, const std::vector<double>& fallback,
                                    NumberRange range, const std::string& doc) {
  const auto listed = [](const std::vector<double>& values) {
    std::vector<std::string> items;
    for (const double v : values) items.push_back(number_text(v));
    return list_text(items);
  };
  std::vector<double> result = fallback;
  if (const Value* value = ask(key, "list of numbers", listed(fallback), doc)) {
    if (value->kind == Value::Kind::list) {
      result.clear();
      for (const Value& item : value->items)
        if (const auto number = to_number(item, key, range)) result.push_back(*number);
    } else if (const auto number = to_number(*value, key, range)) {
      result = {*number};
    }
  }
  note(key, listed(result));
  return result;
}

std::vector<std::string> Params::texts(const std::string& key, const std::vector<std::string>& fallback,
                                       const std::string& doc) {
  std::vector<std::string> result = fallback;
  if (const Value* value = ask(key, "list of texts", list_text(fallback), doc)) {
    result.clear();
    if (value->kind == Value::Kind::scalar) result.push_back(value->scalar);
    for (const Value& item : value->items) result.push_back(as_text(item));
  }
  note(key, list_text(result));
  return result;
}

void Params::reject_unknown(const std::vector<std::string>& others) {
  std::vector<std::string> known = others;
  for (const ParamSpec& spec : asked_) known.push_back(spec.key);
  for (const auto& [key, value] : node_->entries) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest_name(key, known);
    problems_->add(value.where, fmt::format("{}.{} is not a known key (it would be ignored); {}", path_, key,
                                            near.empty() ? "remove it" : "did you mean '" + near + "'?"));
  }
}

}  // namespace petavox
