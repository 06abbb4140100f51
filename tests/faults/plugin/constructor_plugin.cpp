// A plugin that does something when it is loaded, as PETAVOX_CONSTRUCTOR says: for the fault campaign only.

#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

#include <csignal>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace {

class Constructed final : public petavox::MapStage<Constructed> {
 public:
  static constexpr std::string_view name = "constructed";
  static constexpr std::string_view summary = "copies its input";
  explicit Constructed(petavox::Params&) {}
  petavox::Halo halo() const { return petavox::Halo::none(); }
  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    out.box().for_each([&](petavox::Coord p) { out[p] = in[p]; });
  }
};

__attribute__((constructor)) void when_loaded() {
  const char* const what = std::getenv("PETAVOX_CONSTRUCTOR");
  if (what == nullptr) return;
  const std::string_view word{what};
  if (word == "abort") std::abort();
  if (word == "segv") std::raise(SIGSEGV);
  if (word == "exit0") std::_Exit(0);
  if (word != "mark") return;
  if (const char* const path = std::getenv("PETAVOX_MARKER"))
    if (const int fd = ::open(path, O_CREAT | O_WRONLY, 0600); fd >= 0) ::close(fd);
}

}  // namespace

#ifdef PETAVOX_OLD_PLUGIN
extern "C" __attribute__((visibility("default"))) int petavox_plugin_abi() { return 1; }
extern "C" __attribute__((visibility("default"))) void petavox_plugin_register(
    petavox::StageRegistry& registry) {
  registry.add<Constructed>();
}
#else
PETAVOX_STAGE_PLUGIN(Constructed)
#endif
