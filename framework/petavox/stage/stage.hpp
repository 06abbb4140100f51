#pragma once
// The interface that stage authors implement: block in, block out, no state between blocks.

#include "petavox/stage/block.hpp"

namespace petavox {

class Stage {
 public:
  virtual ~Stage() = default;
  /// Fixed for given parameters and setup. Port names and kinds do not depend on the setup.
  virtual Contract contract(const Setup& setup) const = 0;
  /// Computes one block. Must be a function of inputs and context alone; called from several threads at once.
  /// Throws anything to fail the block: it is retried, then quarantined, and the run goes on.
  virtual void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const = 0;
};

}  // namespace petavox
