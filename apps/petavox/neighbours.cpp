#include "apps/petavox/neighbours.hpp"

#include "petavox/base/error.hpp"

#include <chrono>
#include <fstream>
#include <thread>

namespace petavox::app {
namespace {

[[noreturn]] void not_full(const char* what) {
  throw Error{ErrorCode::stage,
              std::string{"a neighbour of the measurement "} + what +
                  " (the machine was not as busy as it should be); look whether there is memory and disk for "
                  "all of them, or choose a smaller --at-once"};
}

}  // namespace

std::vector<std::string> own_command() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  std::vector<std::string> command;
  for (std::string argument; std::getline(file, argument, '\0');) command.push_back(argument);
  return command;
}

Neighbours::Neighbours(const std::vector<std::string>& arguments, int count,
                       const std::filesystem::path& parent) {
  std::vector<std::filesystem::path> places;
  for (int i = 0; i < count; ++i) {
    places.push_back(parent / ("neighbour" + std::to_string(i)));
    std::vector<std::string> command{"/proc/self/exe"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.push_back(places.back().string());
    processes_.push_back(std::make_unique<LaunchedProcess>(command));
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  for (const auto& place : places)
    while (!std::filesystem::exists(place)) {
      check();
      if (std::chrono::steady_clock::now() > deadline) not_full("did not begin");
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

void Neighbours::check() {
  for (const auto& process : processes_)
    if (process->poll()) not_full("has ended");
}

}  // namespace petavox::app
