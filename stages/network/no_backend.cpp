// petavox was built without a library for networks (PETAVOX_WITH_ONEDNN=OFF).

#include "stages/network/backend.hpp"

namespace petavox::network {

std::unique_ptr<Executable> compile(const Model&, int, Extent, const BackendSettings&) {
  throw Error{
      ErrorCode::config,
      "this petavox was built without oneDNN (networks cannot be computed); install libdnnl-dev and build "
      "with -DPETAVOX_WITH_ONEDNN=ON"};
}
double executable_bytes(const Model&, int, Extent, const BackendSettings&) { return 0; }
std::string backend_identity() { return "none"; }
bool limit_isa(const std::string&) { return true; }

}  // namespace petavox::network
