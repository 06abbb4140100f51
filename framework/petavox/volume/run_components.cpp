#include "petavox/volume/run_components.hpp"

#include "petavox/volume/huge_pages.hpp"

#include <bit>

namespace petavox {
namespace {

std::uint32_t number_of(const detail::RunRow& row, std::size_t i) {
  const std::uint64_t upto = ~std::uint64_t{0} >> (63 - i % 64);
  return row.before[i / 64] + static_cast<std::uint32_t>(std::popcount(row.starts[i / 64] & upto)) - 1;
}

}  // namespace

RunComponents::RunComponents(const Box& box, std::uint32_t* ids)
    : box_{box},
      ids_{ids},
      width_{static_cast<std::size_t>(box.shape().x)},
      words_{words_of(width_)},
      end_mask_{~std::uint64_t{0} >> (words_ * 64 - width_)} {
  prefer_huge_pages(std::as_writable_bytes(std::span{ids, static_cast<std::size_t>(box.voxels())}));
  const std::size_t plane = static_cast<std::size_t>(box.shape().y) * words_;
  for (Plane& p : planes_) {
    for (auto* bits : {&p.starts, &p.joins_y, &p.joins_z}) bits->assign(plane, 0);
    p.before.assign(plane, 0);
  }
  all_starts_.resize(words_of(static_cast<std::size_t>(box.voxels())) + 1);
}

void RunComponents::add_row(std::size_t y, const std::uint64_t* foreground) {
  const detail::RunRow here = runs_of(0, y), before_y = runs_of(0, y > 0 ? y - 1 : 0);
  size_ = detail::add_row(here, foreground, y > 0 ? &before_y : nullptr, runs_of(-1, y), words_, size_, ids_);
  keep_starts(here.starts);
}

void RunComponents::unite(std::size_t y, Index dz, Index dy, const std::uint64_t* pairs) {
  const auto other = static_cast<std::size_t>(static_cast<Index>(y) + dy);
  detail::unite_rows(pairs, words_, runs_of(0, y), runs_of(dz, other), ids_);
}

void RunComponents::unite(std::size_t y, std::size_t i, Index dz, Index dy, std::size_t j) {
  const auto root = [this](std::uint32_t n) {
    while (ids_[n] != n) n = ids_[n] = ids_[ids_[n]];
    return n;
  };
  const auto other = static_cast<std::size_t>(static_cast<Index>(y) + dy);
  const std::uint32_t a = root(number_of(runs_of(0, y), i)), b = root(number_of(runs_of(dz, other), j));
  ids_[std::max(a, b)] = std::min(a, b);
}

void RunComponents::keep_starts(const std::uint64_t* starts) {
  std::uint64_t* to = all_starts_.data() + kept_ / 64;
  const std::size_t shift = kept_ % 64;
  for (std::size_t w = 0; w < words_; ++w) {
    to[w] |= starts[w] << shift;
    if (shift != 0 && starts[w] >> (64 - shift) != 0) to[w + 1] = starts[w] >> (64 - shift);
  }
  kept_ += width_;
}

void RunComponents::finish(const Box& domain, std::vector<Name>& names) {
  const std::uint32_t components = detail::count_components(size_, ids_);
  names.assign(components, 0);
  detail::number_runs(size_, ids_, names.data());
  detail::write_ids(all_starts_.data(), kept_, size_, ids_, names.data(), components);
  for (Name& name : names) name = name_of_voxel(domain, box_.at(static_cast<Index>(name)));
}

}  // namespace petavox
