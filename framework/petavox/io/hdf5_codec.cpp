#include "petavox/io/hdf5_codec.hpp"

#include "petavox/base/error.hpp"

namespace petavox {
namespace {

[[noreturn]] void unknown(const char* what, std::string_view word, const char* known) {
  throw Error{ErrorCode::config, std::string{what} + " \"" + std::string{word} +
                                     "\" is unknown (no chunk could be written); choose one of " + known};
}

}  // namespace

Hdf5Codec parse_hdf5_codec(std::string_view codec, int level, std::string_view shuffle) {
  Hdf5Codec result;
  result.gzip = codec == "gzip";
  const auto known_codec = parse_codec(result.gzip ? "zlib" : codec);
  if (!known_codec) unknown("codec", codec, "none, gzip, blosclz, lz4, lz4hc, zlib, zstd");
  const auto known_shuffle = parse_shuffle(shuffle);
  if (!known_shuffle) unknown("shuffle", shuffle, "none, byte, bit");
  if (level < 0 || level > 9)
    throw Error{ErrorCode::config, "codec level " + std::to_string(level) +
                                       " is out of range (no compressor has it); choose 0 to 9"};
  if (result.gzip && *known_shuffle == Shuffle::bit)
    throw Error{
        ErrorCode::config,
        "shuffle \"bit\" does not go with codec \"gzip\" (HDF5 has no such filter); choose \"byte\" or "
        "\"none\", or another codec"};
  result.options = {*known_codec, level, *known_shuffle};
  return result;
}

std::string to_string(const Hdf5Codec& codec) {
  std::string text = codec.gzip ? "gzip" : name_of(codec.options.codec);
  if (codec.options.codec == Codec::none) return text;
  text += " level " + std::to_string(codec.options.level);
  if (codec.options.shuffle != Shuffle::none)
    text += std::string{" "} + name_of(codec.options.shuffle) + " shuffle";
  return text;
}

}  // namespace petavox
