#pragma once
// An EM-like volume made from nothing but a seed: raw grey values and their complete truth (labels, voxel
// types, skeletons, synapses) at any size and any place, without a file.
//
// Promises: every voxel is a pure function of (spec, absolute coordinate), so any box can be computed alone,
// in memory bounded by the box, with the same result on every machine; raw and types do not even depend on
// the shape. A label is one connected object, but for rare specks of a few voxels, before the volume cuts it:
// a part that leaves the volume may come back. Axis order z, y, x; lengths in nanometres where a name says
// so. Thread safety: a Phantom is immutable; its volumes may be read by many threads at once.

#include "petavox/volume/volume.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace petavox {

/// What makes a phantom. The same spec gives the same bytes for ever within one major version.
struct PhantomSpec {
  Extent shape{};                         ///< voxels; each axis 1 .. 16 cm, 10^15 voxels in all at most
  std::uint64_t seed = 1;                 ///< any number: another tissue
  VoxelSizeNm voxel_size_nm{10, 10, 10};  ///< 2 .. 64 nm an axis; from 25 nm in z: serial sections
  double noise = 1;                       ///< strength of the image noise, 0 .. 4; 1 is like FIB-SEM
  double section_variation = 1;           ///< strength of brightness and contrast change along z, 0 .. 4
  double section_jitter_nm = 0;           ///< largest random shift of a section in y and x, 0 .. 1000

  friend bool operator==(const PhantomSpec&, const PhantomSpec&) = default;
};

/// What a voxel is made of: the values of the `types` volume.
enum class PhantomType : std::uint8_t {
  extracellular = 0,
  cytoplasm = 1,
  membrane = 2,
  mitochondrion = 3,
  myelin = 4,
  vessel = 5,
  nucleus = 6,
  soma = 7,
  cleft = 8,
  vesicle = 9,
  glia = 10,
};
inline constexpr int num_phantom_types = 11;
/// "cytoplasm" …
const char* name_of(PhantomType type) noexcept;

/// One synapse: the pre-synaptic object holds a T-bar and vesicles, the post-synaptic one a density.
struct PhantomSynapse {
  std::uint64_t id = 0;             ///< unique in the volume
  std::uint64_t pre = 0, post = 0;  ///< labels, never equal
  Coord position;                   ///< the voxel at the middle of the cleft
  double diameter_nm = 0;
};

/// A point of a centre line. The nodes of one label form a tree (several, where the volume cuts it).
struct PhantomNode {
  std::uint64_t id = 0;      ///< unique in the volume, positive
  std::uint64_t parent = 0;  ///< id of the next node towards the root; 0: a root
  std::uint64_t label = 0;
  std::array<double, 3> position{};  ///< z, y, x in voxels; voxel i covers [i, i + 1)
  double radius_nm = 0;
  bool soma = false;  ///< the centre of a cell body
};

/// The three volumes over one box; made together they cost little more than one.
struct PhantomBlock {
  Array raw;     ///< uint8
  Array labels;  ///< uint64; 0 is extracellular
  Array types;   ///< uint8, PhantomType
};

namespace phantom {
class Tissue;
}

class Phantom {
 public:
  /// Throws Error{config} for a spec out of its bounds.
  explicit Phantom(const PhantomSpec& spec);
  ~Phantom();
  Phantom(Phantom&&) noexcept;
  Phantom& operator=(Phantom&&) noexcept;

  const PhantomSpec& spec() const { return spec_; }
  Box domain() const { return {{0, 0, 0}, Coord{} + spec_.shape}; }

  /// Expects box inside domain(). Peak memory: the three arrays (10 bytes a voxel) and less than 4 MiB.
  PhantomBlock block(const Box& box) const;
  /// Synapses whose position is in `box`, ordered by position.
  std::vector<PhantomSynapse> synapses(const Box& box) const;
  /// Nodes whose position is in `box`, ordered by label and id. A parent may lie outside `box`, never outside
  /// domain(). Nodes within a voxel or so of the domain's faces may be left out.
  std::vector<PhantomNode> skeleton(const Box& box) const;

  /// Volume drivers that own what they need and outlive this object.
  std::unique_ptr<Volume> raw() const;
  std::unique_ptr<Volume> labels() const;
  std::unique_ptr<Volume> types() const;

 private:
  PhantomSpec spec_;
  std::shared_ptr<const phantom::Tissue> tissue_;
};

/// `volume` is "raw" (uint8), "labels" (uint64) or "types" (uint8).
/// Throws Error{config} for another name or a spec out of its bounds.
std::unique_ptr<Volume> open_phantom(const PhantomSpec& spec, std::string_view volume);

}  // namespace petavox
