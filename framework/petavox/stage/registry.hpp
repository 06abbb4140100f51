#pragma once
// The stages that a program knows: a value, filled by main(), no static initialisers.

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace petavox {

/// A stage as the user names it: one or more steps in order. A step's ports are connected to the volumes of
/// the pipeline, and to ports that earlier steps of the same stage wrote (these shadow). What the last writer
/// of a port name writes is visible outside if the name is in `exports` (empty: all ports of the last step).
struct StageProgram {
  using Step = std::variant<std::unique_ptr<Stage>, std::unique_ptr<TreeReduction>>;
  std::vector<Step> steps;
  std::vector<std::string> exports{};
};

struct StageType {
  std::string name, summary;
  std::string origin = "built-in";  ///< or the plugin's path
  std::function<StageProgram(Params&)> make;
};

class StageRegistry {
 public:
  /// Throws Error{config} if the name is taken.
  void add(StageType type);

  /// For a class S with S::name, S::summary and a constructor S(Params&), derived from Stage or
  /// TreeReduction.
  template <class S>
  requires(std::derived_from<S, Stage> || std::derived_from<S, TreeReduction>) void add() {
    add({std::string{S::name}, std::string{S::summary}, "built-in", [](Params& params) {
           StageProgram program;
           program.steps.emplace_back(std::make_unique<S>(params));
           return program;
         }});
  }

  /// nullptr if there is none.
  const StageType* find(const std::string& name) const;
  std::vector<std::string> names() const;
  const std::map<std::string, StageType>& types() const { return types_; }

 private:
  std::map<std::string, StageType> types_;
};

}  // namespace petavox
