#include "stages/phantom/piece_cache.hpp"

#include "stages/phantom/painter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

namespace petavox::phantom {

namespace {

constexpr double tile_units = 32;  // of the painter
constexpr Index least_edge = 32;

/// Voxels along an axis of the fewest whole tiles that have `least_edge`, nearly.
Index edge_for(double voxel_units) {
  double edge = 0;
  for (int tiles = 1; std::floor(edge + 0.5) < static_cast<double>(least_edge); ++tiles)
    edge = tiles * tile_units / voxel_units;
  return static_cast<Index>(std::floor(edge + 0.5));
}

std::shared_ptr<PieceCache> find_shared(const PhantomSpec& spec,
                                        std::vector<std::weak_ptr<PieceCache>>& caches) {
  std::erase_if(caches, [](const auto& cache) { return cache.expired(); });
  for (const auto& cache : caches)
    if (auto alive = cache.lock(); alive && alive->tissue().spec() == spec) return alive;
  return nullptr;
}

}  // namespace

/// Labels as numbers into a list: 6 bytes a voxel instead of 10.
struct PieceCache::Piece {
  Box box;
  std::vector<std::uint8_t> raw, types;
  std::vector<std::uint32_t> places;
  std::vector<std::uint64_t> labels;
  std::size_t size_bytes() const { return raw.size() * 6 + labels.size() * 8 + sizeof(Piece); }
};

PieceCache::PieceCache(std::shared_ptr<const Tissue> tissue)
    : tissue_{std::move(tissue)}, domain_{{0, 0, 0}, Coord{} + tissue_->spec().shape} {
  for (int axis = 0; axis < 3; ++axis)
    edge_[axis] = edge_for(tissue_->voxel_units()[static_cast<std::size_t>(axis)]);
}

std::shared_ptr<PieceCache> PieceCache::shared(const std::shared_ptr<const Tissue>& tissue) {
  static std::mutex mutex;
  static std::vector<std::weak_ptr<PieceCache>> caches;
  const std::lock_guard lock{mutex};
  if (auto found = find_shared(tissue->spec(), caches)) return found;
  auto made = std::make_shared<PieceCache>(tissue);
  caches.push_back(made);
  return made;
}

void PieceCache::copy(Part part, Array& into) {
  const Box& box = into.box();
  if (box.empty()) return;
  std::array<Index, 3> first{}, last{}, at{};
  for (int axis = 0; axis < 3; ++axis) {
    const auto n = static_cast<std::size_t>(axis);
    first[n] = box.begin[axis] / edge_[axis];
    last[n] = (box.end[axis] - 1) / edge_[axis];
  }
  for (at[0] = first[0]; at[0] <= last[0]; ++at[0])
    for (at[1] = first[1]; at[1] <= last[1]; ++at[1])
      for (at[2] = first[2]; at[2] <= last[2]; ++at[2]) {
        const PiecePointer piece = get(at);
        const Box common = piece->box.intersect(box);
        const auto length = static_cast<std::size_t>(common.shape().x);
        for (Index z = common.begin.z; z < common.end.z; ++z)
          for (Index y = common.begin.y; y < common.end.y; ++y) {
            const Coord start{z, y, common.begin.x};
            const auto from = static_cast<std::size_t>(piece->box.raster(start));
            if (part == Part::labels) {
              std::uint64_t* row = &into.view<std::uint64_t>()[start];
              for (std::size_t x = 0; x < length; ++x) row[x] = piece->labels[piece->places[from + x]];
            } else {
              const auto& voxels = part == Part::raw ? piece->raw : piece->types;
              std::memcpy(&into.view<std::uint8_t>()[start], voxels.data() + from, length);
            }
          }
      }
}

PieceCache::PiecePointer PieceCache::get(const std::array<Index, 3>& position) {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = pieces_.find(position); found != pieces_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
  }
  PiecePointer piece = paint_piece(position);
  const std::lock_guard lock{mutex_};
  if (pieces_.contains(position)) return piece;
  size_bytes_ += piece->size_bytes();
  recent_.emplace_front(position, piece);
  pieces_[position] = recent_.begin();
  while (size_bytes_ > budget_bytes) {
    size_bytes_ -= recent_.back().second->size_bytes();
    pieces_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return piece;
}

PieceCache::PiecePointer PieceCache::paint_piece(const std::array<Index, 3>& position) const {
  Coord begin;
  for (int axis = 0; axis < 3; ++axis) begin[axis] = position[static_cast<std::size_t>(axis)] * edge_[axis];
  auto piece = std::make_shared<Piece>();
  piece->box = Box::from(begin, edge_).intersect(domain_);
  Array raw{DType::u8, piece->box, domain_}, labels{DType::u64, piece->box, domain_},
      types{DType::u8, piece->box, domain_};
  paint(*tissue_, piece->box, raw.view<std::uint8_t>(), labels.view<std::uint64_t>(),
        types.view<std::uint8_t>());
  const auto raw_voxels = raw.view<std::uint8_t>().channel(),
             type_voxels = types.view<std::uint8_t>().channel();
  piece->raw.assign(raw_voxels.begin(), raw_voxels.end());
  piece->types.assign(type_voxels.begin(), type_voxels.end());
  std::unordered_map<std::uint64_t, std::uint32_t> known;
  std::uint64_t last = ~std::uint64_t{0};
  std::uint32_t place = 0;
  piece->places.reserve(piece->raw.size());
  for (const std::uint64_t label : labels.view<std::uint64_t>().channel()) {
    if (label != last || piece->labels.empty()) {
      last = label;
      const auto [entry, fresh] = known.try_emplace(label, static_cast<std::uint32_t>(piece->labels.size()));
      if (fresh) piece->labels.push_back(label);
      place = entry->second;
    }
    piece->places.push_back(place);
  }
  return piece;
}

}  // namespace petavox::phantom
