// petavox was built without oneDNN (PETAVOX_WITH_ONEDNN=OFF).

#include "stages/network/libraries.hpp"

namespace petavox::network {

const Library* onednn() { return nullptr; }
bool limit_isa(const std::string&) { return true; }

}  // namespace petavox::network
