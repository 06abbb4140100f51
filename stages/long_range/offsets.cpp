#include "stages/long_range/offsets.hpp"

#include <charconv>
#include <optional>

namespace petavox::long_range {
namespace {

/// "[z, y, x]" of whole numbers within +-reach.
std::optional<Extent> offset_of(const std::string& text, Index reach) {
  Extent offset;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto skip = [&](char c) {
    while (at != end && *at == ' ') ++at;
    return at != end && *at == c ? (++at, true) : false;
  };
  for (int axis = 0; axis < 3; ++axis) {
    if (!skip(axis == 0 ? '[' : ',')) return std::nullopt;
    while (at != end && *at == ' ') ++at;
    const auto [stop, error] = std::from_chars(at, end, offset[axis]);
    if (error != std::errc{} || offset[axis] < -reach || offset[axis] > reach) return std::nullopt;
    at = stop;
  }
  return skip(']') && at == end ? std::optional{offset} : std::nullopt;
}

}  // namespace

std::vector<Extent> ask_offsets(Params& params, Index reach) {
  const std::vector<std::string> usual{"[-1, 0, 0]",  "[0, -1, 0]",  "[0, 0, -1]",  "[-4, 0, 0]",
                                       "[0, -4, 0]",  "[0, 0, -4]",  "[-4, -4, 0]", "[-4, 0, -4]",
                                       "[0, -4, -4]", "[-12, 0, 0]", "[0, -12, 0]", "[0, 0, -12]"};
  const auto texts = params.texts(
      "offsets", usual, "[z, y, x] for each channel: channel k at v belongs to the pair (v, v + offset)");
  std::vector<Extent> offsets;
  for (const std::string& text : texts) {
    const auto offset = offset_of(text, reach);
    if (!offset)
      params.problem("offsets", "'" + text + "' is not three whole numbers up to " + std::to_string(reach) +
                                    " (axes are z, y, x); write [z, y, x]");
    else if (*offset == Extent{0, 0, 0})
      params.problem("offsets", "an offset is [0, 0, 0] (a voxel has no edge to itself); remove its channel");
    else
      offsets.push_back(*offset);
  }
  if (texts.empty() || texts.size() > 64)
    params.problem("offsets", "there are " + std::to_string(texts.size()) +
                                  " offsets (one to 64 channels are possible); list one for each channel");
  return offsets;
}

}  // namespace petavox::long_range
