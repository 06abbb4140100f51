#pragma once
// The pieces that a mutex watershed is sure to join: each voxel with the other end of the first of all edges
// at it, if that attracts. When Kruskal's algorithm comes to that edge the voxel is still alone and excludes
// nothing, so the two are joined whatever happened elsewhere, and nothing that comes before asks for the
// voxel (docs/invariance.md). One round of Boruvka's algorithm: streaming, and what is left are a few per
// cent of the voxels to sort edges for.

#include "stages/mutex_watershed/edges.hpp"

namespace petavox::mutex_watershed {

namespace detail {

/// Of a plain union-find whose roots are the least elements; halves the path on its way.
inline std::uint32_t least_of(std::uint32_t* parents, std::uint32_t v) {
  while (parents[v] != v) v = parents[v] = parents[parents[v]];
  return v;
}

}  // namespace detail

/// Expects numbers 1 inside and 0 outside the mask; replaces them by those of the fragments, from 1 in order
/// of their first voxels, 0 outside. Returns how many there are. Holds 4 bytes a voxel meanwhile.
template <class T>
std::uint32_t join_first_edges(const Edges<T>& edges, std::span<std::uint32_t> numbers) {
  std::vector<std::int32_t> first(numbers.size());
  edges.first_edges(numbers.data(), first);
  std::uint32_t* const parents = numbers.data();
  constexpr std::int32_t outside = -1;
  for (std::size_t v = 0; v < numbers.size(); ++v) {
    if (numbers[v] == 0) first[v] = outside;
    parents[v] = static_cast<std::uint32_t>(v);
  }
  for (std::size_t v = 0; v < numbers.size(); ++v) {
    if (first[v] == outside || first[v] == Edges<T>::none) continue;
    const auto k = static_cast<std::uint32_t>(first[v] & 255) / 2;
    const Channel& channel = edges.channel(k);
    if (!channel.attractive) continue;
    const bool owner = (first[v] & 255) == edges.own_code(k);
    const auto u = static_cast<std::int64_t>(v) + (owner ? channel.to_other : -channel.to_other);
    const std::uint32_t a = detail::least_of(parents, static_cast<std::uint32_t>(u)),
                        b = detail::least_of(parents, static_cast<std::uint32_t>(v));
    parents[std::max(a, b)] = std::min(a, b);
  }
  std::uint32_t count = 0;
  for (std::size_t v = 0; v < numbers.size(); ++v)
    numbers[v] = first[v] == outside ? 0 : parents[v] == v ? ++count : numbers[parents[v]];
  return count;
}

}  // namespace petavox::mutex_watershed
