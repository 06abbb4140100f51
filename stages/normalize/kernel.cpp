#include "stages/normalize/kernel.hpp"

#include <array>
#include <cmath>
#include <vector>

namespace petavox::normalize {
namespace {

/// Statistics of a cell: exact integers first, then what voxels need.
struct Sums {
  std::int64_t count = 0, values = 0, squares = 0;
};
struct Node {
  float mean = 0, gain = 0;
  float valid = 0;  ///< 1 if the cell has data
};

/// The cells of an axis that some voxels need.
struct CellRange {
  Index first, last;
  Index size() const { return last - first + 1; }
};

template <class T>
std::vector<Node> nodes_of(const Array& image, const std::array<Lattice, 3>& lattice,
                           const std::array<CellRange, 3>& cells, const Settings& settings) {
  const View<const T> view = image.view<T>();
  const Index x_begin = view.box().begin.x;
  const Index nx = cells[2].size();
  std::vector<Node> nodes;
  nodes.reserve(static_cast<std::size_t>(cells[0].size() * cells[1].size() * nx));
  std::vector<Sums> sums(static_cast<std::size_t>(nx));
  for (Index cz = cells[0].first; cz <= cells[0].last; ++cz)
    for (Index cy = cells[1].first; cy <= cells[1].last; ++cy) {
      std::fill(sums.begin(), sums.end(), Sums{});
      for (Index z = lattice[0].begin(cz); z < lattice[0].begin(cz + 1); ++z)
        for (Index y = lattice[1].begin(cy); y < lattice[1].begin(cy + 1); ++y) {
          const T* const row = view.row(z, y).data() - x_begin;
          for (Index c = 0; c < nx; ++c) {
            const Index end = lattice[2].begin(cells[2].first + c + 1);
            // Sums of 6144 values of 8 bits (the longest cell) and of their squares fit into 32 bits, which
            // vectorise better.
            using Part = std::conditional_t<sizeof(T) == 1, std::int32_t, std::int64_t>;
            Part zeros = 0, values = 0, squares = 0;
            for (Index x = lattice[2].begin(cells[2].first + c); x < end; ++x) {
              const auto v = static_cast<Part>(row[x]);
              zeros += v == 0 ? 1 : 0;
              values += v;
              squares += v * v;
            }
            Sums& sum = sums[static_cast<std::size_t>(c)];
            sum.count += end - lattice[2].begin(cells[2].first + c) - (settings.skip_zeros ? zeros : 0);
            sum.values += values;
            sum.squares += squares;
          }
        }
      for (const Sums& sum : sums) {
        Node node;
        if (sum.count > 0) {
          const auto n = static_cast<double>(sum.count);
          const double mean = static_cast<double>(sum.values) / n;
          const double variance = static_cast<double>(sum.squares) / n - mean * mean;
          const double deviation = std::sqrt(variance > 0 ? variance : 0);
          node.mean = static_cast<float>(mean);
          node.gain = static_cast<float>(settings.contrast / std::max(deviation, settings.min_contrast));
          node.valid = 1;
        }
        nodes.push_back(node);
      }
    }
  return nodes;
}

/// Share of the upper cell at a position between the centres of two cells, in [0, 1].
float upper_share(const Lattice& lattice, Index p) {
  const Index lower = lattice.lower_cell(p), upper = lattice.upper_cell(p);
  if (lower == upper) return 0;
  return static_cast<float>(2 * p - lattice.twice_centre(lower)) /
         static_cast<float>(lattice.twice_centre(upper) - lattice.twice_centre(lower));
}

/// Positions along an axis that lie between the same two cells.
struct Between {
  Index begin, end, lower, upper;
};

std::vector<Between> stretches_of(const Lattice& lattice, Index begin, Index end) {
  std::vector<Between> stretches;
  for (Index p = begin; p < end; ++p) {
    const Index lower = lattice.lower_cell(p), upper = lattice.upper_cell(p);
    if (stretches.empty() || stretches.back().lower != lower || stretches.back().upper != upper)
      stretches.push_back({p, p, lower, upper});
    stretches.back().end = p + 1;
  }
  return stretches;
}

Node blend(const Node& a, const Node& b, float share) {
  return {a.mean + share * (b.mean - a.mean), a.gain + share * (b.gain - a.gain),
          a.valid + share * (b.valid - a.valid)};
}

template <class T>
void normalised_as(const Array& image, View<std::uint8_t> out, const Settings& settings) {
  const Box& domain = image.domain();
  const Box& core = out.box();
  if (core.empty()) return;
  const std::array<Lattice, 3> lattice{Lattice{domain.begin.z, domain.end.z, settings.cell.z},
                                       Lattice{domain.begin.y, domain.end.y, settings.cell.y},
                                       Lattice{domain.begin.x, domain.end.x, settings.cell.x}};
  std::array<CellRange, 3> cells{};
  for (int k = 0; k < 3; ++k) {
    const auto axis = static_cast<std::size_t>(k);
    cells[axis] = {lattice[axis].lower_cell(core.begin[k]), lattice[axis].upper_cell(core.end[k] - 1)};
  }
  const auto nodes = nodes_of<T>(image, lattice, cells, settings);
  const View<const T> view = image.view<T>();
  const auto nx = static_cast<std::size_t>(cells[2].size());
  const auto row_of_nodes = [&](Index cz, Index cy) {
    return nodes.data() +
           static_cast<std::size_t>(((cz - cells[0].first) * cells[1].size() + cy - cells[1].first)) * nx;
  };

  std::vector<float> share_x(static_cast<std::size_t>(core.shape().x));
  for (Index x = core.begin.x; x < core.end.x; ++x)
    share_x[static_cast<std::size_t>(x - core.begin.x)] = upper_share(lattice[2], x);
  const std::vector<Between> stretches = stretches_of(lattice[2], core.begin.x, core.end.x);
  std::vector<Node> along_x(nx);
  const auto target = static_cast<float>(settings.mean);

  for (Index z = core.begin.z; z < core.end.z; ++z) {
    const float share_z = upper_share(lattice[0], z);
    const Index z0 = lattice[0].lower_cell(z), z1 = lattice[0].upper_cell(z);
    for (Index y = core.begin.y; y < core.end.y; ++y) {
      const float share_y = upper_share(lattice[1], y);
      const Index y0 = lattice[1].lower_cell(y), y1 = lattice[1].upper_cell(y);
      for (std::size_t c = 0; c < nx; ++c) {
        // Cells without data weigh nothing: means and gains count by validity.
        const auto weighted = [&](Index cz, Index cy) {
          const Node& n = row_of_nodes(cz, cy)[c];
          return Node{n.mean * n.valid, n.gain * n.valid, n.valid};
        };
        along_x[c] = blend(blend(weighted(z0, y0), weighted(z0, y1), share_y),
                           blend(weighted(z1, y0), weighted(z1, y1), share_y), share_z);
      }
      const T* const in = view.row(z, y).data() - view.box().begin.x;
      const auto row = out.row(z, y);
      for (const auto& [begin, end, lower, upper] : stretches) {
        const Node a = along_x[static_cast<std::size_t>(lower - cells[2].first)];
        const Node b = along_x[static_cast<std::size_t>(upper - cells[2].first)];
        for (Index x = begin; x < end; ++x) {
          const auto i = static_cast<std::size_t>(x - core.begin.x);
          const Node n = blend(a, b, share_x[i]);
          const float weight = n.valid > 0 ? n.valid : 1.0F;
          const auto v = static_cast<float>(in[x]);
          float value = (v - n.mean / weight) * (n.gain / weight) + target + 0.5F;
          value = value < 0.0F ? 0.0F : value;
          value = value > 255.0F ? 255.0F : value;
          const auto rounded = static_cast<std::uint8_t>(static_cast<int>(value));
          row[i] = settings.skip_zeros
                       ? (in[x] == T{0} ? std::uint8_t{0} : std::max<std::uint8_t>(rounded, 1))
                       : rounded;
        }
      }
    }
  }
}

}  // namespace

Lattice::Lattice(Index domain_begin, Index domain_end, Index cell)
    : begin_{domain_begin}, length_{domain_end - domain_begin} {
  PETAVOX_ASSERT(length_ > 0 && cell > 0);
  size_ = std::max<Index>(1, (length_ + cell / 2) / cell);
}

Index Lattice::cell_of(Index p) const {
  Index k = (p - begin_) * size_ / length_;
  while (k + 1 < size_ && begin(k + 1) <= p) ++k;
  while (k > 0 && begin(k) > p) --k;
  return k;
}

Index Lattice::lower_cell(Index p) const {
  const Index k = cell_of(p);
  return 2 * p < twice_centre(k) ? std::max<Index>(0, k - 1) : k;
}

Index Lattice::upper_cell(Index p) const {
  const Index k = cell_of(p);
  return 2 * p < twice_centre(k) ? k : std::min(size_ - 1, k + 1);
}

Index Lattice::reach() const {
  const Index longest = ceil_div(length_, size_);
  return std::min(length_, longest + (longest + 1) / 2 + 1);
}

Halo halo_of(const Settings& settings, const Box& domain) {
  return Halo::symmetric({Lattice{domain.begin.z, domain.end.z, settings.cell.z}.reach(),
                          Lattice{domain.begin.y, domain.end.y, settings.cell.y}.reach(),
                          Lattice{domain.begin.x, domain.end.x, settings.cell.x}.reach()});
}

void normalised(const Array& image, View<std::uint8_t> out, const Settings& settings) {
  switch (image.dtype()) {
    case DType::u8:
      return normalised_as<std::uint8_t>(image, out, settings);
    case DType::i8:
      return normalised_as<std::int8_t>(image, out, settings);
    case DType::u16:
      return normalised_as<std::uint16_t>(image, out, settings);
    case DType::i16:
      return normalised_as<std::int16_t>(image, out, settings);
    default:
      throw Error{ErrorCode::contract, std::string{"cannot normalise "} + name_of(image.dtype()) +
                                           " (sums would not be exact); use integers of 8 or 16 bits"};
  }
}

}  // namespace petavox::normalize
