#include "petavox/pipeline/config_detail.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace petavox::config_detail {
namespace {

/// A word that YAML reads as plain text in any place, and that is not one of its nulls.
bool is_plain(std::string_view text) {
  if (text.empty() || text == "null" || text == "Null" || text == "NULL") return false;
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/' || c == '+';
  };
  // '-' only inside, so that neither a list item nor a document mark can arise.
  return word(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return word(c) || c == '-'; });
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "\"";
}

std::string scalar_text(const std::string& text, bool keep_quotes) {
  return is_plain(text) && !keep_quotes ? text : in_quotes(text);
}

bool is_leaf(const Value& value) {
  return value.kind == Value::Kind::none || value.kind == Value::Kind::scalar ||
         (value.kind == Value::Kind::map && value.entries.empty()) ||
         (value.kind == Value::Kind::list &&
          std::all_of(value.items.begin(), value.items.end(), [](const Value& v) { return is_leaf(v); }));
}

std::string leaf_text(const Value& value) {
  if (value.kind == Value::Kind::none) return "null";
  if (value.kind == Value::Kind::scalar) return scalar_text(value.scalar, value.quoted);
  if (value.kind == Value::Kind::map) return "{}";
  std::string out = "[";
  for (const Value& item : value.items) out += (out.size() > 1 ? ", " : "") + leaf_text(item);
  return out + "]";
}

void emit(const Value& value, const std::string& indent, std::string& out) {
  if (value.kind == Value::Kind::map) {
    for (const auto& [key, entry] : value.entries) {
      out += indent + scalar_text(key, false) + ":";
      if (is_leaf(entry)) {
        out += " " + leaf_text(entry) + "\n";
      } else {
        out += "\n";
        emit(entry, indent + "  ", out);
      }
    }
  } else {
    for (const Value& item : value.items) {
      if (is_leaf(item)) {
        out += indent + "- " + leaf_text(item) + "\n";
      } else {
        out += indent + "-\n";
        emit(item, indent + "  ", out);
      }
    }
  }
}

}  // namespace

std::string to_yaml(const Value& value) {
  if (is_leaf(value)) return leaf_text(value) + "\n";
  std::string out;
  emit(value, "", out);
  return out;
}

}  // namespace petavox::config_detail
