#include "stages/ffn/consensus.hpp"

#include <unordered_map>
#include <vector>

namespace petavox::ffn {

std::uint32_t intersect(Array& ids, const Array& other, std::uint64_t min_size) {
  const auto first = ids.view<std::uint32_t>().channel();
  const auto second = other.view<std::uint32_t>().channel();
  std::unordered_map<std::uint64_t, std::uint32_t> number_of_pair;
  std::vector<std::uint64_t> sizes{0};
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i] == 0) continue;
    std::uint32_t number = 0;
    if (second[i] != 0) {
      const std::uint64_t pair = std::uint64_t{first[i]} << 32 | second[i];
      const auto next = static_cast<std::uint32_t>(sizes.size());
      const auto [entry, added] = number_of_pair.try_emplace(pair, next);
      if (added) sizes.push_back(0);
      number = entry->second;
      ++sizes[number];
    }
    first[i] = number;
  }
  std::vector<std::uint32_t> kept(sizes.size(), 0);
  std::uint32_t count = 0;
  for (std::size_t n = 1; n < sizes.size(); ++n)
    if (sizes[n] >= min_size) kept[n] = ++count;
  for (std::uint32_t& id : first) id = kept[id];
  return count;
}

}  // namespace petavox::ffn
