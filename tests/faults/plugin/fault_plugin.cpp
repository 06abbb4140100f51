// A stage that misbehaves on the block that holds one voxel: for the fault campaign only.

#include "petavox/stage/map_stage.hpp"
#include "petavox/stage/plugin.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

/// Copies its input; on the block that holds the voxel `at`, does what `fault` says.
class Fault final : public petavox::MapStage<Fault> {
 public:
  static constexpr std::string_view name = "fault";
  static constexpr std::string_view summary = "copies its input and misbehaves on one block";

  explicit Fault(petavox::Params& params)
      : fault_{params.choice("fault", "none",
                             {"none", "throw", "segv", "abort", "exit0", "loop", "bad_alloc", "wrong_shape",
                              "huge_alloc", "out_of_range", "writes_outside", "fork_bomb", "wrong", "flood"},
                             "what happens on the block")},
        outside_{params.text("outside", "/nowhere", "what writes_outside tries to make, change and remove")},
        at_{params.extent("at", {0, 0, 0}, {0}, "a voxel of the block")},
        sleep_ms_{params.integer("sleep_ms", 0, {0, 10000}, "how long every block takes, in milliseconds")} {}

  petavox::Halo halo() const { return petavox::Halo::none(); }

  template <petavox::Voxel T>
  void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const {
    if (sleep_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds{sleep_ms_});
    out.box().for_each([&](petavox::Coord p) { out[p] = in[p]; });
    const petavox::Coord at{at_.z, at_.y, at_.x};
    if (!out.box().contains(at)) return;
    // As a machine that computes wrongly would: another result on every rank.
    if (fault_ == "wrong") out[at] = static_cast<T>(out[at] + static_cast<T>(rank()));
    // A gigabyte before the block: no mistake of a few voxels.
    if (fault_ == "out_of_range") std::memset(&out[at] - (std::ptrdiff_t{1} << 30), 1, 4096);
    misbehave();
  }

 private:
  static int rank() {
    const char* const text = std::getenv("OMPI_COMM_WORLD_RANK");
    return text != nullptr ? std::atoi(text) : 0;
  }
  void misbehave() const {
    if (fault_ == "throw") throw std::runtime_error{"the stage does not like this block"};
    if (fault_ == "segv") std::raise(SIGSEGV);
    if (fault_ == "abort") std::abort();
    if (fault_ == "exit0") std::_Exit(0);
    if (fault_ == "bad_alloc") throw std::bad_alloc{};
    if (fault_ == "huge_alloc") {
      std::vector<char> all(std::size_t{100} << 30);
      std::memset(all.data(), 1, all.size());
    }
    if (fault_ == "writes_outside") write_outside();
    if (fault_ == "fork_bomb") fork_bomb();
    if (fault_ == "flood") {
      for (int line = 0; line < 2'000'000; ++line) std::puts("a stage that talks too much");
      throw std::runtime_error{"said all of it"};
    }
    if (fault_ == "wrong_shape") throw petavox::Error{petavox::ErrorCode::contract, "wrote another shape"};
    while (fault_ == "loop") std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  /// Everything that leaves a trace in the file system; throws if nothing could be done, as it should be.
  void write_outside() const {
    const std::string file = outside_ + "/victim", fresh = outside_ + "/fresh";
    int done = 0;
    const int fd = ::open(fresh.c_str(), O_CREAT | O_WRONLY, 0600);
    done += fd >= 0 ? 1 : 0;
    if (std::FILE* stream = std::fopen(file.c_str(), "r+")) {
      std::fputs("overwritten", stream);
      done += std::fclose(stream) == 0 ? 1 : 0;
    }
    done += ::truncate(file.c_str(), 0) == 0 ? 1 : 0;
    done += ::rename(file.c_str(), fresh.c_str()) == 0 ? 1 : 0;
    done += ::unlink(file.c_str()) == 0 ? 1 : 0;
    done += ::mkdir((fresh + ".d").c_str(), 0700) == 0 ? 1 : 0;
    done += ::symlink("/", (fresh + ".s").c_str()) == 0 ? 1 : 0;
    done += ::link(file.c_str(), (fresh + ".l").c_str()) == 0 ? 1 : 0;
    done += ::mknod((fresh + ".p").c_str(), S_IFIFO | 0600, 0) == 0 ? 1 : 0;
    done += ::chmod(file.c_str(), 0777) == 0 ? 1 : 0;
    done += std::system(("touch " + fresh).c_str()) == 0 ? 1 : 0;
    done += std::fopen("here", "w") != nullptr ? 1 : 0;
    done += ::kill(::getppid(), SIGKILL) == 0 ? 1 : 0;
    throw std::runtime_error{"wrote outside " + std::to_string(done) + " times"};
  }
  /// Bounded, so that a machine without isolation survives the test.
  static void fork_bomb() {
    int made = 0;
    for (int i = 0; i < 64; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::pause();
        ::_exit(0);
      }
      made += child > 0 ? 1 : 0;
    }
    throw std::runtime_error{"forked " + std::to_string(made) + " times"};
  }
  std::string fault_, outside_;
  petavox::Extent at_;
  std::int64_t sleep_ms_;
};

/// Its input as numbers; on the block that holds `at` not as it should be.
class FaultNumbers final : public petavox::Stage {
 public:
  static constexpr std::string_view name = "fault_numbers";
  static constexpr std::string_view summary = "copies its input as float32 and misbehaves on one block";

  explicit FaultNumbers(petavox::Params& params)
      : fault_{params.choice("fault", "none", {"none", "nan", "replaced"}, "what happens on the block")},
        at_{params.extent("at", {0, 0, 0}, {0}, "a voxel of the block")} {}

  petavox::Contract contract(const petavox::Setup&) const override {
    petavox::Contract contract;
    petavox::InPort in;
    in.name = "image";
    in.accepts = {petavox::DType::u8};
    in.volume = "input";
    contract.reads.push_back(in);
    petavox::OutPort out;
    out.name = "image";
    out.dtype = petavox::DType::f32;
    contract.writes.push_back(out);
    return contract;
  }

  void run(const petavox::BlockInputs& inputs, petavox::BlockOutputs& outputs,
           const petavox::BlockContext&) const override {
    const petavox::Array in = inputs.image("image");
    petavox::Array& out = outputs.image("image");
    const auto from = in.view<std::uint8_t>();
    const auto to = out.view<float>();
    out.box().for_each([&](petavox::Coord p) { to[p] = static_cast<float>(from[p]); });
    const petavox::Coord at{at_.z, at_.y, at_.x};
    if (!out.box().contains(at)) return;
    if (fault_ == "nan") to[at] = std::numeric_limits<float>::quiet_NaN();
    if (fault_ == "replaced") out = petavox::Array{petavox::DType::f32, petavox::Box{{0, 0, 0}, {1, 1, 1}}};
  }

 private:
  std::string fault_;
  petavox::Extent at_;
};

}  // namespace

PETAVOX_STAGE_PLUGIN(Fault, FaultNumbers)
