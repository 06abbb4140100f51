#include "petavox/comm/communicator.hpp"

namespace petavox {

int agree_verdict(Communicator& comm, int code) { return static_cast<int>(comm.maximum(code)); }

}  // namespace petavox
