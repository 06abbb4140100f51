#pragma once
// Flood filling as it is defined, in maps of voxels and without any care for speed: the oracle of the canvas.

#include "stages/ffn/canvas.hpp"

#include <cmath>
#include <list>
#include <map>
#include <set>
#include <tuple>

namespace petavox::oracle {

class NaiveFfn {
 public:
  NaiveFfn(const Box& box, std::vector<float> image, std::set<Coord> outside, ffn::Settings settings,
           ffn::Network network)
      : box_{box},
        image_{std::move(image)},
        outside_{std::move(outside)},
        settings_{settings},
        network_{network} {}

  std::map<Coord, std::uint32_t> segment(const std::vector<Coord>& seeds) {
    std::map<Coord, std::uint32_t> ids;
    std::uint32_t next = 1;
    for (const Coord seed : seeds) {
      if (!centre(seed, ids)) continue;
      bool near = false;
      for (const auto& [p, id] : ids) {
        bool close = true;
        for (int axis = 0; axis < 3; ++axis)
          close = close && std::abs(p[axis] - seed[axis]) <= settings_.min_boundary_distance[axis];
        near = near || close;
      }
      if (near) continue;
      const auto logits = object(seed, ids);
      if (logits.at(seed) < limit(settings_.flooding.move_threshold)) continue;
      std::vector<Coord> won;
      for (const auto& [p, value] : logits)
        if (value >= limit(settings_.flooding.segment_threshold) && !ids.contains(p) && !outside_.contains(p))
          won.push_back(p);
      if (won.size() < settings_.min_size) continue;
      for (const Coord p : won) ids[p] = next;
      ++next;
    }
    return ids;
  }

 private:
  static float limit(double p) { return static_cast<float>(std::log(p / (1 - p))); }

  bool centre(Coord p, const std::map<Coord, std::uint32_t>& ids) const {
    for (int axis = 0; axis < 3; ++axis) {
      const Index half = settings_.flooding.field_of_view[axis] / 2;
      if (p[axis] - half < box_.begin[axis] || p[axis] + half >= box_.end[axis]) return false;
    }
    return !ids.contains(p) && !outside_.contains(p);
  }

  std::map<Coord, float> object(Coord seed, const std::map<Coord, std::uint32_t>& ids) {
    const Extent deltas = settings_.flooding.deltas, fov = settings_.flooding.field_of_view;
    const Extent half{fov.z / 2, fov.y / 2, fov.x / 2};
    const auto cell = [&](Coord p) {
      std::array<long, 3> c{};
      for (int axis = 0; axis < 3; ++axis) {
        const auto d = static_cast<double>(std::max<Index>(1, deltas[axis]));
        c[static_cast<std::size_t>(axis)] = std::lround(std::floor(
            (static_cast<double>(p[axis] - seed[axis]) + static_cast<double>(deltas[axis] / 2)) / d));
      }
      return c;
    };
    std::map<Coord, float> logits{{seed, limit(settings_.flooding.initial)}};
    std::list<Coord> queue{seed};
    std::set<std::array<long, 3>> done;
    while (!queue.empty()) {
      const Coord at = queue.front();
      queue.pop_front();
      if (done.contains(cell(at)) || !centre(at, ids)) continue;
      if (logits.at(at) < limit(settings_.flooding.move_threshold)) continue;
      if (logits.at(seed) < limit(settings_.flooding.move_threshold)) break;
      done.insert(cell(at));
      const Box field = Box::from(at - half, fov);
      std::vector<float> input, before;
      field.for_each([&](Coord p) { input.push_back(image_[static_cast<std::size_t>(box_.raster(p))]); });
      field.for_each([&](Coord p) {
        before.push_back(logits.contains(p) ? logits.at(p) : limit(settings_.flooding.pad));
      });
      input.insert(input.end(), before.begin(), before.end());
      std::vector<float> change(before.size());
      network_(input, change);
      std::map<Coord, float> after;
      std::size_t strong = 0, i = 0;
      field.for_each([&](Coord p) {
        after[p] = change[i] + before[i];
        strong += after[p] >= limit(settings_.flooding.move_threshold);
        ++i;
      });
      if (static_cast<double>(strong) > settings_.freeze_share * static_cast<double>(after.size()))
        for (auto& [p, value] : after)
          if (logits.contains(p) && logits.at(p) < 0) value = std::min(value, logits.at(p));
      for (const auto& [p, value] : after) logits[p] = value;

      std::vector<std::tuple<float, Index, Index, Index>> found;
      for (int axis = 0; axis < 3; ++axis)
        for (const Index side : {-deltas[axis], deltas[axis]}) {
          if (deltas[axis] == 0) continue;
          std::optional<std::pair<float, Coord>> best;
          field.for_each([&](Coord p) {
            bool on_face = p[axis] - at[axis] == side;
            for (int other = 0; other < 3; ++other)
              on_face = on_face && std::abs(p[other] - at[other]) <= deltas[other];
            if (on_face && (!best || after.at(p) > best->first)) best = {after.at(p), p};
          });
          if (best->first >= limit(settings_.flooding.move_threshold)) {
            const std::tuple found_here{best->first, best->second.z, best->second.y, best->second.x};
            if (std::find(found.begin(), found.end(), found_here) == found.end()) found.push_back(found_here);
          }
        }
      std::sort(found.rbegin(), found.rend());
      for (const auto& [score, z, y, x] : found) queue.push_back({z, y, x});
    }
    return logits;
  }

  Box box_;
  std::vector<float> image_;
  std::set<Coord> outside_;
  ffn::Settings settings_;
  ffn::Network network_;
};

}  // namespace petavox::oracle
