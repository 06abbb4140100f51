#include "simulation/fiber.hpp"

#include <utility>
#include <vector>

#include <cxxabi.h>
#include <ucontext.h>

namespace petavox::simulation {
namespace {

constexpr std::size_t stack_bytes = std::size_t{512} << 10;
Fiber* entering = nullptr;

/// Stacks of fibers that have ended: new ones would have to be mapped page by page.
std::vector<std::unique_ptr<std::byte[]>> spare_stacks;

std::unique_ptr<std::byte[]> take_stack() {
  if (spare_stacks.empty()) return std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
  auto stack = std::move(spare_stacks.back());
  spare_stacks.pop_back();
  return stack;
}

/// What the C++ runtime knows of exceptions that are being handled: each fiber has its own.
struct Handled {
  void* caught;
  unsigned int uncaught;
};
Handled& handled() { return *reinterpret_cast<Handled*>(abi::__cxa_get_globals()); }

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_{std::move(body)}, stack_{take_stack()} {}

Fiber::~Fiber() { spare_stacks.push_back(std::move(stack_)); }

void Fiber::enter() {
  Fiber& self = *std::exchange(entering, nullptr);
  try {
    self.body_();
  } catch (...) {
    self.error_ = std::current_exception();
  }
  self.ended_ = true;
  _longjmp(self.caller_, 1);
}

// The first jump needs a stack, which only a context can have.
void Fiber::begin() {
  begun_ = true;
  entering = this;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = stack_.get();
  context.uc_stack.ss_size = stack_bytes;
  context.uc_link = nullptr;
  makecontext(&context, &Fiber::enter, 0);
  setcontext(&context);
}

// By jumps, not by swapcontext(), which asks the kernel for the signal mask each time. Frames stay as they
// are on both sides, so that no destructor is passed over.
void Fiber::resume() {
  const Handled mine = std::exchange(handled(), Handled{});
  if (_setjmp(caller_) == 0) {
    if (begun_) _longjmp(here_, 1);
    begin();
  }
  handled() = mine;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Fiber::suspend() {
  const Handled mine = std::exchange(handled(), Handled{});
  if (_setjmp(here_) == 0) _longjmp(caller_, 1);
  handled() = mine;
}

}  // namespace petavox::simulation
