#include "stages/mutex_watershed/clusters.hpp"

#include "petavox/base/check.hpp"

#include <numeric>

namespace petavox::mutex_watershed {

Clusters::Clusters(std::size_t count) : parents_(count) {
  PETAVOX_ASSERT(count < root_mark);
  std::iota(parents_.begin(), parents_.end(), 0U);
}

}  // namespace petavox::mutex_watershed
