// petavox was built without libtorch (PETAVOX_WITH_TORCH=OFF, the default).

#include "stages/network/libraries.hpp"

namespace petavox::network {

const Library* libtorch() { return nullptr; }
bool cuda_available() { return false; }

}  // namespace petavox::network
