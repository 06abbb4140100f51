#include "petavox/stage/contract.hpp"

namespace petavox {

const char* name_of(PortKind kind) noexcept {
  switch (kind) {
    case PortKind::image:
      return "image";
    case PortKind::labels:
      return "labels";
    case PortKind::table:
      return "table";
    case PortKind::summary:
      return "summary";
  }
  return "unknown";
}

}  // namespace petavox
