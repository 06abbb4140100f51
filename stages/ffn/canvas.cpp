#include "stages/ffn/canvas.hpp"

#include "petavox/base/check.hpp"

#include "stages/ffn/movement.hpp"

#include <cmath>
#include <limits>

namespace petavox::ffn {
namespace {

constexpr float unknown = std::numeric_limits<float>::quiet_NaN();

float logit(double probability) { return static_cast<float>(std::log(probability / (1 - probability))); }

class Canvas {
 public:
  Canvas(std::span<const float> image, const std::optional<Array>& mask, const Settings& settings,
         Network network, Array& ids)
      : image_{image},
        settings_{settings},
        network_{network},
        ids_{ids.view<std::uint32_t>()},
        box_{ids.box()},
        field_{settings.flooding.field_of_view},
        half_{field_.z / 2, field_.y / 2, field_.x / 2},
        logits_(static_cast<std::size_t>(box_.voxels()), unknown),
        channels_{image.size() / logits_.size()},
        input_((channels_ + 1) * static_cast<std::size_t>(field_.voxels())),
        change_(static_cast<std::size_t>(field_.voxels())) {
    if (mask) mask_ = mask->view<std::uint8_t>();
  }

  Work run(std::span<const Coord> seeds) {
    for (const Coord seed : seeds) {
      if (!may_be_centre(seed) || near_an_object(seed)) continue;
      ++work_.seeds;
      touched_ = {};
      grow(seed);
      if (logits_[at(seed)] < move_threshold_)
        ++work_.weak;
      else if (!claim())
        ++work_.small;
      else
        ++work_.objects;
      for_rows(touched_, [&](std::size_t first, Index width) {
        std::fill_n(logits_.begin() + static_cast<std::ptrdiff_t>(first), width, unknown);
      });
    }
    return work_;
  }

  std::vector<Fate> alone(Coord seed) {
    fates_.assign(logits_.size(), Fate::never);
    if (!may_be_centre(seed)) return std::move(fates_);
    touched_ = {};
    grow(seed);
    if (logits_[at(seed)] < move_threshold_) fates_.assign(logits_.size(), Fate::never);
    for (std::size_t i = 0; i < fates_.size(); ++i)
      if (fates_[i] == Fate::held && !(logits_[i] >= segment_threshold_)) fates_[i] = Fate::let_go;
    return std::move(fates_);
  }

 private:
  std::size_t at(Coord p) const { return static_cast<std::size_t>(box_.raster(p)); }

  template <class F>
  void for_rows(const Box& box, F&& f) const {
    for (Index z = box.begin.z; z < box.end.z; ++z)
      for (Index y = box.begin.y; y < box.end.y; ++y) f(at({z, y, box.begin.x}), box.shape().x);
  }

  Box field_at(Coord centre) const { return Box::from(centre - half_, field_); }

  bool may_be_centre(Coord p) const {
    return box_.contains(field_at(p)) && ids_[p] == 0 && (!mask_ || (*mask_)[p] != 0);
  }

  bool near_an_object(Coord p) const {
    bool near = false;
    Extent reach = settings_.min_boundary_distance;
    Box{p - reach, p + Extent{reach.z + 1, reach.y + 1, reach.x + 1}}.intersect(box_).for_each(
        [&](Coord q) { near = near || ids_[q] != 0; });
    return near;
  }

  void grow(Coord seed) {
    logits_[at(seed)] = logit(settings_.flooding.initial);
    touched_ = Box::from(seed, {1, 1, 1});
    Movement movement{seed, settings_.flooding.deltas};
    // Later steps may have changed what was strong enough when it was queued.
    const auto valid = [&](Coord p) { return logits_[at(p)] >= move_threshold_ && may_be_centre(p); };
    while (const auto centre = movement.next(valid)) {
      // An object that has let go of its own seed is none.
      if (logits_[at(seed)] < move_threshold_) return;
      step(*centre);
      movement.visited(*centre, moves(change_, field_, settings_.flooding.deltas, move_threshold_));
    }
  }

  /// One evaluation of the network; leaves the new logits in change_ too.
  void step(Coord centre) {
    const Box field = field_at(centre);
    const auto voxels = static_cast<std::size_t>(field_.voxels());
    for (std::size_t c = 0; c < channels_; ++c) gather(image_.subspan(c * logits_.size()), field, c * voxels);
    gather(logits_, field, channels_ * voxels);
    float* const before = input_.data() + channels_ * voxels;
    known_.assign(before, before + voxels);
    for (std::size_t i = 0; i < voxels; ++i)
      if (std::isnan(before[i])) before[i] = pad_;
    network_(input_, change_);
    std::size_t strong = 0;
    for (std::size_t i = 0; i < voxels; ++i) {
      change_[i] += before[i];
      strong += change_[i] >= move_threshold_ ? 1U : 0U;
    }
    if (static_cast<double>(strong) > settings_.freeze_share * static_cast<double>(voxels))
      for (std::size_t i = 0; i < voxels; ++i)
        // False for voxels that were not known.
        if (known_[i] < 0 && change_[i] > known_[i]) change_[i] = known_[i];
    const float* from = change_.data();
    for_rows(field, [&](std::size_t first, Index width) {
      std::copy_n(from, width, logits_.begin() + static_cast<std::ptrdiff_t>(first));
      if (!fates_.empty())
        for (std::size_t i = 0; i < static_cast<std::size_t>(width); ++i)
          if (from[i] >= segment_threshold_) fates_[first + i] = Fate::held;
      from += width;
    });
    for (int axis = 0; axis < 3; ++axis) {
      touched_.begin[axis] = std::min(touched_.begin[axis], field.begin[axis]);
      touched_.end[axis] = std::max(touched_.end[axis], field.end[axis]);
    }
    ++work_.moves;
  }

  void gather(std::span<const float> from, const Box& field, std::size_t to) {
    for_rows(field, [&](std::size_t first, Index width) {
      std::copy_n(from.data() + first, width, input_.data() + to);
      to += static_cast<std::size_t>(width);
    });
  }

  /// Gives the object the free voxels that it has won; false, and nothing, if they are too few.
  bool claim() {
    const auto ids = ids_.channel();
    const auto wins = [&](std::size_t i) {
      return logits_[i] >= segment_threshold_ && ids[i] == 0 && (!mask_ || mask_->channel()[i] != 0);
    };
    std::uint64_t won = 0;
    const auto count = [&](std::size_t first, Index width) {
      for (std::size_t i = first; i < first + static_cast<std::size_t>(width); ++i) won += wins(i) ? 1U : 0U;
    };
    for_rows(touched_, count);
    if (won < settings_.min_size) return false;
    const auto id = static_cast<std::uint32_t>(work_.objects + 1);
    for_rows(touched_, [&](std::size_t first, Index width) {
      for (std::size_t i = first; i < first + static_cast<std::size_t>(width); ++i)
        if (wins(i)) ids[i] = id;
    });
    return true;
  }

  std::span<const float> image_;
  const Settings& settings_;
  Network network_;
  View<std::uint32_t> ids_;
  Box box_;
  Extent field_, half_;
  std::vector<float> logits_;  ///< of the object that grows; NaN where it has not been
  std::optional<View<const std::uint8_t>> mask_;
  std::size_t channels_;
  std::vector<float> input_, change_, known_;
  std::vector<Fate> fates_;  ///< of the object that grows alone
  Box touched_{};            ///< where logits_ may differ from unknown
  float pad_ = logit(settings_.flooding.pad), move_threshold_ = logit(settings_.flooding.move_threshold),
        segment_threshold_ = logit(settings_.flooding.segment_threshold);
  Work work_{};
};

}  // namespace

Work segment(std::span<const float> image, const std::optional<Array>& mask, std::span<const Coord> seeds,
             const Settings& settings, Network network, Array& ids) {
  PETAVOX_ASSERT(image.size() % static_cast<std::size_t>(ids.box().voxels()) == 0);
  return Canvas{image, mask, settings, network, ids}.run(seeds);
}

std::vector<Fate> grow_alone(std::span<const float> image, const std::optional<Array>& mask, const Box& box,
                             Coord seed, const Settings& settings, Network network) {
  PETAVOX_ASSERT(image.size() % static_cast<std::size_t>(box.voxels()) == 0);
  Array free{DType::u32, box};
  return Canvas{image, mask, settings, network, free}.alone(seed);
}

}  // namespace petavox::ffn
