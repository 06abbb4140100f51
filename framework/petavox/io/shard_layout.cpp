#include "petavox/io/shard_layout.hpp"

#include "petavox/base/checked.hpp"

namespace petavox {
namespace {

Index round_up(Index value, Index unit) { return checked_mul(ceil_div(value, unit), unit); }

Index shard_count(const Box& domain, Extent shard) {
  const Extent shape = domain.shape();
  return checked_mul(checked_mul(ceil_div(shape.z, shard.z), ceil_div(shape.y, shard.y)),
                     ceil_div(shape.x, shard.x));
}

}  // namespace

ShardLayout make_shard_layout(const Box& domain, Extent shard_shape, Extent chunk_shape, DType type) {
  const Extent shape = domain.shape();
  if (shape.z <= 0 || shape.y <= 0 || shape.x <= 0)
    throw Error{ErrorCode::config, "the domain " + to_string(domain) +
                                       " of a volume is empty (there is nothing to store); check its box"};
  checked_mul(checked_mul(checked_mul(shape.z, shape.y), shape.x), static_cast<Index>(size_of(type)));
  ShardLayout layout{domain, {}, {}};
  for (int axis = 0; axis < 3; ++axis) {
    const Index chunk = chunk_shape[axis], shard = shard_shape[axis];
    if (chunk <= 0 || shard <= 0 || shard % chunk != 0)
      throw Error{ErrorCode::config,
                  "chunks of " + to_string(chunk_shape) + " do not divide shards of " +
                      to_string(shard_shape) +
                      " (a chunk would have two writers); make each shard a multiple of a chunk"};
    layout.chunk_shape[axis] = std::min(chunk, shape[axis]);
    layout.shard_shape[axis] =
        std::min(round_up(shard, layout.chunk_shape[axis]), round_up(shape[axis], layout.chunk_shape[axis]));
  }
  const auto& c = layout.chunk_shape;
  const auto bytes = checked_mul(checked_mul(checked_mul(usize(c.z), usize(c.y)), usize(c.x)), size_of(type));
  if (bytes > max_chunk_bytes)
    throw Error{ErrorCode::resource, "chunks of " + to_string(c) + " " + name_of(type) + " take " +
                                         std::to_string(bytes) + " bytes (a chunk holds at most " +
                                         std::to_string(max_chunk_bytes) + "); make chunks smaller"};
  shard_count(domain, layout.shard_shape);
  return layout;
}

ShardLayout default_shard_layout(const Box& domain, DType type) {
  constexpr Index chunk_side = 64, chunks_per_side = 4, most_shards = 512;
  Extent shard = Extent::cube(chunk_side * chunks_per_side);
  const Extent shape = domain.shape();
  if (shape.z > 0 && shape.y > 0 && shape.x > 0)
    while (shard_count(domain, shard) > most_shards) {
      int longest = 2;
      for (const int axis : {1, 0})
        if (ceil_div(shape[axis], shard[axis]) > ceil_div(shape[longest], shard[longest])) longest = axis;
      shard[longest] *= 2;
    }
  return make_shard_layout(domain, shard, Extent::cube(chunk_side), type);
}

std::string shard_file_name(Coord position, std::uint64_t generation, std::uint64_t attempt) {
  return std::to_string(position.z) + "_" + std::to_string(position.y) + "_" + std::to_string(position.x) +
         "." + std::to_string(generation) + "." + std::to_string(attempt) + ".h5";
}

Extent piece_shape(Extent chunk, Extent limit, std::size_t voxel_bytes, std::size_t budget_bytes) {
  const auto chunk_bytes =
      checked_mul(checked_mul(checked_mul(usize(chunk.z), usize(chunk.y)), usize(chunk.x)), voxel_bytes);
  auto chunks_left = std::max<Index>(1, static_cast<Index>(budget_bytes / chunk_bytes));
  Extent piece;
  for (const int axis : {2, 1, 0}) {
    const Index chunks = std::min(ceil_div(limit[axis], chunk[axis]), chunks_left);
    piece[axis] = chunks * chunk[axis];
    chunks_left /= chunks;
  }
  return piece;
}

Extent shard_piece(const ShardSpec& spec) {
  constexpr std::size_t piece_bytes = std::size_t{64} << 20;
  const auto voxel = checked_mul(size_of(spec.dtype), static_cast<std::size_t>(spec.channels));
  return piece_shape(spec.layout.chunk_shape, spec.layout.shard_shape, voxel, piece_bytes);
}

std::size_t shard_write_bytes(const ShardSpec& spec) {
  const Extent piece = shard_piece(spec);
  const auto voxel = checked_mul(size_of(spec.dtype), static_cast<std::size_t>(spec.channels));
  const auto chunk = checked_mul(usize(spec.layout.chunk_shape.voxels()), size_of(spec.dtype));
  constexpr std::size_t library = std::size_t{4} << 20;
  return checked_add(checked_add(checked_mul(usize(piece.voxels()), voxel), 3 * chunk), library);
}

}  // namespace petavox
