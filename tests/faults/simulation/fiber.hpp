#pragma once
// A thread of control of its own that runs only when it is told to: ranks of a simulation take turns, in one
// thread, in an order that depends on nothing but the seed.

#include <csetjmp>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>

namespace petavox::simulation {

class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  /// Expects that the body has ended: what it holds would be lost.
  ~Fiber();

  /// Goes on with the body until it suspends or ends. Rethrows what the body threw.
  void resume();
  /// Called by the body: back to where resume() was called.
  void suspend();
  bool ended() const { return ended_; }

 private:
  static void enter();
  void begin();
  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  std::jmp_buf here_, caller_;
  std::exception_ptr error_;
  bool begun_ = false, ended_ = false;
};

}  // namespace petavox::simulation
