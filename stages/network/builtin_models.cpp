#include "stages/network/builtin_models.hpp"

#include "petavox/base/check.hpp"

// The assembler puts the files into the program as they are.
#define PETAVOX_EMBED(name)                                                                    \
  __asm__(                                                                                     \
      ".section .rodata\n.balign 64\n"                                                         \
      ".globl petavox_model_" #name "\npetavox_model_" #name                                   \
      ":\n"                                                                                    \
      ".incbin \"" PETAVOX_MODEL_DIR "/" #name                                                 \
      ".pvm\"\n"                                                                               \
      ".globl petavox_model_" #name "_end\npetavox_model_" #name "_end:\n.byte 0\n.previous"); \
  extern "C" const std::byte petavox_model_##name[], petavox_model_##name##_end[]

PETAVOX_EMBED(fibsem);
PETAVOX_EMBED(serial);

namespace petavox::network {

std::vector<std::string> builtin_models() { return {"fibsem", "serial"}; }

std::span<const std::byte> builtin_model(const std::string& name) {
  if (name == "fibsem") return {petavox_model_fibsem, petavox_model_fibsem_end};
  PETAVOX_ASSERT(name == "serial");
  return {petavox_model_serial, petavox_model_serial_end};
}

}  // namespace petavox::network
