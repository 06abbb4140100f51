#include "petavox/io/hdf5_mappings.hpp"

#include "petavox/base/checked.hpp"
#include "petavox/io/output_root.hpp"

namespace petavox::hdf5 {
namespace {

constexpr const char* copy_it = "copy it into one plain dataset, for example with h5repack";
constexpr std::size_t most_mappings = std::size_t{1} << 20;
constexpr std::size_t longest_name = 4096;

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw Error{ErrorCode::io, "cannot read the virtual dataset " + name + " (" + why + "); " + copy_it};
}

// Both getters return the length without the final zero.
template <class Getter>
std::string read_name(Getter getter, hid_t creation, std::size_t index, const std::string& name) {
  const ssize_t size = getter(creation, index, nullptr, 0);
  if (size < 0 || static_cast<std::size_t>(size) > longest_name)
    refuse(name, "the name of a source is damaged");
  std::string text(static_cast<std::size_t>(size) + 1, '\0');
  if (getter(creation, index, text.data(), text.size()) < 0) refuse(name, "the name of a source is damaged");
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// A selection that is one box; z,y,x only, and the channels from 0 up to `channels`.
struct Selection {
  Box box;
  Index channels = 1;
};

Selection read_selection(const Handle& space, const std::string& name) {
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank != 3 && rank != 4) refuse(name, "a source has other axes than z,y,x or c,z,y,x");
  std::array<hsize_t, 4> dims{}, start{}, stride{}, count{}, block{};
  H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
  switch (H5Sget_select_type(space.id())) {
    case H5S_SEL_ALL:
      stride = block = dims;
      count.fill(1);
      break;
    case H5S_SEL_HYPERSLABS:
      if (H5Sis_regular_hyperslab(space.id()) <= 0 ||
          H5Sget_regular_hyperslab(space.id(), start.data(), stride.data(), count.data(), block.data()) < 0)
        refuse(name, "a source is not a box");
      break;
    default:
      refuse(name, "a source is not a box");
  }
  Selection result;
  const int skip = rank == 4 ? 1 : 0;
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool solid = count[at] == 1 || stride[at] == block[at];
    if (!solid || count[at] == H5S_UNLIMITED || block[at] == H5S_UNLIMITED)
      refuse(name, "a source is not a box of fixed size");
    const auto length = checked_cast<Index>(checked_mul(count[at], block[at]));
    const auto begin = checked_cast<Index>(start[at]);
    checked_add(begin, length);
    if (length <= 0) refuse(name, "a source is empty");
    if (i < skip) {
      if (begin != 0) refuse(name, "a source holds some of the channels only");
      result.channels = length;
    } else {
      result.box.begin[i - skip] = begin;
      result.box.end[i - skip] = begin + length;
    }
  }
  return result;
}

// The file does not tell the shape of a source that is used whole: it is that of its place, or the source
// does not fit and is refused when it is opened.
Selection read_source(const Handle& space, const Selection& target, const std::string& name) {
  if (H5Sget_select_type(space.id()) == H5S_SEL_ALL)
    return {Box::from({}, target.box.shape()), target.channels};
  return read_selection(space, name);
}

void check_names(const Mapping& mapping, const std::string& name) {
  if (mapping.file.find('%') != std::string::npos || mapping.dataset.find('%') != std::string::npos)
    refuse(name, "a source is named by a pattern");
  if (mapping.file == ".") return;
  try {
    check_relative_name(mapping.file);
  } catch (const Error&) {
    refuse(name, "its source " + mapping.file + " may lie outside the directory of the file");
  }
}

}  // namespace

std::vector<Mapping> read_mappings(hid_t creation, const std::string& name) {
  std::size_t count = 0;
  if (H5Pget_virtual_count(creation, &count) < 0) refuse(name, last_error());
  if (count > most_mappings) refuse(name, "it has " + std::to_string(count) + " sources");
  std::vector<Mapping> mappings;
  for (std::size_t i = 0; i < count; ++i) {
    Mapping mapping;
    mapping.file = read_name(H5Pget_virtual_filename, creation, i, name);
    mapping.dataset = read_name(H5Pget_virtual_dsetname, creation, i, name);
    if (mapping.file.starts_with("./")) mapping.file.erase(0, 2);
    check_names(mapping, name);
    const Handle target{H5Pget_virtual_vspace(creation, i), H5Sclose};
    const Handle source{H5Pget_virtual_srcspace(creation, i), H5Sclose};
    if (!target.valid() || !source.valid()) refuse(name, last_error());
    const Selection to = read_selection(target, name), from = read_source(source, to, name);
    if (to.channels != from.channels || to.box.shape() != from.box.shape())
      refuse(name, "a source has another shape than its place");
    mapping.target = to.box;
    mapping.source = from.box;
    mapping.channels = to.channels;
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

}  // namespace petavox::hdf5
