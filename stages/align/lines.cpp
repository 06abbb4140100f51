#include "stages/align/lines.hpp"

#include <algorithm>

namespace petavox::align {

Lines::Lines(Index sections, Index columns, int band) : sections_{sections}, columns_{columns}, band_{band} {
  a_.assign(static_cast<std::size_t>(sections * (band + 1) * columns), 0.0);
}

void Lines::clear() { std::fill(a_.begin(), a_.end(), 0.0); }

void Lines::multiply(const std::vector<double>& v, std::vector<double>& out) const {
  out.assign(v.size(), 0.0);
  for (Index z = 0; z < sections_; ++z)
    for (int d = 0; d <= band_ && d <= z; ++d) {
      const double* a = row(z, d);
      const double* here = &v[static_cast<std::size_t>(z * columns_)];
      const double* there = &v[static_cast<std::size_t>((z - d) * columns_)];
      double* to = &out[static_cast<std::size_t>(z * columns_)];
      double* back = &out[static_cast<std::size_t>((z - d) * columns_)];
      for (Index c = 0; c < columns_; ++c) to[c] += a[c] * there[c];
      if (d > 0)
        for (Index c = 0; c < columns_; ++c) back[c] += a[c] * here[c];
    }
}

void Lines::factor() {
  for (Index z = 0; z < sections_; ++z) {
    const int reach = static_cast<int>(std::min<Index>(band_, z));
    for (int d = reach; d >= 1; --d) {
      double* l = row(z, d);
      for (int m = reach; m > d; --m) {
        const double* far = row(z, m);
        const double* pivot = row(z - m, 0);
        const double* other = row(z - d, m - d);
        for (Index c = 0; c < columns_; ++c) l[c] -= far[c] * pivot[c] * other[c];
      }
      const double* pivot = row(z - d, 0);
      for (Index c = 0; c < columns_; ++c) l[c] /= pivot[c];
    }
    double* diagonal = row(z, 0);
    for (int d = 1; d <= reach; ++d) {
      const double* l = row(z, d);
      const double* pivot = row(z - d, 0);
      for (Index c = 0; c < columns_; ++c) diagonal[c] -= l[c] * l[c] * pivot[c];
    }
  }
}

void Lines::solve(std::vector<double>& v) const {
  const auto section = [&](Index z) { return &v[static_cast<std::size_t>(z * columns_)]; };
  for (Index z = 0; z < sections_; ++z)
    for (int d = 1; d <= band_ && d <= z; ++d) {
      const double* l = row(z, d);
      const double* from = section(z - d);
      double* to = section(z);
      for (Index c = 0; c < columns_; ++c) to[c] -= l[c] * from[c];
    }
  for (Index z = 0; z < sections_; ++z) {
    const double* pivot = row(z, 0);
    double* to = section(z);
    for (Index c = 0; c < columns_; ++c) to[c] /= pivot[c];
  }
  for (Index z = sections_; z-- > 0;)
    for (int d = 1; d <= band_ && d <= z; ++d) {
      const double* l = row(z, d);
      const double* from = section(z);
      double* to = section(z - d);
      for (Index c = 0; c < columns_; ++c) to[c] -= l[c] * from[c];
    }
}

}  // namespace petavox::align
