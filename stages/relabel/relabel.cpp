#include "stages/relabel/relabel.hpp"

namespace petavox {
namespace {

Contract renaming_contract() {
  Contract c;
  InPort labels;
  labels.name = "labels";
  labels.kind = PortKind::labels;
  labels.volume = "segments";
  c.reads.push_back(labels);
  OutPort out;
  out.name = "labels";
  out.kind = PortKind::labels;
  c.writes.push_back(out);
  return c;
}

/// Leaves every name as it is.
class KeepNames final : public TreeReduction {
 public:
  Contract contract(const Setup&) const override { return renaming_contract(); }
  NodeResult leaf(const BlockInputs&, const NodeContext&) const override { return {}; }
  NodeResult node(const std::vector<ChildState>&, const NodeContext&) const override { return {}; }
};

}  // namespace

Contract DenseNumbers::contract(const Setup&) const { return renaming_contract(); }

DenseNumbers::State DenseNumbers::absorb(const BlockInputs& inputs, const ReductionContext& context,
                                         NameChanges&) const {
  State state{context.array<Name>()};
  const LabelTable table = inputs.label_table("labels");
  // A name without a voxel in the core (all masked, or only in a window) must not take a number.
  for (std::size_t i = 0; i < table.names.size(); ++i)
    if (table.names[i] != 0 && table.sizes[i] > 0) state.names.push_back(table.names[i]);
  std::sort(state.names.begin(), state.names.end());
  const Name* last = std::unique(state.names.begin(), state.names.end());
  state.names.resize(static_cast<std::size_t>(last - state.names.begin()));
  return state;
}

DenseNumbers::State DenseNumbers::merge(State a, State b, const Join&, const ReductionContext& context,
                                        NameChanges&) const {
  State merged{context.array<Name>()};
  merged.names.reserve(a.names.size() + b.names.size());
  const Name *i = a.names.begin(), *j = b.names.begin();
  while (i != a.names.end() && j != b.names.end()) {
    const Name least = std::min(*i, *j);
    merged.names.push_back(least);
    i += *i == least;
    j += *j == least;
  }
  merged.names.append({i, a.names.end()});
  merged.names.append({j, b.names.end()});
  return merged;
}

void DenseNumbers::settle(State& state, const ReductionContext& context, NameChanges& changes) const {
  if (!context.root()) return;
  for (std::size_t i = 0; i < state.names.size(); ++i) changes.settle(state.names[i], i + 1);
  state.names.clear();
}

Bytes DenseNumbers::finish(State, const ReductionContext&) const { return {}; }

void DenseNumbers::pack(const State& state, ByteWriter& writer) const { writer.put_span(state.names.span()); }

DenseNumbers::State DenseNumbers::unpack(ByteReader& reader, const ReductionContext& context) const {
  State state{unpacked<Name>(reader, context)};
  if (std::ranges::adjacent_find(state.names, std::greater_equal<>{}) != state.names.end())
    throw Error{ErrorCode::io, "the names of box " + to_string(context.box) +
                                   " are not in order (the state is damaged); the object is refused"};
  return state;
}

StageType relabel_stage() {
  return {"relabel", "names of objects: first voxel + 1, or dense 1..N in that order", "built-in",
          [](Params& params) {
            StageProgram program;
            if (params.flag("dense", false, "number the objects 1..N in the order of their names"))
              program.steps.emplace_back(std::make_unique<TreeReductionOf<DenseNumbers>>());
            else
              program.steps.emplace_back(std::make_unique<KeepNames>());
            return program;
          }};
}

}  // namespace petavox
