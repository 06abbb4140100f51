#include "stages/long_range/long_range.hpp"

#include "stages/long_range/kernel.hpp"
#include "stages/long_range/offsets.hpp"

namespace petavox {

LongRange::LongRange(Params& params) : offsets_{long_range::ask_offsets(params, 128)} {}

Contract LongRange::contract(const Setup&) const {
  Contract c;
  InPort affinities;
  affinities.name = "affinities";
  affinities.accepts = {DType::u8, DType::u16};
  affinities.channels = 3;
  affinities.reads.halo = long_range::halo_of(offsets_);
  c.reads.push_back(affinities);
  OutPort out;
  out.name = "long_range";
  out.channels = static_cast<int>(offsets_.size());
  c.writes.push_back(out);
  return c;
}

void LongRange::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const {
  long_range::fill(inputs.image("affinities"), offsets_, outputs.image("long_range"));
}

}  // namespace petavox
