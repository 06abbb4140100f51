#include "apps/petavox/difference.hpp"

#include <vector>

#include <fmt/format.h>

namespace petavox::app {
namespace {

/// In slabs of whole rows, from the first voxel on, so that the first difference found is the first there is.
std::vector<Box> slabs_of(const Box& domain) {
  constexpr Index most = Index{1} << 24;
  const Extent shape = domain.shape();
  std::vector<Box> slabs;
  const Index sections = std::max<Index>(1, most / std::max<Index>(1, shape.y * shape.x));
  const Index rows = sections > 1 ? shape.y : std::max<Index>(1, most / std::max<Index>(1, shape.x));
  for (Index z = domain.begin.z; z < domain.end.z; z += sections)
    for (Index y = domain.begin.y; y < domain.end.y; y += rows)
      slabs.push_back(
          {{z, y, domain.begin.x},
           {std::min(domain.end.z, z + sections), std::min(domain.end.y, y + rows), domain.end.x}});
  return slabs;
}

template <Voxel T>
std::optional<std::string> difference(const Array& expected, const Array& actual) {
  const auto a = expected.view<T>(), b = actual.view<T>();
  std::optional<std::pair<Index, int>> first;
  for (int c = 0; c < expected.channels(); ++c) {
    const auto x = a.channel(c), y = b.channel(c);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i] == y[i] || (x[i] != x[i] && y[i] != y[i])) continue;
      const auto at = static_cast<Index>(i);
      if (!first || at < first->first) first = {at, c};
      break;
    }
  }
  if (!first) return std::nullopt;
  const Coord p = expected.box().at(first->first);
  return fmt::format("voxel {} channel {} is {}, was {}", to_string(p), first->second, b.at(first->second, p),
                     a.at(first->second, p));
}

}  // namespace

std::optional<std::string> first_difference(const Volume& expected, const Volume& actual) {
  if (expected.domain() != actual.domain())
    return fmt::format("covers {}, was {}", to_string(actual.domain()), to_string(expected.domain()));
  if (expected.dtype() != actual.dtype() || expected.channels() != actual.channels())
    return fmt::format("has type {} x {}, was {} x {}", name_of(actual.dtype()), actual.channels(),
                       name_of(expected.dtype()), expected.channels());
  for (const Box& slab : slabs_of(expected.domain())) {
    const Array a = expected.read_box(slab), b = actual.read_box(slab);
    auto found = visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) { return difference<T>(a, b); });
    if (found) return found;
  }
  return std::nullopt;
}

}  // namespace petavox::app
