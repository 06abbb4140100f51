#include "stages/place_sections/evidence.hpp"

#include "stages/coarse_align/statistics.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace petavox::place_sections {
namespace {

/// An order of sections, and how alike neighbours in it are.
class Order {
 public:
  Order(const LikenessTable& table, double margin) : table_{table}, margin_{margin} {
    // Sections that are like nothing near them are bad, not misplaced.
    std::vector<double> most;
    for (Index z = 0; z < static_cast<Index>(table.size()); ++z) {
      const auto reach = static_cast<Index>(table.front().size());
      double best = 0;
      for (Index o = std::max<Index>(0, z - reach);
           o <= std::min(static_cast<Index>(table.size()) - 1, z + reach); ++o)
        best = std::max(best, alike(z, o));
      most.push_back(best);
    }
    constexpr double share = 1.0 / 3;
    const double least = share * coarse_align::median(most);
    for (Index z = 0; z < static_cast<Index>(table.size()); ++z)
      if (most[static_cast<std::size_t>(z)] >= least) order_.push_back(z);
  }

  /// Of two sections; unknown counts as not alike. Nothing across the ends of the stack.
  double alike(Index a, Index b) const {
    const Index z = std::max(a, b), d = std::abs(a - b);
    const auto& row = table_[static_cast<std::size_t>(z)];
    return d == 0 || d > static_cast<Index>(row.size()) ? 0
                                                        : std::max(0.0, row[static_cast<std::size_t>(d - 1)]);
  }
  double alike_at(Index i, Index j) const {
    return i < 0 || j >= size()
               ? 0
               : alike(order_[static_cast<std::size_t>(i)], order_[static_cast<std::size_t>(j)]);
  }
  Index size() const { return static_cast<Index>(order_.size()); }
  const std::vector<Index>& order() const { return order_; }

  /// Takes the best step there is. False: none is worth it.
  bool improve(Index reach) {
    double best = margin_;
    Index first = 0, last = 0;
    bool turn = false, back = false;
    for (Index i = 0; i < size(); ++i)
      for (Index j = i + 1; j <= std::min(size() - 1, i + reach); ++j) {
        const double around = alike_at(i - 1, i) + alike_at(j, j + 1);
        const auto consider = [&](double gain, bool reversed, bool to_front) {
          if (gain <= best) return;
          best = gain;
          first = i;
          last = j;
          turn = reversed;
          back = to_front;
        };
        // The run i … j turned round.
        const double turned = between(i - 1, j) + between(i, j + 1);
        if (between(i - 1, j) > 0 && between(i, j + 1) > 0) consider(turned - around, true, false);
        // Section i behind j, section j before i: it must be more like its new neighbours than like its old.
        const double gap = between(i - 1, i + 1);
        const double forward = between(j, i) + between(i, j + 1);
        if (forward > alike_at(i - 1, i) + alike_at(i, i + 1) + margin_)
          consider(gap + forward - around - alike_at(i, i + 1), false, false);
        const double hole = between(j - 1, j + 1);
        const double backward = between(i - 1, j) + between(j, i);
        if (backward > alike_at(j - 1, j) + alike_at(j, j + 1) + margin_)
          consider(hole + backward - around - alike_at(j - 1, j), false, true);
      }
    if (best <= margin_) return false;
    const auto begin = order_.begin() + first, end = order_.begin() + last + 1;
    if (turn)
      std::reverse(begin, end);
    else if (back)
      std::rotate(begin, end - 1, end);
    else
      std::rotate(begin, begin + 1, end);
    return true;
  }

 private:
  /// As alike_at, in any order of places.
  double between(Index i, Index j) const { return alike_at(std::min(i, j), std::max(i, j)); }

  const LikenessTable& table_;
  double margin_;
  std::vector<Index> order_;
};

/// The fewest numbers that must be taken out for the rest to ascend.
std::vector<Index> out_of_order(const std::vector<Index>& order) {
  std::vector<Index> tails, before(order.size(), -1);  // places in `order`
  for (Index i = 0; i < static_cast<Index>(order.size()); ++i) {
    const auto value = [&](Index at) { return order[static_cast<std::size_t>(at)]; };
    const auto it = std::ranges::lower_bound(tails, value(i), {}, value);
    if (it != tails.begin()) before[static_cast<std::size_t>(i)] = *(it - 1);
    if (it == tails.end())
      tails.push_back(i);
    else
      *it = i;
  }
  std::vector<bool> kept(order.size(), false);
  for (Index i = tails.empty() ? -1 : tails.back(); i >= 0; i = before[static_cast<std::size_t>(i)])
    kept[static_cast<std::size_t>(i)] = true;
  std::vector<Index> out;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (!kept[i]) out.push_back(static_cast<Index>(i));
  return out;
}

}  // namespace

std::vector<Misplaced> wrong_order(const LikenessTable& table, double margin, Index first) {
  std::vector<Misplaced> found;
  if (table.size() < 3) return found;
  Order order{table, margin};
  const Index reach = static_cast<Index>(table.front().size());
  for (std::size_t step = 0; step < table.size() && order.improve(reach); ++step) {
  }
  const Index last = static_cast<Index>(table.size()) - 1;
  for (const Index place : out_of_order(order.order())) {
    const Index z = order.order()[static_cast<std::size_t>(place)];
    const auto list = [&](Index a, Index b) {
      std::string text;
      for (const Index other : {a, b})
        if (other >= 0 && other <= last)
          text +=
              fmt::format("{}{} ({:.2f})", text.empty() ? "" : " and ", other + first, order.alike(z, other));
      return text;
    };
    const auto at = [&](Index i) {
      return i < 0 || i >= order.size() ? -1 : order.order()[static_cast<std::size_t>(i)];
    };
    found.push_back({z, fmt::format("likeness to its neighbours {}, but to {}: it seems to belong there",
                                    list(z - 1, z + 1), list(at(place - 1), at(place + 1)))});
  }
  std::ranges::sort(found, {}, &Misplaced::z);
  return found;
}

}  // namespace petavox::place_sections
