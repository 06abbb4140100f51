#include "simulation/fiber.hpp"

#include <utility>

#include <cxxabi.h>

namespace petavox::simulation {
namespace {

constexpr std::size_t stack_bytes = std::size_t{512} << 10;
Fiber* entering = nullptr;

/// What the C++ runtime knows of exceptions that are being handled: each fiber has its own.
struct Handled {
  void* caught;
  unsigned int uncaught;
};

}  // namespace

Fiber::Fiber(std::function<void()> body)
    : body_{std::move(body)}, stack_{std::make_unique_for_overwrite<std::byte[]>(stack_bytes)} {
  getcontext(&here_);
  here_.uc_stack.ss_sp = stack_.get();
  here_.uc_stack.ss_size = stack_bytes;
  here_.uc_link = &caller_;
  makecontext(&here_, &Fiber::enter, 0);
}

void Fiber::enter() {
  Fiber& self = *std::exchange(entering, nullptr);
  try {
    self.body_();
  } catch (...) {
    self.error_ = std::current_exception();
  }
  self.ended_ = true;
}

void Fiber::change(ucontext_t& from, const ucontext_t& to) {
  auto& now = *reinterpret_cast<Handled*>(abi::__cxa_get_globals());
  const Handled mine = std::exchange(now, Handled{});
  swapcontext(&from, &to);
  now = mine;
}

void Fiber::resume() {
  entering = this;
  change(caller_, here_);
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Fiber::suspend() { change(here_, caller_); }

}  // namespace petavox::simulation
