#include "petavox/run/inputs.hpp"

#include "petavox/base/phase.hpp"

#include <system_error>

#include <fmt/format.h>

namespace petavox {
namespace {

/// What the input is, for fingerprints: a file that was replaced is another input.
std::string identity_of(const InputSpec& spec) {
  if (spec.phantom) return to_string(*spec.phantom);
  std::error_code ignored;
  const auto size = std::filesystem::is_regular_file(spec.path, ignored)
                        ? std::filesystem::file_size(spec.path, ignored)
                        : std::uintmax_t{0};
  const auto time = std::filesystem::last_write_time(spec.path, ignored).time_since_epoch().count();
  return fmt::format("{}:{} bytes {} time {}", spec.path.string(), spec.dataset, size, time);
}

}  // namespace

std::unique_ptr<InputSet> InputSet::open(const RunConfig& config, const InputOpener& opener,
                                         Problems& problems) {
  auto set = std::make_unique<InputSet>();
  std::optional<Box> whole_main;
  for (const InputSpec& spec : config.inputs) {
    try {
      auto volume = opener(spec);
      const Box all = volume->domain();
      Box domain = spec.box.value_or(all);
      const bool main = set->volumes_.empty();
      if (!all.contains(domain)) {
        problems.add(spec.where,
                     fmt::format("the box {} of input '{}' is not inside the volume {} (there are no "
                                 "voxels to read); choose a box inside it",
                                 to_string(domain), spec.name, to_string(all)));
        domain = all;
      }
      if (main) {
        whole_main = all;
      } else if (!spec.box && whole_main && all == *whole_main) {
        domain = set->infos_.front().domain;  // a second volume of the same shape follows the main one's box
      }
      set->infos_.push_back({spec.name, domain, volume->dtype(), volume->channels(),
                             spec.voxel_size_nm.value_or(volume->voxel_size_nm()), identity_of(spec)});
      set->volumes_.push_back(std::move(volume));
    } catch (const Error& error) {
      problems.add(spec.where, fmt::format("input '{}': {}", spec.name, error.what()));
    }
  }
  if (config.mask && whole_main) {
    try {
      InputSpec spec;
      spec.name = "mask";
      spec.path = config.mask->path;
      spec.dataset = config.mask->dataset;
      spec.where = config.mask->where;
      set->mask_ = opener(spec);
      set->invert_mask_ = config.mask->invert;
      // Every voxel that is read went through the mask.
      for (InputInfo& info : set->infos_) info.identity += "; mask " + identity_of(spec);
      const Extent fine = whole_main->shape(), coarse = set->mask_->domain().shape();
      for (int axis = 0; axis < 3; ++axis) {
        Index& factor = set->mask_factor_[axis];
        factor = std::max<Index>(1, ceil_div(fine[axis], coarse[axis]));
        if (ceil_div(fine[axis], factor) != coarse[axis])
          problems.add(
              config.mask->where,
              fmt::format("the mask's shape {} is no whole fraction of the input's {} (voxels could not be "
                          "matched); use a mask of the input's shape divided by whole numbers, rounded up",
                          to_string(coarse), to_string(fine)));
      }
      if (set->mask_->channels() != 1)
        problems.add(config.mask->where,
                     fmt::format("the mask has {} channels (one is expected); use one channel",
                                 set->mask_->channels()));
    } catch (const Error& error) {
      problems.add(config.mask->where, fmt::format("mask: {}", error.what()));
    }
  }
  return set;
}

Array InputSet::read(int input, const Box& box) const {
  const PhaseScope reading{Phase::read};
  const auto i = static_cast<std::size_t>(input);
  Array array{volumes_[i]->dtype(), box, infos_[i].domain, volumes_[i]->channels()};
  volumes_[i]->read(array);
  if (mask_) apply_mask(array, *mask(box, infos_[i].domain, {1, 1, 1}));
  return array;
}

std::optional<Array> InputSet::mask(const Box& box, const Box& domain, Extent factor) const {
  if (!mask_) return std::nullopt;
  const PhaseScope reading{Phase::read};
  Array out{DType::u8, box, domain};
  const Box covered = mask_->domain();
  // A voxel counts by its first voxel of the main input.
  const auto coarse = [&](Index position, int axis) {
    const Index p = floor_div(position * factor[axis], mask_factor_[axis]);
    return std::clamp(p, covered.begin[axis], covered.end[axis] - 1);
  };
  if (box.empty()) return out;
  Box needed;
  for (int axis = 0; axis < 3; ++axis) {
    needed.begin[axis] = coarse(box.begin[axis], axis);
    needed.end[axis] = coarse(box.end[axis] - 1, axis) + 1;
  }
  const Array source = mask_->read_box(needed);
  const auto target = out.view<std::uint8_t>();
  visit_dtype(source.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto values = source.view<T>();
    box.for_each([&](Coord p) {
      const bool inside = values[{coarse(p.z, 0), coarse(p.y, 1), coarse(p.x, 2)}] != T{0};
      target[p] = inside != invert_mask_ ? 1 : 0;
    });
  });
  return out;
}

void apply_mask(Array& array, const Array& mask) {
  PETAVOX_ASSERT(array.box() == mask.box());
  const auto inside = mask.view<std::uint8_t>().channel();
  visit_dtype(array.dtype(), [&]<class T>(std::type_identity<T>) {
    for (int c = 0; c < array.channels(); ++c) {
      const auto values = array.view<T>().channel(c);
      for (std::size_t i = 0; i < inside.size(); ++i)
        if (inside[i] == 0) values[i] = T{0};
    }
  });
}

}  // namespace petavox
