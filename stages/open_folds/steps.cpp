#include "stages/open_folds/steps.hpp"

#include "stages/align/reduced_step.hpp"
#include "stages/open_folds/pieces.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

namespace petavox::open_folds {
namespace {

using align::grey_types;
using align::image_port;
using align::lattice_port;
using align::section_box;
using align::sections_port;
using coarse_align::SmallSection;

const DTypeSet bytes{DType::u8};

Picture picture_of(const BlockInputs& inputs, Index z) {
  const Array both = inputs.image("fold_small", section_box(inputs, "fold_small", z));
  const Extent shape = both.box().shape();
  Picture picture{{shape.y, shape.x}, {shape.y, shape.x}};
  visit_dtype(both.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto values = both.view<T>().channel(0), held = both.view<T>().channel(1);
    for (std::size_t i = 0; i < values.size(); ++i) {
      picture.grey.values[i] = static_cast<std::uint16_t>(values[i]);
      picture.holds.values[i] = held[i] != T{0} ? 1 : 0;
    }
  });
  return picture;
}

Mask mask_of(const Array& array) {
  const Extent shape = array.box().shape();
  Mask mask{shape.y, shape.x};
  std::ranges::copy(array.view<std::uint8_t>().channel(), mask.values.begin());
  return mask;
}

/// The whole section is one task: what is long is not seen in a part of it.
Contract section_by_section(const Setup& setup) {
  Contract c;
  c.subvolume = {1, setup.domain.shape().y, setup.domain.shape().x};
  c.scratch_bytes_per_voxel = 64;
  return c;
}

class DamageStep final : public Stage {
 public:
  explicit DamageStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c = section_by_section(setup);
    c.reads = {sections_port("fold_small", 2, grey_types, 0, 0)};
    c.writes = {lattice_port("fold_damage", DType::u8, 1, {1, 1, 1})};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Mask damage = damage_of(picture_of(inputs, inputs.core().begin.z), settings_->damage);
    std::ranges::copy(damage.values, outputs.image("fold_damage").view<std::uint8_t>().channel().begin());
  }

 private:
  SharedSettings settings_;
};

class PiecesStep final : public Stage {
 public:
  explicit PiecesStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c = section_by_section(setup);
    c.reads = {sections_port("fold_small", 2, grey_types, 0, 0),
               sections_port("fold_damage", 1, bytes, 1, 1)};
    c.writes = {lattice_port("fold_pieces", DType::u8, 1, {1, 1, 1})};
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Index z = inputs.core().begin.z;
    const auto damage_in = [&](Index section) {
      return mask_of(inputs.image("fold_damage", section_box(inputs, "fold_damage", section)));
    };
    Mask damage = damage_in(z);
    for (const Index other : {z - 1, z + 1})
      if (other >= context.domain().begin.z && other < context.domain().end.z)
        drop_what_goes_on(damage, damage_in(other));
    const Picture picture = picture_of(inputs, z);
    drop_what_parts_nothing(picture, settings_->damage, damage);
    const Mask pieces = pieces_of(picture, damage, settings_->damage);
    std::ranges::copy(pieces.values, outputs.image("fold_pieces").view<std::uint8_t>().channel().begin());
  }

 private:
  SharedSettings settings_;
};

bool is_damaged(View<const std::uint8_t> pieces) {
  return std::ranges::any_of(pieces.channel(), [](std::uint8_t v) { return v > most_pieces; });
}

class PlacesStep final : public Stage {
 public:
  explicit PlacesStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    c.reads = {sections_port("fold_small", 2, grey_types, settings_->reach, settings_->reach),
               sections_port("fold_pieces", 1, bytes, settings_->reach, settings_->reach),
               align::domain_of_input()};
    c.writes = {lattice_port("fold_places", DType::i64, PlaceField::count, {1, 1, 1})};
    c.domain = Box{{setup.domain.begin.z, 0, 0}, {setup.domain.end.z, most_pieces, 1}};
    c.subvolume = {1, most_pieces, 1};
    c.scratch_bytes_per_voxel = 64;
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    const Index z = inputs.core().begin.z;
    const auto out = outputs.image("fold_places").view<std::int64_t>();
    const Array pieces = inputs.image("fold_pieces", section_box(inputs, "fold_pieces", z));
    const auto labels = pieces.view<std::uint8_t>();
    count(labels, z, out);
    std::vector<PiecePlace> places(static_cast<std::size_t>(num_pieces_of(labels.channel())));
    for (PiecePlace& place : places) place.state = PieceState::stays;
    if (places.size() > 1) places = place(inputs, context.domain(), z);
    const Affine up = coarse_align::enlarged(settings_->factor(inputs.readable("image"))),
                 down = up.inverse();
    for (std::size_t n = 0; n < places.size(); ++n) {
      const Coord at{z, static_cast<Index>(n), 0};
      out.at(PlaceField::state, at) = static_cast<std::int64_t>(places[n].state);
      coarse_align::store_affine(out, at, up.after(places[n].from_opened.after(down)),
                                 PlaceField::from_opened);
    }
  }

 private:
  static void count(View<const std::uint8_t> labels, Index z, View<std::int64_t> out) {
    const Coord first{z, 0, 0};
    const auto of_section = [&](int channel) -> std::int64_t& { return out.at(channel, first); };
    for (const std::uint8_t v : labels.channel()) {
      if (v == 0) continue;
      ++of_section(PlaceField::all);
      if (v <= most_pieces)
        ++out.at(PlaceField::pixels, {z, v - 1, 0});
      else
        ++of_section(v == static_cast<std::uint8_t>(What::dark)     ? PlaceField::dark
                     : v == static_cast<std::uint8_t>(What::bright) ? PlaceField::bright
                     : v == static_cast<std::uint8_t>(What::empty)  ? PlaceField::empty
                                                                    : PlaceField::scrap);
    }
  }
  std::vector<PiecePlace> place(const BlockInputs& inputs, const Box& domain, Index z) const {
    struct Held {
      Array pieces;
      SmallSection section;
      Cut cut() const {
        const auto labels = std::as_const(pieces).view<std::uint8_t>();
        return {&section, labels, num_pieces_of(labels.channel())};
      }
    };
    const auto hold = [&](Index section) {
      return Held{inputs.image("fold_pieces", section_box(inputs, "fold_pieces", section)),
                  SmallSection{inputs.image("fold_small", section_box(inputs, "fold_small", section))}};
    };
    const Held own = hold(z);
    // The nearest first, whole ones before damaged ones.
    std::deque<Held> whole, damaged;
    for (Index d = 1; d <= settings_->reach; ++d)
      for (const Index other : {z - d, z + d}) {
        if (other < domain.begin.z || other >= domain.end.z) continue;
        Held held = hold(other);
        const bool hurt = is_damaged(held.cut().pieces);
        (hurt ? damaged : whole).push_back(std::move(held));
      }
    std::vector<Cut> neighbours;
    for (const auto* group : {&whole, &damaged})
      for (const Held& held : *group) neighbours.push_back(held.cut());
    return place_pieces(own.cut(), neighbours, settings_->match);
  }

  SharedSettings settings_;
};

class OpenedStep final : public Stage {
 public:
  explicit OpenedStep(SharedSettings settings) : settings_{std::move(settings)} {}

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort image = image_port("image", 1, grey_types);
    image.volume = "input";
    align::read_by_pieces(image);
    InPort places = image_port("fold_places", PlaceField::count, DTypeSet{DType::i64});
    places.reads.whole = {false, true, true};
    c.reads = {image, sections_port("fold_pieces", 1, bytes, 0, 0), places};
    c.writes = {lattice_port("opened", setup.dtype, 1, {1, 1, 1}),
                lattice_port("excluded", DType::u8, 1, {1, 1, 1})};
    c.domain = setup.domain.grow(Halo::symmetric({0, settings_->margin, settings_->margin}));
    c.scratch_bytes_per_voxel = static_cast<double>(sizeof(align::Vec2) + 2 * size_of(setup.dtype));
    return c;
  }
  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const override {
    const Box core = inputs.core();
    Array& opened = outputs.image("opened");
    Array& excluded = outputs.image("excluded");
    const Array places = inputs.image("fold_places");
    for (Index z = core.begin.z; z < core.end.z; ++z) {
      const Array pieces = inputs.image("fold_pieces", section_box(inputs, "fold_pieces", z));
      const bool hurt = is_opened(places.view<std::int64_t>(), z);
      for (Index y = core.begin.y; y < core.end.y; y += align::render_tile)
        for (Index x = core.begin.x; x < core.end.x; x += align::render_tile) {
          const Box tile{{z, y, x},
                         {z + 1, std::min(y + align::render_tile, core.end.y),
                          std::min(x + align::render_tile, core.end.x)}};
          open_tile(inputs, tile, hurt ? &pieces : nullptr, places.view<std::int64_t>(), opened, excluded);
        }
    }
  }

 private:
  static bool is_opened(View<const std::int64_t> places, Index z) {
    for (Index n = 0; n < most_pieces; ++n)
      if (places.at(PlaceField::state, {z, n, 0}) == static_cast<std::int64_t>(PieceState::moved))
        return true;
    return false;
  }
  /// `pieces`: of a section that is opened.
  void open_tile(const BlockInputs& inputs, const Box& tile, const Array* pieces,
                 View<const std::int64_t> places, Array& opened, Array& excluded) const {
    const Box source = section_box(inputs, "image", tile.begin.z);
    const Index factor = settings_->factor(source);
    Array shown{opened.dtype(), tile};
    const int count = pieces == nullptr ? 1 : num_pieces_of(pieces->view<std::uint8_t>().channel());
    const double outside = settings_->background < 0 ? 0 : settings_->background;
    align::RenderOptions options{align::Kernel::lanczos, 1, align::held_for_tile(align::render_tile),
                                 outside};
    if (settings_->background >= 0) options.empty = outside;
    visit_dtype(opened.dtype(), [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::uint16_t>) {
        const auto out = opened.view<T>();
        const auto hidden = excluded.view<std::uint8_t>();
        tile.for_each([&](Coord p) {
          out[p] = static_cast<T>(outside);
          hidden[p] = pieces == nullptr ? 0 : 1;
        });
        // Where two pieces claim a place, the larger has it.
        for (int n = count; n >= 1; --n) {
          const Coord at{tile.begin.z, n - 1, 0};
          const auto state = static_cast<PieceState>(places.at(PlaceField::state, at));
          if (state == PieceState::lost) continue;
          const bool moved = state == PieceState::moved;
          const align::FieldSection none{View<const std::int32_t>{}, tile.begin.z, 1};
          const align::Mapping mapping{
              moved ? coarse_align::load_affine(places, at, PlaceField::from_opened) : Affine{}, none, 1, 1,
              false};
          render_piece(inputs, mapping, moved, tile, source, options, shown);
          const auto from = std::as_const(shown).view<T>();
          std::vector<double> ys(static_cast<std::size_t>(tile.shape().x)), xs = ys;
          align::SourceRows rows{mapping, tile.begin.x, tile.shape().x};
          for (Index y = tile.begin.y; y < tile.end.y; ++y) {
            rows.read(y, ys.data(), xs.data());
            for (Index x = tile.begin.x; x < tile.end.x; ++x) {
              const auto i = static_cast<std::size_t>(x - tile.begin.x);
              const Coord here{tile.begin.z, y, x};
              const Coord there{tile.begin.z, static_cast<Index>(std::floor(ys[i] + 0.5)),
                                static_cast<Index>(std::floor(xs[i] + 0.5))};
              if (!source.contains(there)) continue;
              if (pieces != nullptr) {
                const Coord small{there.z, floor_div(there.y, factor), floor_div(there.x, factor)};
                if (pieces->view<std::uint8_t>()[small] != n) continue;
              }
              out[here] = from[here];
              hidden[here] = 0;
            }
          }
        }
      }
    });
  }
  /// A piece that stays is copied, pixel by pixel.
  static void render_piece(const BlockInputs& inputs, const align::Mapping& mapping, bool moved,
                           const Box& tile, const Box& source, const align::RenderOptions& options,
                           Array& shown) {
    const auto read = [&](const Box& box) { return inputs.image("image", box); };
    if (moved) {
      align::render(mapping, tile, source, read, options, shown);
      return;
    }
    const Box inside = tile.intersect(source);
    if (!inside.empty()) copy_box(read(inside), shown, inside);
  }

  SharedSettings settings_;
};

}  // namespace

std::unique_ptr<Stage> fold_small_step(SharedSettings s) {
  return align::reduced_step(
      {"fold_small", [s](const Box& domain) { return s->factor(domain); }, s->background, false});
}
std::unique_ptr<Stage> damage_step(SharedSettings s) { return std::make_unique<DamageStep>(std::move(s)); }
std::unique_ptr<Stage> pieces_step(SharedSettings s) { return std::make_unique<PiecesStep>(std::move(s)); }
std::unique_ptr<Stage> places_step(SharedSettings s) { return std::make_unique<PlacesStep>(std::move(s)); }
std::unique_ptr<Stage> opened_step(SharedSettings s) { return std::make_unique<OpenedStep>(std::move(s)); }

}  // namespace petavox::open_folds
