#include "petavox/io/hdf5_listing.hpp"

#include "petavox/io/hdf5_dataset.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace petavox {
namespace hdf5 {
namespace {

struct Visit {
  Listing* listing;
  std::size_t limit;
};

std::string describe(hid_t file, const char* path) {
  const Handle access = guarded_access(nullptr);
  const Handle dataset{H5Dopen2(file, path, access.id()), H5Dclose};
  if (!dataset.valid()) {
    H5Eclear2(H5E_DEFAULT);
    return "unreadable";
  }
  const Handle space{H5Dget_space(dataset.id()), H5Sclose};
  const int rank = H5Sget_simple_extent_ndims(space.id());
  std::string text;
  if (rank > 0 && rank <= H5S_MAX_RANK) {
    std::array<hsize_t, H5S_MAX_RANK> dims{};
    H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
    for (int i = 0; i < rank; ++i)
      text += (i > 0 ? "x" : "") + std::to_string(dims[static_cast<std::size_t>(i)]);
  } else {
    text = "scalar";
  }
  const Handle type{H5Dget_type(dataset.id()), H5Tclose};
  return text + " " + type_text(type.id());
}

// Called by the library: an exception must not cross it.
herr_t visit(hid_t file, const char* name, const H5O_info_t* info, void* data) noexcept {
  auto* visiting = static_cast<Visit*>(data);
  if (info->type != H5O_TYPE_DATASET) return 0;
  try {
    auto& entries = visiting->listing->entries;
    if (entries.size() >= visiting->limit) {
      visiting->listing->complete = false;
      return 1;
    }
    entries.push_back({std::string{"/"} + name, describe(file, name)});
    return 0;
  } catch (...) {
    return -1;
  }
}

// Edit distance; names are cut to a length that keeps this cheap.
std::size_t distance(std::string_view a, std::string_view b) {
  constexpr std::size_t longest = 128;
  a = a.substr(0, longest);
  b = b.substr(0, longest);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Listing list_datasets(const Handle& file, std::size_t limit) {
  const Lock lock;
  Listing listing;
  Visit data{&listing, limit};
  if (H5Ovisit2(file.id(), H5_INDEX_NAME, H5_ITER_INC, visit, &data, H5O_INFO_BASIC) < 0) {
    H5Eclear2(H5E_DEFAULT);
    listing.complete = false;
  }
  return listing;
}

const Listing::Entry* nearest(const Listing& listing, const std::string& wanted) {
  const Listing::Entry* best = nullptr;
  std::size_t best_distance = 0;
  for (const auto& entry : listing.entries) {
    // The right name in another group is as good a guess as a misspelt one.
    const std::size_t d =
        std::min(distance(entry.path, wanted), distance(last_part(entry.path), last_part(wanted)) + 1);
    if (best == nullptr || d < best_distance) {
      best = &entry;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace hdf5

std::vector<std::string> list_hdf5_datasets(const std::filesystem::path& file, std::size_t limit) {
  const hdf5::Handle handle = hdf5::open_file(file);
  std::vector<std::string> lines;
  const hdf5::Listing listing = hdf5::list_datasets(handle, limit);
  for (const auto& [path, text] : listing.entries) lines.push_back(path + " (" + text + ")");
  return lines;
}

bool is_hdf5_file(const std::filesystem::path& file) {
  try {
    hdf5::require_regular_file(file);
  } catch (const Error&) {
    return false;
  }
  const hdf5::Lock lock;
  const htri_t is = H5Fis_hdf5(file.c_str());
  if (is < 0) H5Eclear2(H5E_DEFAULT);
  return is > 0;
}

}  // namespace petavox
