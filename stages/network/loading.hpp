#pragma once
// What stages that run networks ask of a configuration, and the prepared networks that they keep.

#include "petavox/base/function_ref.hpp"
#include "petavox/stage/params.hpp"

#include "stages/network/backend.hpp"

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace petavox::network {

/// Asks for threads, isa, device and backend: what computes the model, and what results depend on. What keeps
/// it from being computed becomes a problem of `key`, the model's.
BackendSettings ask_backend(Params& params, const Model& model, const std::string& key);

/// The model in the file `path`, or the built-in one called `builtin` if the path is empty; asks for its
/// digest. Without layers if that failed, which is then a problem of `key`.
Model ask_model(Params& params, const std::string& key, const std::string& path, const std::string& builtin);

/// Scratch bytes per voxel read that stand for `bytes` of a window with this core and margin, whatever part
/// of it lies inside the domain.
double per_voxel_read(double bytes, Extent core, Extent margin, const Box& domain);

/// Prepared networks that no block is using. Thread-safe.
class Executables {
 public:
  class Lease {
   public:
    Lease(const Executables& owner, std::unique_ptr<Executable> executable)
        : owner_{&owner}, executable_{std::move(executable)} {}
    ~Lease() { owner_->give_back(std::move(executable_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Executable* operator->() const { return executable_.get(); }
    Executable& operator*() const { return *executable_; }

   private:
    const Executables* owner_;
    std::unique_ptr<Executable> executable_;
  };

  /// One that is idle, else a new one.
  Lease lease(FunctionRef<std::unique_ptr<Executable>()> make) const;

 private:
  void give_back(std::unique_ptr<Executable> executable) const;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Executable>> idle_;
};

}  // namespace petavox::network
