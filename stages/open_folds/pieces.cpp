#include "stages/open_folds/pieces.hpp"

#include <algorithm>

namespace petavox::open_folds {
namespace {

using coarse_align::Section;

/// One piece of a section, the rest hidden.
class Piece {
 public:
  Piece(const Cut& cut, int number) : cut_{&cut}, mask_{DType::u8, cut.pieces.box()} {
    const auto inside = cut.section->section().mask.value();
    const auto out = mask_.view<std::uint8_t>();
    cut.pieces.box().for_each([&](Coord p) { out[p] = cut.pieces[p] == number && inside[p] != 0 ? 1 : 0; });
  }
  Section section() const {
    return {cut_->section->section().image, std::as_const(mask_).view<std::uint8_t>()};
  }

 private:
  const Cut* cut_;
  Array mask_;
};

coarse_align::Result found(const Section& whole, const Section& piece,
                           const coarse_align::Settings& settings) {
  const coarse_align::Result result = coarse_align::align(whole, piece, settings);
  return result.found ? result : coarse_align::align_nearby(whole, piece, settings);
}

}  // namespace

std::vector<PiecePlace> place_pieces(const Cut& cut, const std::vector<Cut>& neighbours,
                                     const coarse_align::Settings& settings) {
  std::vector<PiecePlace> places(static_cast<std::size_t>(cut.num_pieces));
  for (PiecePlace& place : places) place.state = PieceState::stays;
  if (cut.num_pieces < 2) return places;
  std::vector<int> open;
  for (int n = 2; n <= cut.num_pieces; ++n) open.push_back(n);
  const Piece largest{cut, 1};
  for (const Cut& neighbour : neighbours) {
    if (open.empty()) break;
    if (neighbour.num_pieces == 0) continue;
    const Piece whole{neighbour, 1};
    const coarse_align::Result lies = found(whole.section(), largest.section(), settings);
    if (!lies.found) continue;
    std::vector<int> still_open;
    for (const int n : open) {
      const Piece piece{cut, n};
      const coarse_align::Result belongs = found(whole.section(), piece.section(), settings);
      if (!belongs.found) {
        still_open.push_back(n);
        continue;
      }
      // Moved only if that makes it clearly more like the neighbour than where it lies.
      constexpr double clearly = 0.02;
      const auto likeness = [&](const Affine& to_fixed) {
        return coarse_align::likeness(whole.section(), piece.section(), to_fixed, settings);
      };
      if (likeness(belongs.to_fixed) < likeness(lies.to_fixed) + clearly) continue;
      PiecePlace& place = places[static_cast<std::size_t>(n - 1)];
      place.state = PieceState::moved;
      place.from_opened = belongs.to_fixed.inverse().after(lies.to_fixed);
    }
    open = still_open;
  }
  // Without a piece that lies elsewhere, what looked like damage was tissue.
  const bool damaged =
      std::ranges::any_of(places, [](const PiecePlace& place) { return place.state == PieceState::moved; });
  if (damaged)
    for (const int n : open) places[static_cast<std::size_t>(n - 1)].state = PieceState::lost;
  return places;
}

}  // namespace petavox::open_folds
