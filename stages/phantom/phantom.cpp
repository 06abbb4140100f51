#include "stages/phantom/phantom.hpp"

#include "stages/phantom/painter.hpp"
#include "stages/phantom/tissue.hpp"

#include <algorithm>

namespace petavox {

namespace {

void require(bool good, const std::string& problem, const std::string& why, const std::string& advice) {
  if (!good) throw Error{ErrorCode::config, "phantom: " + problem + " (" + why + "); " + advice};
}

void check(const PhantomSpec& spec) {
  double voxels = 1;
  for (int a = 0; a < 3; ++a) {
    const std::string axis{"zyx"[a]};
    const Index n = spec.shape[a];
    const double size = spec.voxel_size_nm[static_cast<std::size_t>(a)];
    require(n >= 1, "shape along " + axis + " is " + std::to_string(n), "a volume needs at least one voxel",
            "give a shape of positive numbers");
    require(size >= 2 && size <= 64, "voxel size along " + axis + " is " + std::to_string(size) + " nm",
            "the tissue is drawn for 2 to 64 nm", "choose a size in that range");
    require(static_cast<double>(n) * size <= 1.6e8, "the volume is longer than 16 cm along " + axis,
            "labels would not fit into 64 bits", "choose a smaller shape");
    voxels *= static_cast<double>(n);
  }
  require(voxels <= 1e15, "more than 10^15 voxels", "larger volumes are not supported",
          "choose a smaller shape");
  require(spec.noise >= 0 && spec.noise <= 4, "noise is " + std::to_string(spec.noise),
          "0 to 4 is meaningful", "choose 1 for noise like that of a microscope");
  require(spec.section_variation >= 0 && spec.section_variation <= 4,
          "section variation is " + std::to_string(spec.section_variation), "0 to 4 is meaningful",
          "choose 1 for variation like that of a microscope");
  require(spec.section_jitter_nm >= 0 && spec.section_jitter_nm <= 1000,
          "section jitter is " + std::to_string(spec.section_jitter_nm) + " nm", "0 to 1000 is meaningful",
          "choose 0 for an aligned volume");
}

}  // namespace

const char* name_of(PhantomType type) noexcept {
  switch (type) {
    case PhantomType::extracellular:
      return "extracellular";
    case PhantomType::cytoplasm:
      return "cytoplasm";
    case PhantomType::membrane:
      return "membrane";
    case PhantomType::mitochondrion:
      return "mitochondrion";
    case PhantomType::myelin:
      return "myelin";
    case PhantomType::vessel:
      return "vessel";
    case PhantomType::nucleus:
      return "nucleus";
    case PhantomType::soma:
      return "soma";
    case PhantomType::cleft:
      return "cleft";
    case PhantomType::vesicle:
      return "vesicle";
    case PhantomType::glia:
      return "glia";
  }
  return "unknown";
}

Phantom::Phantom(const PhantomSpec& spec) : spec_{spec} {
  check(spec);
  tissue_ = std::make_shared<const phantom::Tissue>(spec);
}
Phantom::~Phantom() = default;
Phantom::Phantom(Phantom&&) noexcept = default;
Phantom& Phantom::operator=(Phantom&&) noexcept = default;

PhantomBlock Phantom::block(const Box& box) const {
  PETAVOX_ASSERT(domain().contains(box));
  PhantomBlock block{Array{DType::u8, box, domain()}, Array{DType::u64, box, domain()},
                     Array{DType::u8, box, domain()}};
  phantom::paint(*tissue_, box, block.raw.view<std::uint8_t>(), block.labels.view<std::uint64_t>(),
                 block.types.view<std::uint8_t>());
  return block;
}

}  // namespace petavox
