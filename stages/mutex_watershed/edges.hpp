#pragma once
// The edges of a window without holding them: each scan visits those whose voxels bear different numbers (of
// clusters; 0 is outside the mask). Most of a volume is in few clusters early, and then a scan costs one
// look at sixty-four edges.

#include "petavox/volume/bit_rows.hpp"

#include "stages/mutex_watershed/kernel.hpp"
#include "stages/mutex_watershed/repeats.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>

namespace petavox::mutex_watershed {

/// The edges of one channel: rows of v such that v and v + offset are in the window.
struct Channel {
  Box voxels;                 ///< of v
  Extent step{1, 1, 1};       ///< from edge to edge
  std::int64_t to_other = 0;  ///< from v to v + offset, in voxels of the window's raster
  bool attractive = false;
};

/// `T` is uint8 or uint16. Ranks say which edges come first: 0 is the greatest weight.
template <class T>
class Edges {
 public:
  Edges(const View<const T>& affinities, const Graph& graph) : affinities_{affinities}, graph_{graph} {
    const Box& window = affinities.box();
    for (std::size_t k = 0; k < graph.offsets.size(); ++k) {
      const Extent offset = graph.offsets[k];
      Channel channel;
      channel.attractive = static_cast<int>(k) < graph.num_attractive;
      channel.voxels = window.intersect({window.begin - offset, window.end - offset});
      channel.to_other = (offset.z * window.shape().y + offset.y) * window.shape().x + offset.x;
      if (!channel.attractive) {
        channel.step = graph.strides;
        // The first voxel on the domain's lattice of strides.
        const Coord corner = affinities.domain().begin;
        for (int axis = 0; axis < 3; ++axis) {
          Index& first = channel.voxels.begin[axis];
          first = corner[axis] + ceil_div(first - corner[axis], channel.step[axis]) * channel.step[axis];
        }
      }
      channels_.push_back(channel);
    }
  }

  std::uint32_t num_channels() const { return static_cast<std::uint32_t>(channels_.size()); }
  const Channel& channel(std::uint32_t k) const { return channels_[k]; }
  /// Ranks are below this.
  std::uint32_t num_ranks() const { return static_cast<std::uint32_t>(top() - bottom()) + 1; }

  /// Calls visit(k, rank, number of v, number of v + offset) for each edge of a rank from `begin` to `end`
  /// whose voxels have different numbers, none 0; for each channel in the raster of v. Leaves out many edges
  /// that come after another one between the same two numbers.
  template <class Visit>
  void scan(const std::uint32_t* numbers, std::uint32_t begin, std::uint32_t end, Visit&& visit) const {
    Repeats repeats;
    const auto first = [&](std::uint32_t k, std::uint32_t rank, std::uint32_t ours, std::uint32_t theirs) {
      // What comes before `begin` is remembered: it makes others repeats. What comes after `end` does not.
      if (rank >= end || repeats.repeated(ours, theirs, rank * 256 + k) || rank < begin) return;
      visit(k, rank, ours, theirs);
    };
    const auto row = [&](const Row& r) { scan_row(r, numbers, first); };
    const Box& window = affinities_.box();
    for (Index z = window.begin.z; z < window.end.z; ++z)
      for (Index y = window.begin.y; y < window.end.y; ++y)
        for (std::uint32_t k = 0; k < num_channels(); ++k) with_row(k, z, y, row);
  }
  /// The same for one channel and one rank, with nothing left out.
  template <class Visit>
  void scan_channel(std::uint32_t k, const std::uint32_t* numbers, std::uint32_t rank, Visit&& visit) const {
    const auto only = [&](std::uint32_t, std::uint32_t r, std::uint32_t ours, std::uint32_t theirs) {
      if (r == rank) visit(ours, theirs);
    };
    const auto row = [&](const Row& r) { scan_row(r, numbers, only); };
    const Box& window = affinities_.box();
    for (Index z = window.begin.z; z < window.end.z; ++z)
      for (Index y = window.begin.y; y < window.end.y; ++y) with_row(k, z, y, row);
  }

  /// For each voxel the first of all edges at it, as rank * 256 + code, or `none`: 2k or 2k + 1, whichever
  /// keeps the order of edges, for the edge of channel k at the voxel itself or at its other end. Voxels
  /// with number 0 have no edges.
  void first_edges(const std::uint32_t* numbers, std::span<std::int32_t> first) const {
    std::fill(first.begin(), first.end(), none);
    const Box& window = affinities_.box();
    for (Index z = window.begin.z; z < window.end.z; ++z)
      for (Index y = window.begin.y; y < window.end.y; ++y)
        for (std::uint32_t k = 0; k < num_channels(); ++k)
          with_row(k, z, y, [&](const Row& r) { first_edges_of_row(r, numbers, first.data()); });
  }
  /// Even, so that it stays beyond all edges with its last bit flipped.
  static constexpr std::int32_t none = std::numeric_limits<std::int32_t>::max() - 1;
  /// The code of an edge at the voxel that owns it; the other end's differs in the last bit.
  std::int32_t own_code(std::uint32_t k) const {
    return static_cast<std::int32_t>(2 * k + (channels_[k].to_other < 0 ? 0 : 1));
  }

 private:
  static constexpr std::int32_t full = std::numeric_limits<T>::max();
  static constexpr Index group = 64;

  // Weights reach from -bias or 0 to full + bias; rank = top - weight.
  std::int32_t top() const { return full + std::max(0, graph_.repulsive_bias); }
  std::int32_t bottom() const { return std::min(0, graph_.repulsive_bias); }

  /// A row of edges: of voxels first, first + step, ….
  struct Row {
    std::uint32_t k;
    std::uint32_t first;
    Index count, step;
    const T* values;
    // rank = base + sign * value for values of at least `least`.
    std::int32_t base, sign, least;
  };

  template <class F>
  void with_row(std::uint32_t k, Index z, Index y, F&& f) const {
    const Channel& channel = channels_[k];
    const Box& box = channel.voxels;
    if (z < box.begin.z || z >= box.end.z || y < box.begin.y || y >= box.end.y || box.begin.x >= box.end.x)
      return;
    if ((z - box.begin.z) % channel.step.z != 0 || (y - box.begin.y) % channel.step.y != 0) return;
    const Coord begin{z, y, box.begin.x};
    f(Row{k, static_cast<std::uint32_t>(affinities_.box().raster(begin)), box.end.x - box.begin.x,
          channel.step.x, &affinities_.at(static_cast<int>(k), begin),
          channel.attractive ? top() : top() - full - graph_.repulsive_bias, channel.attractive ? -1 : 1,
          channel.attractive ? graph_.threshold : 0});
  }

  template <class Visit>
  void scan_row(const Row& row, const std::uint32_t* numbers, const Visit& visit) const {
    const std::uint32_t* const ours = numbers + row.first;
    const std::uint32_t* const theirs = ours + channels_[row.k].to_other;
    const auto visit_edge = [&](Index j) {
      if (row.values[j] >= row.least)
        visit(row.k, static_cast<std::uint32_t>(row.base + row.sign * row.values[j]), ours[j], theirs[j]);
    };
    if (row.step == 1) {
      // Most numbers are the same on both sides: found 64 at a time.
      constexpr std::size_t most = 4096;
      std::uint64_t same[words_of(most)], inside[words_of(most)], theirs_inside[words_of(most)];
      for (Index begin = 0; begin < row.count; begin += most) {
        const auto size = static_cast<std::size_t>(std::min<Index>(most, row.count - begin));
        equal_bits(ours + begin, theirs + begin, size, same);
        nonzero_bits(ours + begin, size, inside);
        nonzero_bits(theirs + begin, size, theirs_inside);
        for (std::size_t word = 0; word < words_of(size); ++word)
          for (std::uint64_t bits = ~same[word] & inside[word] & theirs_inside[word]; bits != 0;
               bits &= bits - 1)
            visit_edge(begin + static_cast<Index>(64 * word) + std::countr_zero(bits));
      }
      return;
    }
    // In groups: first where the numbers differ, without a branch that nobody could predict.
    std::int32_t differ[group];
    for (Index i = 0; i < row.count; i += group * row.step) {
      const Index end = std::min(row.count, i + group * row.step);
      std::size_t found = 0;
      for (Index j = i; j < end; j += row.step) {
        differ[found] = static_cast<std::int32_t>(j);
        found += ours[j] != theirs[j] && ours[j] != 0 && theirs[j] != 0 ? 1 : 0;
      }
      for (std::size_t n = 0; n < found; ++n) visit_edge(differ[n]);
    }
  }

  void first_edges_of_row(const Row& row, const std::uint32_t* numbers, std::int32_t* first) const {
    const Index to_other = channels_[row.k].to_other;
    const std::uint32_t* const ours = numbers + row.first;
    const std::uint32_t* const theirs = ours + to_other;
    const std::int32_t code = own_code(row.k);
    const auto key = [&](Index i) {
      const std::int32_t value = row.values[i];
      const bool exists = value >= row.least && ours[i] != 0 && theirs[i] != 0;
      return exists ? (row.base + row.sign * value) * 256 + code : none;
    };
    std::int32_t keys[group];
    const auto lower = [&](std::int32_t* at, std::int32_t flip, Index count) {
      for (Index j = 0; j < count; ++j) at[j] = std::min(at[j], keys[j] ^ flip);
    };
    if (row.step != 1) {
      for (Index i = 0; i < row.count; i += row.step) {
        keys[0] = key(i);
        lower(first + row.first + i, 0, 1);
        lower(first + row.first + i + to_other, 1, 1);
      }
      return;
    }
    for (Index i = 0; i < row.count; i += group) {
      const Index count = std::min(group, row.count - i);
      for (Index j = 0; j < count; ++j) keys[j] = key(i + j);
      lower(first + row.first + i, 0, count);
      lower(first + row.first + i + to_other, 1, count);
    }
  }

  View<const T> affinities_;
  const Graph& graph_;
  std::vector<Channel> channels_;
};

}  // namespace petavox::mutex_watershed
