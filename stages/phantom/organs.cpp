#include "stages/phantom/organs.hpp"

namespace petavox::phantom {

namespace {
// Trunks: one a column of 4 x 4 rods at most, near its middle, so that reach stays inside the column.
constexpr Int column_rods = 4;
constexpr double column_size = column_rods * rod_spacing;
constexpr double trunk_reach = 96;
// Somata: one a cube of 8 rods at most, near its middle: there they are out of reach of the trunks, which run
// through the quarters, and their own reach stays inside the cube.
constexpr Int cube_rods = 8;
constexpr double cube_size = cube_rods * rod_spacing;
constexpr double soma_reach = 200;

Int cell_of(double x, double size) { return static_cast<Int>(std::floor(x / size)); }
Int floor_of(Int a, Int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
}  // namespace

Organs::Organs(std::uint64_t seed)
    : seed_{hash_of(seed, 0x6f7267)}, trunk_axis_{static_cast<int>(hash_of(seed_, 1) % 3)} {}

std::optional<Trunk> Organs::trunk_in(Int column_b, Int column_c) const {
  const std::uint64_t h = hash_of(seed_, 2, column_b, column_c);
  const double kind = unit(h, 0);
  Trunk trunk;
  trunk.rod = {trunk_axis_, column_rods * column_b + 2,
               column_rods * column_c + 1 + static_cast<Int>(h >> 63)};
  trunk.reach = trunk_reach;
  if (kind < 0.1) {
    trunk.kind = TrunkKind::vessel;
    trunk.thin = 14;
    trunk.thick = 38 + 12 * unit(h, 1);
  } else if (kind < 0.6) {
    trunk.kind = TrunkKind::dendrite;
    trunk.thin = 16;
    trunk.thick = 22 + 24 * unit(h, 1);
  } else if (kind < 0.86) {
    trunk.kind = TrunkKind::myelinated;
    trunk.thin = 16;
    trunk.thick = 20 + 10 * unit(h, 1);
  } else {
    return std::nullopt;
  }
  return trunk;
}

std::optional<Trunk> Organs::trunk_near(const Vec& p) const {
  const auto b = static_cast<std::size_t>((trunk_axis_ + 1) % 3),
             c = static_cast<std::size_t>((trunk_axis_ + 2) % 3);
  return trunk_in(cell_of(p[b], column_size), cell_of(p[c], column_size));
}

std::optional<Trunk> Organs::trunk_on(const Rod& rod) const {
  if (rod.axis != trunk_axis_) return std::nullopt;
  auto trunk = trunk_in(floor_of(rod.i, column_rods), floor_of(rod.j, column_rods));
  if (trunk && !(trunk->rod == rod)) trunk.reset();
  return trunk;
}

std::optional<Soma> Organs::soma_in(Int cz, Int cy, Int cx) const {
  const std::uint64_t h = hash_of(seed_, 3, cz, cy, cx);
  if (unit(h, 0) > 0.55) return std::nullopt;
  const std::array<Int, 3> cube{cz, cy, cx};
  Soma soma;
  soma.rod.axis = (trunk_axis_ + 1 + static_cast<int>(h >> 63)) % 3;
  soma.rod.i = cube_rods * cube[axis_b(soma.rod)] + 4;
  soma.rod.j = cube_rods * cube[axis_c(soma.rod)] + 3 + static_cast<Int>(h >> 62 & 1);
  soma.node = 2 * cube_rods * cube[static_cast<std::size_t>(soma.rod.axis)] + 7 + static_cast<Int>(h % 3);
  soma.thin = 20;
  soma.thick = 62 + 34 * unit(h, 1);
  soma.reach = soma_reach;
  return soma;
}

std::optional<Soma> Organs::soma_near(const Vec& p) const {
  return soma_in(cell_of(p[0], cube_size), cell_of(p[1], cube_size), cell_of(p[2], cube_size));
}

std::optional<Soma> Organs::soma_on(const Rod& rod, Int node) const {
  if (rod.axis == trunk_axis_) return std::nullopt;
  std::array<Int, 3> cube{};
  cube[axis_b(rod)] = floor_of(rod.i, cube_rods);
  cube[axis_c(rod)] = floor_of(rod.j, cube_rods);
  cube[static_cast<std::size_t>(rod.axis)] = floor_of(node, 2 * cube_rods);
  auto soma = soma_in(cube[0], cube[1], cube[2]);
  if (soma && !(soma->rod == rod)) soma.reset();
  return soma;
}

}  // namespace petavox::phantom
