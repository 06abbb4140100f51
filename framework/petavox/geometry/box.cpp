#include "petavox/geometry/box.hpp"

#include <charconv>

namespace petavox {

std::string to_string(const Coord& p) {
  return "(" + std::to_string(p.z) + "," + std::to_string(p.y) + "," + std::to_string(p.x) + ")";
}

std::string to_string(const Extent& e) {
  return std::to_string(e.z) + "x" + std::to_string(e.y) + "x" + std::to_string(e.x);
}

std::string to_string(const Box& box) {
  std::string text;
  for (int axis = 0; axis < 3; ++axis)
    text += (axis > 0 ? "," : "") + std::to_string(box.begin[axis]) + ":" + std::to_string(box.end[axis]);
  return text;
}

std::optional<Box> parse_box(std::string_view text) {
  Box box;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  const auto number = [&](Index& value) {
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{}) return false;
    at = next;
    return true;
  };
  const auto symbol = [&](char c) { return at != end && *at++ == c; };
  for (int axis = 0; axis < 3; ++axis) {
    if (axis > 0 && !symbol(',')) return std::nullopt;
    if (!number(box.begin[axis]) || !symbol(':') || !number(box.end[axis])) return std::nullopt;
    if (box.end[axis] <= box.begin[axis]) return std::nullopt;
  }
  if (at != end) return std::nullopt;
  return box;
}

Box coarsened(const Box& fine, Extent factor) {
  Box coarse;
  for (int axis = 0; axis < 3; ++axis) {
    coarse.begin[axis] = floor_div(fine.begin[axis], factor[axis]);
    coarse.end[axis] = ceil_div(fine.end[axis], factor[axis]);
  }
  return coarse;
}

Box refined(const Box& coarse, Extent factor) {
  Box fine;
  for (int axis = 0; axis < 3; ++axis) {
    fine.begin[axis] = coarse.begin[axis] * factor[axis];
    fine.end[axis] = coarse.end[axis] * factor[axis];
  }
  return fine;
}

}  // namespace petavox
