#include "stages/phantom/shader.hpp"

#include <algorithm>

namespace petavox::phantom {

namespace {
constexpr float membrane_grey = 84;
constexpr float membrane_reach = 3.9F;  // of the dark line, each side, in units
constexpr float membrane_type_reach = 0.9F;
constexpr float extracellular_reach = 0.85F;  // of the room where three objects meet, in units
constexpr float myelin_reach = 8.5F;
constexpr int fine_steps = 3;

float clamp01(float x) { return std::min(std::max(x, 0.0F), 1.0F); }
float mix(float a, float b, float t) { return a + (b - a) * t; }
/// -1 .. 1, period 1.
float triangle_wave(float x) {
  const float t = x - std::floor(x);
  return 4 * std::fabs(t - 0.5F) - 1;
}
/// How deep in a trunk a voxel lies. Near the border the border says it; deeper, where lattice space is
/// squeezed to nothing, the distance to the trunk's own surface does.
float distance_inside(const Spot& spot) {
  constexpr float known = 4.5F;
  return spot.rival >= 0 && spot.border < known ? spot.border : std::max(known, -spot.trunk);
}
float trilinear(const float* c, const std::size_t stride_z, const std::size_t stride_y, float tz, float ty,
                float tx) {
  const float a = mix(mix(c[0], c[1], tx), mix(c[stride_y], c[stride_y + 1], tx), ty);
  c += stride_z;
  const float b = mix(mix(c[0], c[1], tx), mix(c[stride_y], c[stride_y + 1], tx), ty);
  return mix(a, b, tz);
}
}  // namespace

Shader::Shader(const Tissue& tissue) : tissue_{&tissue}, seed_{hash_of(tissue.seed(), 0x73686164)} {}

void Shader::set_tile(const Scene& scene, const Vec& origin) {
  scene_ = &scene;
  rods_.clear();
  for (const Mitochondrion& m : scene.mitochondria) {
    Rod3 rod{};
    const Vec a = m.a - origin, d = m.b - m.a;
    const double square = dot(d, d);
    for (std::size_t n = 0; n < 3; ++n) {
      rod.a[n] = static_cast<float>(a[n]);
      rod.d[n] = static_cast<float>(d[n]);
      rod.across[n] = static_cast<float>(signed_unit(mix64(m.word), static_cast<int>(n)));
    }
    rod.inverse = square > 0 ? static_cast<float>(1 / square) : 0.0F;
    rod.radius = static_cast<float>(m.radius);
    rod.grey = static_cast<float>(92 + 9 * bell(mix64(m.word + 1)));
    rod.actor = m.actor;
    rods_.push_back(rod);
  }
  sites_.clear();
  for (const Patch& p : scene.patches) {
    Site site{};
    const Vec at = p.position - origin;
    for (std::size_t n = 0; n < 3; ++n) {
      site.at[n] = static_cast<float>(at[n]);
      site.towards[n] = static_cast<float>(p.towards_post[n]);
    }
    site.radius = static_cast<float>(p.radius);
    site.pre = p.pre;
    site.post = p.post;
    sites_.push_back(site);
  }
}

void Shader::set_cell(const std::array<Int, 3>& index, const Cell& cell, float scale) {
  scale_ = scale;
  Vec low = cell.lattice[0], high = low;
  for (const Vec& c : cell.lattice)
    for (std::size_t n = 0; n < 3; ++n) {
      low[n] = std::min(low[n], c[n]);
      high[n] = std::max(high[n], c[n]);
    }
  const auto outside = [&](float a, float b, std::size_t n, float margin) {
    return std::max(a, b) < static_cast<float>(low[n]) - margin ||
           std::min(a, b) > static_cast<float>(high[n]) + margin;
  };
  near_rods_.clear();
  for (const Rod3& rod : rods_) {
    bool far = false;
    for (std::size_t n = 0; n < 3; ++n) far |= outside(rod.a[n], rod.a[n] + rod.d[n], n, rod.radius + 1);
    if (!far) near_rods_.push_back(rod);
  }
  near_sites_.clear();
  for (const Site& site : sites_) {
    bool far = false;
    for (std::size_t n = 0; n < 3; ++n) far |= outside(site.at[n], site.at[n], n, 26);
    if (!far) near_sites_.push_back(site);
  }
  std::size_t at = 0;
  for (Int z = 0; z <= fine_steps; ++z)
    for (Int y = 0; y <= fine_steps; ++y)
      for (Int x = 0; x <= fine_steps; ++x)
        fine_[at++] = static_cast<float>(bell(
            hash_of(seed_, fine_steps * index[0] + z, fine_steps * index[1] + y, fine_steps * index[2] + x)));
  for (std::size_t n = 0; n < 8; ++n)
    coarse_[n] = static_cast<float>(
        bell(hash_of(seed_ + 1, index[0] + static_cast<Int>(n >> 2), index[1] + static_cast<Int>(n >> 1 & 1),
                     index[2] + static_cast<Int>(n & 1))));
}

float Shader::fine(const std::array<float, 3>& t) const {
  std::size_t base[3];
  float f[3];
  for (std::size_t n = 0; n < 3; ++n) {
    const float q = std::min(std::max(t[n], 0.0F), 0.999999F) * fine_steps;
    base[n] = static_cast<std::size_t>(q);
    f[n] = q - static_cast<float>(base[n]);
  }
  constexpr std::size_t row = fine_steps + 1;
  return trilinear(fine_.data() + (base[0] * row + base[1]) * row + base[2], row * row, row, f[0], f[1],
                   f[2]);
}

float Shader::coarse(const std::array<float, 3>& t) const {
  return trilinear(coarse_.data(), 4, 2, t[0], t[1], t[2]);
}

Look Shader::look(const Spot& spot, const std::array<float, 3>& t) const {
  const Actor& owner = scene_->actors[static_cast<std::size_t>(spot.actor)];
  const float f = fine(t), c = coarse(t);
  // Where three objects meet there is a little room between them.
  if (spot.corner < extracellular_reach) {
    const float open = clamp01(1 - spot.corner / extracellular_reach);
    return {mix(membrane_grey, 112 + 4 * f, open), PhantomType::extracellular, true};
  }
  Look look = cytoplasm(spot, owner, f, c);
  add_mitochondria(spot, f, c, look);
  if (owner.kind == ChainKind::dendrite || look.type == PhantomType::soma)
    add_free_mitochondria(spot, owner, f, c, look);
  if (spot.border < membrane_reach) {
    const float away = spot.border / membrane_reach;
    const float dark = (1 - away * away) * (1 - away * away);
    look.grey = mix(look.grey, membrane_grey + 3 * c, 0.95F * dark);
    if (spot.border < membrane_type_reach) look.type = PhantomType::membrane;
  }
  add_synapses(spot, look);
  return look;
}

Look Shader::cytoplasm(const Spot& spot, const Actor& owner, float f, float c) const {
  Look look;
  const float granules = f < -0.7F ? (f + 0.7F) * 14 : 0.0F;
  look.grey = owner.grey + owner.texture * (5 * c + 6 * f + granules);
  switch (owner.kind) {
    case ChainKind::vessel: {
      const float in = distance_inside(spot);
      look.type = PhantomType::vessel;
      look.grey = in < 6 ? 118 + 5 * f : 196 + 2 * f;
      const float rim = std::fabs(in - 6);
      if (rim < 1.6F) look.grey = mix(look.grey, 88, clamp01(1.6F - rim));
      return look;
    }
    case ChainKind::sheath:
      look.type = PhantomType::glia;
      return look;
    case ChainKind::axon_with_myelin: {
      const float in = distance_inside(spot);
      if (in < myelin_reach) {
        look.type = PhantomType::myelin;
        look.grey = 68 + 13 * triangle_wave(in * (1 / 2.6F));
      } else {
        look.grey = mix(84, look.grey, clamp01((in - myelin_reach) * 0.7F));
      }
      return look;
    }
    case ChainKind::neurite:
    case ChainKind::dendrite:
      break;
  }
  if (spot.soma < 1.05F && owner.has_soma) {
    look.type = PhantomType::soma;
    const float s = spot.soma + 0.012F * c;
    constexpr float nucleus = 0.7F;
    look.grey = 136 + 6 * c + 11 * f;
    if (s < nucleus) {
      look.type = PhantomType::nucleus;
      look.grey = 148 + 8 * c + 7 * f + (c < -0.5F ? 34 * (c + 0.5F) : 0.0F);
      look.grey = mix(look.grey, 96 + 5 * f, clamp01((0.2F - s) * 20));
    }
    const float envelope = std::fabs(spot.soma - nucleus) * 45;
    if (envelope < 1.4F) look.grey = mix(look.grey, 84, clamp01(1.4F - envelope));
  }
  return look;
}

void Shader::add_mitochondria(const Spot& spot, float f, float c, Look& look) const {
  for (const Rod3& rod : near_rods_) {
    if (rod.actor != spot.actor) continue;
    const float pz = spot.z - rod.a[0], py = spot.y - rod.a[1], px = spot.x - rod.a[2];
    const float along = clamp01((pz * rod.d[0] + py * rod.d[1] + px * rod.d[2]) * rod.inverse);
    const float qz = pz - along * rod.d[0], qy = py - along * rod.d[1], qx = px - along * rod.d[2];
    const float in_lattice = rod.radius - std::sqrt(qz * qz + qy * qy + qx * qx);
    const float inside = std::min(in_lattice / scale_, spot.border - 3.4F);
    if (inside < -0.7F) continue;
    const float wave = triangle_wave((pz * rod.across[0] + py * rod.across[1] + px * rod.across[2]) * 0.14F +
                                     0.1F * f + 0.45F * c);
    const float outer = inside < 1.6F ? -8.0F : 0.0F;
    const float grey = rod.grey + 5 * wave + 4 * f + outer;
    look.grey = mix(look.grey, grey, clamp01((inside + 0.7F) * 0.8F));
    if (inside > 0) look.type = PhantomType::mitochondrion;
  }
}

void Shader::add_free_mitochondria(const Spot& spot, const Actor& owner, float f, float c, Look& look) const {
  // One a cell of a lattice in tissue, at most: what runs in thick processes and cell bodies follows no
  // centre line.
  constexpr double step = 54;
  std::array<Int, 3> cell{};
  Vec off{};
  for (std::size_t n = 0; n < 3; ++n) {
    const double q = std::floor(spot.tissue[n] / step);
    cell[n] = static_cast<Int>(q);
    off[n] = spot.tissue[n] - (q + 0.5) * step;
  }
  const std::uint64_t h = hash_of(seed_ + 7, cell[0], cell[1], cell[2]);
  if (unit(h, 0) < 0.45) return;
  const bool soma = look.type == PhantomType::soma;
  const Vec trunk = tissue_->deformation().direction(tissue_->organs().trunk_axis());
  const std::uint64_t turn = mix64(h);
  Vec along{signed_unit(turn, 0), signed_unit(turn, 1), signed_unit(turn, 2)};
  along = soma ? along : trunk + along * 0.3;
  const double half = 6 + 8 * unit(h, 1), size = length(along);
  along = size > 0.1 ? along * (1 / size) : trunk;
  for (std::size_t n = 0; n < 3; ++n) off[n] -= 4 * signed_unit(turn, static_cast<int>(n) + 1);
  const double place = std::min(std::max(dot(off, along), -half), half);
  const Vec away = off - along * place;
  const auto in_capsule = static_cast<float>(7 + 3 * unit(h, 2) - length(away));
  const float border = owner.kind == ChainKind::dendrite ? distance_inside(spot) : spot.border;
  float inside = std::min(in_capsule, border - 4);
  if (soma) inside = std::min(inside, (spot.soma - 0.72F) * 80);
  if (inside < -0.7F) return;
  const float wave = triangle_wave(static_cast<float>(dot(off, trunk) * 0.15) + 0.1F * f + 0.45F * c);
  const float grey =
      static_cast<float>(88 + 8 * signed_unit(h, 3)) + 5 * wave + 4 * f + (inside < 1.6F ? -8.0F : 0.0F);
  look.grey = mix(look.grey, grey, clamp01((inside + 0.7F) * 0.8F));
  if (inside > 0) look.type = PhantomType::mitochondrion;
}

bool Shader::vesicle(const Vec& tissue, float& shade) const {
  constexpr double step = 6.2;
  std::array<Int, 3> cell{};
  Vec off{};
  for (std::size_t n = 0; n < 3; ++n) {
    const double q = std::floor(tissue[n] / step);
    cell[n] = static_cast<Int>(q);
    off[n] = tissue[n] - q * step;
  }
  const std::uint64_t h = hash_of(seed_ + 2, cell[0], cell[1], cell[2]);
  for (std::size_t n = 0; n < 3; ++n) off[n] -= step / 2 + 0.7 * signed_unit(h, static_cast<int>(n));
  const auto d = static_cast<float>(length(off));
  if (d > 2.4F || unit(h, 3) < 0.42) return false;
  shade = clamp01((2.4F - d) * 0.9F) * (d > 1 ? 0.75F : 0.45F);
  return true;
}

void Shader::add_synapses(const Spot& spot, Look& look) const {
  for (const Site& site : near_sites_) {
    const bool pre = spot.actor == site.pre, post = spot.actor == site.post;
    if (!pre && !post) continue;
    const float oz = spot.z - site.at[0], oy = spot.y - site.at[1], ox = spot.x - site.at[2];
    const float up = oz * site.towards[0] + oy * site.towards[1] + ox * site.towards[2];
    const float square = oz * oz + oy * oy + ox * ox;
    const float aside = std::sqrt(std::max(square - up * up, 0.0F)) / scale_;
    const float inside = clamp01((site.radius - aside) * 0.3F);
    const bool facing = spot.rival == (pre ? site.post : site.pre);
    if (inside > 0 && facing) {
      const float reach = post ? 5.0F : 3.2F;
      if (spot.border < reach)
        look.grey = mix(look.grey, post ? 66 : 74, inside * clamp01((reach - spot.border) * 0.35F));
      if (spot.border < 1.5F) look.type = PhantomType::cleft;
    }
    if (!pre) continue;
    // The T-bar: a pedestal on the membrane with a table on top; then a cloud of vesicles.
    const float pedestal = std::min(2.4F - aside, 6.5F - spot.border);
    const float table = std::min(5.5F - aside, 1.6F - std::fabs(spot.border - 6));
    const float bar = std::max(pedestal, table);
    if (facing && bar > -1) look.grey = mix(look.grey, 64, clamp01((bar + 1) * 0.6F));
    float shade = 0;
    if (square < 20 * 20 * scale_ * scale_ && spot.border > 3 && bar < 0 &&
        look.type == PhantomType::cytoplasm && vesicle(spot.tissue, shade)) {
      look.grey = mix(look.grey, 96, shade);
      look.type = PhantomType::vesicle;
    }
  }
}

void Shader::set_section(Index z) {
  const PhantomSpec& spec = tissue_->spec();
  const double height = (static_cast<double>(z) + 0.5) * tissue_->voxel_units()[0];
  const bool serial = spec.voxel_size_nm[0] >= 25;
  const std::uint64_t h = hash_of(seed_ + 3, z);
  const double slow = line_noise(seed_ + 4, height, 120), slow_gain = line_noise(seed_ + 5, height, 200);
  const double strength = spec.section_variation;
  offset_ = static_cast<float>(strength * (6 * slow + (serial ? 7 : 0.5) * bell(h)));
  gain_ = static_cast<float>(1 + strength * (0.06 * slow_gain + (serial ? 0.06 : 0.004) * bell(mix64(h))));
}

std::uint8_t Shader::record(float grey, const Coord& voxel) const {
  float value = (grey - 128) * gain_ + 128 + offset_;
  const auto noise = static_cast<float>(tissue_->spec().noise);
  const float shot = 3.2F * std::sqrt(std::max(value, 1.0F) * (1.0F / 128));
  value += noise * shot * static_cast<float>(bell(hash_of(seed_ + 6, voxel.z, voxel.y, voxel.x)));
  const float rounded = std::floor(value + 0.5F);
  return static_cast<std::uint8_t>(std::min(std::max(rounded, 0.0F), 255.0F));
}

}  // namespace petavox::phantom
