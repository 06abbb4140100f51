#include "stages/mutex_watershed/kernel.hpp"

#include "stages/mutex_watershed/clusters.hpp"
#include "stages/mutex_watershed/fragments.hpp"

namespace petavox::mutex_watershed {
namespace {

/// Kruskal's algorithm on fragments: over ranks of edges, in rounds; as many ranks at once as the room for
/// edges allows. A rank that is too large for the room is taken as it is scanned.
template <class T>
class Segmentation {
 public:
  /// `numbers`: 1 inside the mask, 0 outside.
  Segmentation(const Array& affinities, const Graph& graph, std::span<std::uint32_t> numbers,
               std::size_t room)
      : edges_{affinities.view<T>(), graph},
        numbers_{numbers},
        room_{room},
        clusters_{std::size_t{1} + join_first_edges(edges_, numbers)},
        peak_bytes_{numbers.size() * sizeof(std::int32_t)} {}

  /// Leaves the cluster of each voxel in its number: clusters are called by their first fragment.
  void run() {
    for (std::uint32_t rank = 0; rank < edges_.num_ranks();) {
      const std::uint32_t counted = count_from(rank);
      while (rank < counted && edges_of(rank) == 0) ++rank;
      std::uint32_t end = rank;
      std::size_t held = 0;
      while (end < counted && held + edges_of(end) <= room_) held += edges_of(end++);
      if (held > 0)
        take_sorted(std::exchange(rank, end), end, held);
      else if (rank < counted)
        take_while_scanning(rank++);
      for (std::uint32_t& number : numbers_) number = clusters_.root(number);
    }
  }

  std::size_t peak_bytes() const { return peak_bytes_; }

 private:
  struct Pair {
    std::uint32_t u, v;
  };

  std::uint32_t num_channels() const { return edges_.num_channels(); }

  /// Counts edges from a rank on, up to the rank returned: not many more than there is room for, since a scan
  /// passes quickly over what it need not look at.
  std::uint32_t count_from(std::uint32_t rank) {
    const std::uint32_t end = enough_from(rank);
    counts_.assign(std::size_t{num_channels()} * edges_.num_ranks(), 0);
    std::uint32_t* const counts = counts_.data();
    const std::uint32_t ranks = edges_.num_ranks();
    edges_.scan(numbers_.data(), rank, end,
                [=](std::uint32_t k, std::uint32_t r, std::uint32_t, std::uint32_t) {
                  ++counts[std::size_t{k} * ranks + r];
                });
    if (at_first_.empty())
      for (std::uint32_t r = 0; r < ranks; ++r) at_first_.push_back(edges_of(r));
    double now = 0, then = 0;
    for (std::uint32_t r = rank; r < end; ++r) {
      now += static_cast<double>(edges_of(r));
      then += static_cast<double>(at_first_[r]);
    }
    if (then > 0) left_ = now / then;
    return end;
  }
  /// Where edges from a rank on are more than the room, if as many of them are left as of those counted last.
  std::uint32_t enough_from(std::uint32_t rank) const {
    double expected = 0;
    while (rank < at_first_.size() && expected < 1.5 * static_cast<double>(room_))
      expected += left_ * static_cast<double>(at_first_[rank++]);
    return at_first_.empty() ? edges_.num_ranks() : rank;
  }
  std::size_t edges_of(std::uint32_t rank) const {
    std::size_t sum = 0;
    for (std::uint32_t k = 0; k < num_channels(); ++k)
      sum += counts_[std::size_t{k} * edges_.num_ranks() + rank];
    return sum;
  }
  std::uint32_t& count(std::uint32_t k, std::uint32_t rank) {
    return counts_[std::size_t{k} * edges_.num_ranks() + rank];
  }

  void take(std::uint32_t k, Pair pair) {
    if (edges_.channel(k).attractive)
      clusters_.attract(pair.u, pair.v);
    else
      clusters_.repel(pair.u, pair.v);
  }

  void take_while_scanning(std::uint32_t rank) {
    for (std::uint32_t k = 0; k < num_channels(); ++k)
      edges_.scan_channel(k, numbers_.data(), rank, [&](std::uint32_t v, std::uint32_t u) {
        take(k, {u, v});
      });
    note_peak(0);
  }

  /// A counting sort by (rank, channel); within these the scan is in order already.
  void take_sorted(std::uint32_t begin, std::uint32_t end, std::size_t held) {
    std::vector<Pair> sorted(held);
    std::uint32_t next = 0;
    for (std::uint32_t rank = begin; rank < end; ++rank)
      for (std::uint32_t k = 0; k < num_channels(); ++k) next += std::exchange(count(k, rank), next);
    edges_.scan(numbers_.data(), begin, end,
                [&](std::uint32_t k, std::uint32_t rank, std::uint32_t v, std::uint32_t u) {
                  sorted[count(k, rank)++] = {u, v};
                });
    // Each count is now where its edges end.
    std::size_t at = 0;
    for (std::uint32_t rank = begin; rank < end; ++rank)
      for (std::uint32_t k = 0; k < num_channels(); ++k)
        for (const std::size_t stop = count(k, rank); at < stop; ++at) {
          if (at + 3 * ahead < held) clusters_.prefetch(sorted[at + 3 * ahead].u, sorted[at + 3 * ahead].v);
          if (at + 2 * ahead < held)
            clusters_.prefetch_roots(sorted[at + 2 * ahead].u, sorted[at + 2 * ahead].v);
          if (at + ahead < held) clusters_.prefetch_exclusions(sorted[at + ahead].u, sorted[at + ahead].v);
          take(k, sorted[at]);
        }
    note_peak(held * sizeof(Pair));
  }

  void note_peak(std::size_t more) {
    peak_bytes_ =
        std::max(peak_bytes_, more + counts_.size() * sizeof(std::uint32_t) + clusters_.held_bytes());
  }

  static constexpr std::size_t ahead = 12;

  Edges<T> edges_;
  std::span<std::uint32_t> numbers_;
  std::size_t room_;
  Clusters clusters_;
  std::vector<std::uint32_t> counts_;  ///< of edges, by channel and rank
  std::vector<std::size_t> at_first_;  ///< edges of each rank when all were counted
  double left_ = 1;                    ///< the share of them that was left when some were counted last
  std::size_t peak_bytes_;
};

/// From clusters called by any number up to `most` to dense ids in order of first appearance; returns the
/// first voxel of each.
std::vector<std::uint32_t> make_dense(std::span<std::uint32_t> numbers, std::uint32_t most) {
  std::vector<std::uint32_t> id(std::size_t{most} + 1, 0), first_voxels;
  for (std::size_t v = 0; v < numbers.size(); ++v) {
    if (numbers[v] == 0) continue;
    if (id[numbers[v]] == 0) {
      first_voxels.push_back(static_cast<std::uint32_t>(v));
      id[numbers[v]] = static_cast<std::uint32_t>(first_voxels.size());
    }
    numbers[v] = id[numbers[v]];
  }
  return first_voxels;
}

void check(const Array& affinities, const std::optional<Array>& mask, const Graph& graph,
           const LabelArray& labels) {
  if (affinities.dtype() != DType::u8 && affinities.dtype() != DType::u16)
    throw Error{ErrorCode::contract, std::string{"affinities are "} + name_of(affinities.dtype()) +
                                         " (uint8 or uint16 are needed); quantise them"};
  if (affinities.channels() != static_cast<int>(graph.offsets.size()))
    throw Error{ErrorCode::contract,
                "there are " + std::to_string(affinities.channels()) + " channels for " +
                    std::to_string(graph.offsets.size()) +
                    " offsets (each channel belongs to one pair of voxels); give one offset a channel"};
  if (labels.ids.box() != affinities.box() || (mask && mask->box() != affinities.box()))
    throw Error{ErrorCode::contract, "labels and mask are not over " + to_string(affinities.box()) +
                                         " (the window of the affinities); give arrays of the same box"};
  if (affinities.box().voxels() >= Index{1} << 31)
    throw Error{ErrorCode::resource,
                "a window has " + std::to_string(affinities.box().voxels()) +
                    " voxels (2^31 and more cannot be numbered); use a smaller subvolume"};
}

}  // namespace

void segment(const Array& affinities, const std::optional<Array>& mask, const Graph& graph,
             LabelArray& labels, Work& work) {
  check(affinities, mask, graph, labels);
  const auto numbers = labels.ids.view<std::uint32_t>().channel();
  std::ranges::fill(numbers, 1U);
  if (mask)
    std::ranges::transform(mask->view<std::uint8_t>().channel(), numbers.begin(),
                           [](std::uint8_t inside) { return inside == 0 ? 0U : 1U; });
  const std::size_t room = work.edges_at_once == 0 ? numbers.size() : work.edges_at_once;
  const auto run = [&]<class T>(std::type_identity<T>) {
    Segmentation<T> segmentation{affinities, graph, numbers, room};
    segmentation.run();
    work.peak_bytes = segmentation.peak_bytes();
  };
  if (affinities.dtype() == DType::u8)
    run(std::type_identity<std::uint8_t>{});
  else
    run(std::type_identity<std::uint16_t>{});

  labels.names.clear();
  const std::uint32_t most = numbers.empty() ? 0 : *std::ranges::max_element(numbers);
  for (const std::uint32_t v : make_dense(numbers, most))
    labels.names.push_back(name_of_voxel(affinities.domain(), affinities.box().at(v)));
}

void remove_small(LabelArray& labels, std::uint64_t least) {
  if (least <= 1) return;
  const auto ids = labels.ids.view<std::uint32_t>().channel();
  std::vector<std::uint32_t> number(labels.names.size() + 1, 0);
  for (const std::uint32_t id : ids) ++number[id];
  std::uint32_t kept = 0;
  for (std::size_t id = 1; id < number.size(); ++id) {
    if (number[id] >= least) {
      labels.names[kept] = labels.names[id - 1];
      number[id] = ++kept;
    } else {
      number[id] = 0;
    }
  }
  number[0] = 0;
  labels.names.resize(kept);
  for (std::uint32_t& id : ids) id = number[id];
}

}  // namespace petavox::mutex_watershed
