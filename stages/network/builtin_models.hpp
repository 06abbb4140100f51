#pragma once
// The models that come with petavox, part of the program (stages/network/models).

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace petavox::network {

/// Names in the order of documentation; the first is the default.
std::vector<std::string> builtin_models();
/// The container of a built-in model.
std::span<const std::byte> builtin_model(const std::string& name);

}  // namespace petavox::network
