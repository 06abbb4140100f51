// All shards of a volume in one file, chunks copied as they are.

#include "petavox/base/check.hpp"
#include "petavox/base/checked.hpp"
#include "petavox/io/corrupt_object.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"
#include "petavox/io/hdf5_petavox.hpp"
#include "petavox/io/hdf5_shard_file.hpp"
#include "petavox/io/shard_writer.hpp"

#include <unordered_map>

namespace petavox {

std::uint64_t merge_shards(const ShardSpec& spec, const std::filesystem::path& directory,
                           const std::vector<ShardRecord>& records, const std::filesystem::path& file,
                           const std::string& dataset, bool overwrite) {
  const Tiling shards = spec.layout.shards();
  std::unordered_map<Index, const ShardRecord*> record_of;
  for (const ShardRecord& record : records) record_of[record.shard] = &record;
  const OutputRoot root = OutputRoot::open(directory.string());

  const hdf5::TemporaryFile temporary{hdf5::temporary_beside(file)};
  hdf5::ChunkedFile merged{temporary.path().string(),
                           {dataset.starts_with('/') ? dataset : "/" + dataset, spec.dtype, spec.channels,
                            spec.layout.domain.shape(), spec.layout.chunk_shape, spec.codec}};
  {
    const hdf5::Lock lock;
    hdf5::write_public_attributes(merged.dataset().id(), spec.voxel_size_nm, spec.channels,
                                  spec.layout.domain.begin);
  }
  for (Index i = 0; i < shards.count(); ++i) {
    const auto record = record_of.find(i);
    if (record == record_of.end())
      throw CorruptObject{"shard " + std::to_string(i) + " with box " + to_string(shards.core(i)) + " in " +
                          directory.string() +
                          " is missing (the merged file would have a hole); finish the run"};
    const hdf5::ShardFile shard{root, spec, *record->second};
    if (!shard.encoded_as(spec.codec))
      throw CorruptObject{
          "shard " + record->second->file + " in " + directory.string() +
          " is compressed in another way than the volume (its chunks cannot be copied); write it anew"};
    for (int channel = 0; channel < spec.channels; ++channel)
      for (Index chunk = 0; chunk < shard.tiling().count(); ++chunk) {
        const Coord position = shard.tiling().position(chunk);
        const Coord first = Coord{} + (shard.chunk_box(position).begin - spec.layout.domain.begin);
        merged.put_chunk(channel, first, shard.read_stored(shard.chunk_number(channel, position)));
      }
  }
  merged.close();
  const auto bytes = std::filesystem::file_size(temporary.path());
  hdf5::publish_written(temporary.path(), file, overwrite);
  return bytes;
}

}  // namespace petavox
