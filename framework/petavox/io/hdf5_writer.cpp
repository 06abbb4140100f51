#include "petavox/io/hdf5_writer.hpp"

#include "petavox/geometry/tiling.hpp"
#include "petavox/io/chunk_copy.hpp"
#include "petavox/io/hdf5_chunked_file.hpp"
#include "petavox/io/hdf5_filters.hpp"
#include "petavox/io/hdf5_petavox.hpp"

#include <algorithm>
#include <vector>

namespace petavox {

struct Hdf5Writer::State {
  explicit State(std::filesystem::path target)
      : name{std::move(target)}, temporary{hdf5::temporary_beside(name)}, file{temporary.path().string()} {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { file.abandon(); }

  struct Open {
    Hdf5DatasetSpec spec;
    hdf5::Handle dataset;
  };
  std::filesystem::path name;
  hdf5::TemporaryFile temporary;
  hdf5::NewFile file;
  std::vector<Open> datasets;
};

Hdf5Writer::Hdf5Writer(std::filesystem::path file) : state_{std::make_unique<State>(std::move(file))} {}
Hdf5Writer::~Hdf5Writer() = default;
Hdf5Writer::Hdf5Writer(Hdf5Writer&&) noexcept = default;
Hdf5Writer& Hdf5Writer::operator=(Hdf5Writer&&) noexcept = default;

int Hdf5Writer::add(const Hdf5DatasetSpec& given) {
  Hdf5DatasetSpec spec = given;
  for (int a = 0; a < 3; ++a) {
    if (spec.shape[a] < 1 || spec.chunk_shape[a] < 1)
      throw Error{ErrorCode::config, "dataset " + spec.dataset + " of shape " + to_string(spec.shape) +
                                         " in chunks of " + to_string(spec.chunk_shape) +
                                         " (both must be positive); correct the shapes"};
    spec.chunk_shape[a] = std::min(spec.chunk_shape[a], spec.shape[a]);
  }
  const hdf5::ChunkedLayout layout{spec.dataset, spec.dtype, 1, spec.shape, spec.chunk_shape, spec.codec};
  const hdf5::Lock lock;
  hdf5::Handle dataset = hdf5::create_dataset(state_->file.handle(), layout, hdf5::creation_list(layout));
  hdf5::write_public_attributes(dataset.id(), spec.voxel_size_nm, 1, {});
  state_->datasets.push_back({std::move(spec), std::move(dataset)});
  return static_cast<int>(state_->datasets.size()) - 1;
}

void Hdf5Writer::write(int number, const Array& voxels) {
  PETAVOX_ASSERT(number >= 0 && static_cast<std::size_t>(number) < state_->datasets.size());
  const State::Open& open = state_->datasets[static_cast<std::size_t>(number)];
  const Hdf5DatasetSpec& spec = open.spec;
  const Box domain = Box::from({}, spec.shape);
  const Tiling chunks{domain, spec.chunk_shape};
  const Box touched = chunks.touching(voxels.box());
  if (voxels.dtype() != spec.dtype || voxels.channels() != 1 || voxels.box().empty() ||
      chunks.covered(touched) != voxels.box())
    throw Error{ErrorCode::contract, "box " + to_string(voxels.box()) + " of " + name_of(voxels.dtype()) +
                                         " does not fill whole chunks of dataset " + spec.dataset +
                                         " (a chunk is compressed once); write whole chunks of its type"};
  Bytes raw(usize(spec.chunk_shape.voxels()) * size_of(spec.dtype));
  touched.for_each([&](Coord position) {
    const Box core = chunks.core_of(position);
    const Box whole = Box::from(core.begin, spec.chunk_shape);
    // What of a chunk lies outside the dataset is 0, not what the chunk before left.
    if (core != whole) std::fill(raw.begin(), raw.end(), std::byte{0});
    copy_to_chunk(voxels, 0, core, raw, whole);
    const Bytes stored = hdf5::encode_chunk(raw, spec.codec, size_of(spec.dtype));
    const hsize_t at[3] = {static_cast<hsize_t>(core.begin.z), static_cast<hsize_t>(core.begin.y),
                           static_cast<hsize_t>(core.begin.x)};
    const hdf5::Lock lock;
    if (H5Dwrite_chunk(open.dataset.id(), H5P_DEFAULT, 0, at, stored.size(), stored.data()) < 0)
      hdf5::fail("cannot write the chunk at " + to_string(core.begin) + " of " + state_->name.string(),
                 "check the directory, its permissions and the space left");
  });
}

void Hdf5Writer::publish(bool overwrite) {
  const hdf5::Lock lock;
  const std::string problem = "cannot finish the file " + state_->name.string();
  const std::string advice = "check the directory and the space left";
  if (H5Fflush(state_->file.handle().id(), H5F_SCOPE_LOCAL) < 0) hdf5::fail(problem, advice);
  for (auto& open : state_->datasets) open.dataset.close_written(problem, advice);
  state_->file.close();
  hdf5::publish_written(state_->temporary.path(), state_->name, overwrite);
}

}  // namespace petavox
