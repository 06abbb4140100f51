#include "petavox/io/image_stack_names.hpp"

#include "petavox/io/file.hpp"
#include "petavox/io/image_stack.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace petavox {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return text.substr(at, end - at);
}

std::string_view without_zeros(std::string_view digits) {
  const auto first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? std::string_view{} : digits.substr(first);
}

struct Name {
  std::string skeleton;  // each run of digits replaced by one '0'
  std::vector<std::string_view> runs;
};

Name split(const std::string& text) {
  Name name;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      name.skeleton += text[i++];
      continue;
    }
    const auto digits = digits_at(text, i);
    name.skeleton += '0';
    name.runs.push_back(digits);
    i += digits.size();
  }
  return name;
}

std::optional<std::int64_t> parse_number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool is_image_name(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name.ends_with(".png") || name.ends_with(".tif") || name.ends_with(".tiff") ||
         name.ends_with(".jpg") || name.ends_with(".jpeg");
}

}  // namespace

bool natural_less(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const auto da = digits_at(a, i), db = digits_at(b, j);
      const auto na = without_zeros(da), nb = without_zeros(db);
      if (na.size() != nb.size()) return na.size() < nb.size();
      if (na != nb) return na < nb;
      i += da.size();
      j += db.size();
    } else if (a[i] != b[j]) {
      return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    } else {
      ++i;
      ++j;
    }
  }
  if (i < a.size() || j < b.size()) return j < b.size();
  return a < b;
}

namespace detail {

bool matches_pattern(const std::string& pattern, const std::string& name) {
  // Goes back to the last * only: linear in practice, quadratic at worst.
  std::size_t p = 0, n = 0, star = std::string::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_pattern(const std::filesystem::path& where) {
  return where.filename().string().find_first_of("*?") != std::string::npos;
}

std::vector<std::filesystem::path> image_files(const std::filesystem::path& where) {
  const bool pattern = is_pattern(where);
  const auto parent = pattern ? where.parent_path() : where;
  const auto directory = parent.empty() ? std::filesystem::path{"."} : parent;
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entries{directory, error};
  if (error) throw system_error("read the directory", directory.string(), error.value());
  while (entries != std::filesystem::directory_iterator{}) {
    const std::string name = entries->path().filename().string();
    const bool hidden = name.starts_with('.');
    const bool wanted = pattern ? matches_pattern(where.filename().string(), name) : is_image_name(name);
    if (wanted && !hidden) names.push_back(name);
    entries.increment(error);
    if (error) throw system_error("read the directory", directory.string(), error.value());
  }
  std::sort(names.begin(), names.end(), natural_less);
  std::vector<std::filesystem::path> files;
  for (const std::string& name : names)
    files.push_back(parent.empty() ? std::filesystem::path{name} : directory / name);
  return files;
}

std::vector<std::int64_t> section_numbers(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  const Name first = split(names.front());
  std::optional<std::size_t> varying;
  std::vector<Name> split_names;
  for (const std::string& text : names) {
    split_names.push_back(split(text));
    const Name& name = split_names.back();
    if (name.skeleton != first.skeleton) return {};
    for (std::size_t i = 0; i < name.runs.size(); ++i) {
      if (name.runs[i] == first.runs[i]) continue;
      if (varying && *varying != i) return {};
      varying = i;
    }
  }
  if (!varying) return {};
  std::vector<std::int64_t> numbers;
  for (const Name& name : split_names) {
    const auto number = parse_number(name.runs[*varying]);
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

std::string missing_numbers(const std::vector<std::int64_t>& numbers) {
  constexpr int most_ranges = 20;
  std::string text;
  int ranges = 0;
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    const std::int64_t first = numbers[i - 1] + 1, last = numbers[i] - 1;
    if (first > last) continue;
    if (++ranges > most_ranges) return text + ", …";
    if (!text.empty()) text += ", ";
    text += std::to_string(first);
    if (last > first) text += "-" + std::to_string(last);
  }
  return text;
}

}  // namespace detail
}  // namespace petavox
