#pragma once
// The digest by which people name files, as `sha256sum` prints it. petavox's own checksums are quick ones.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace petavox {

/// Not synchronised.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  /// The digest of everything so far, in lower-case hex. Nothing may be added afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace petavox
