#pragma once
// The datasets of a file, for messages and `petavox info`. Internal to petavox/io.

#include "petavox/io/hdf5_library.hpp"

#include <string>
#include <vector>

namespace petavox::hdf5 {

struct Listing {
  struct Entry {
    std::string path;  ///< "/volumes/raw"
    std::string text;  ///< "5x500x500 uint8"
  };
  std::vector<Entry> entries;
  bool complete = true;  ///< false if there are more than the limit, or a part of the file cannot be read
};

/// Hard links only: never leaves the file. Takes the lock.
Listing list_datasets(const Handle& file, std::size_t limit);

/// The entry whose path is most like `wanted`, or null if none is at all.
const Listing::Entry* nearest(const Listing& listing, const std::string& wanted);

}  // namespace petavox::hdf5
