#include "stages/normalize/normalize.hpp"

namespace petavox {

Normalize::Normalize(Params& params) {
  auto& s = settings_;
  s.cell = params.extent("cell", s.cell, {1, 4096},
                         "voxels of a lattice cell whose statistics are used; z = 1: each section by itself");
  s.mean = params.number("mean", s.mean, {0, 255}, "mean of the output");
  s.contrast = params.number("contrast", s.contrast, {1, 128}, "standard deviation of the output");
  s.min_contrast = params.number("min_contrast", s.min_contrast, {1e-3, 65535},
                                 "a cell's standard deviation counts as at least this");
  s.skip_zeros = params.flag("skip_zeros", s.skip_zeros,
                             "zeros are no data: left out of the statistics, kept as they are");
}

Contract Normalize::contract(const Setup& setup) const {
  Contract c;
  InPort in;
  in.name = "image";
  in.volume = "input";
  in.accepts = {DType::u8, DType::i8, DType::u16, DType::i16};
  in.reads.halo = normalize::halo_of(settings_, setup.domain);
  c.reads.push_back(in);
  OutPort out;
  out.name = "image";
  out.dtype = DType::u8;
  c.writes.push_back(out);
  // Twelve bytes for each lattice cell.
  c.scratch_bytes_per_voxel = 12.0 / static_cast<double>(settings_.cell.voxels());
  return c;
}

void Normalize::run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext&) const {
  normalize::normalised(inputs.image("image"), outputs.image("image").view<std::uint8_t>(), settings_);
}

}  // namespace petavox
