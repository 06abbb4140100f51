// A stage that misbehaves on the block that holds one voxel: for the fault campaign only.

#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

/// Copies its input; on the block that holds the voxel `at`, does what `fault` says.
class Fault final : public petavox::MapStage<Fault> {
 public:
  static constexpr std::string_view name = "fault";
  static constexpr std::string_view summary = "copies its input and misbehaves on one block";

  explicit Fault(petavox::Params& params)
      : fault_{params.choice("fault", "none",
                             {"none", "throw", "segv", "abort", "exit0", "loop", "bad_alloc", "wrong_shape"},
                             "what happens on the block")},
        at_{params.extent("at", {0, 0, 0}, {0}, "a voxel of the block")},
        sleep_ms_{params.integer("sleep_ms", 0, {0, 10000}, "how long every block takes, in milliseconds")} {}

  petavox::Halo halo() const { return petavox::Halo::none(); }

  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    if (sleep_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds{sleep_ms_});
    out.box().for_each([&](petavox::Coord p) { out[p] = in[p]; });
    if (out.box().contains(petavox::Coord{at_.z, at_.y, at_.x})) misbehave();
  }

 private:
  void misbehave() const {
    if (fault_ == "throw") throw std::runtime_error{"the stage does not like this block"};
    if (fault_ == "segv") std::raise(SIGSEGV);
    if (fault_ == "abort") std::abort();
    if (fault_ == "exit0") std::_Exit(0);
    if (fault_ == "bad_alloc") throw std::bad_alloc{};
    if (fault_ == "wrong_shape") throw petavox::Error{petavox::ErrorCode::contract, "wrote another shape"};
    while (fault_ == "loop") std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  std::string fault_;
  petavox::Extent at_;
  std::int64_t sleep_ms_;
};

}  // namespace

PETAVOX_STAGE_PLUGIN(Fault)
