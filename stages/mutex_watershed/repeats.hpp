#pragma once
// Only the first of all edges between two clusters matters: it joins them or finds or makes them exclude each
// other, and then every later one changes nothing. This is a small memory of pairs of clusters,
// direct-mapped, that recognises most of the later ones while they are scanned.

#include <cstdint>
#include <utility>
#include <vector>

namespace petavox::mutex_watershed {

class Repeats {
 public:
  Repeats() : seen_(size) {}

  /// True if an edge between a and b that comes before `order`, or the same in an earlier place, is
  /// remembered.
  bool repeated(std::uint32_t a, std::uint32_t b, std::uint32_t order) {
    if (a > b) std::swap(a, b);
    const std::uint64_t pair = std::uint64_t{a} << 32 | b;
    // The upper bits of a product depend on all bits of the pair.
    Entry& entry = seen_[(pair * 0x9e3779b97f4a7c15ULL) >> (64 - log_size)];
    if (entry.pair == pair && entry.order <= order) return true;
    entry = {pair, order};
    return false;
  }

 private:
  struct Entry {
    std::uint64_t pair = 0;  ///< 0 is none: clusters are numbered from 1
    std::uint32_t order = 0;
  };
  static constexpr unsigned log_size = 13;
  static constexpr std::size_t size = std::size_t{1} << log_size;

  std::vector<Entry> seen_;
};

}  // namespace petavox::mutex_watershed
