#include "petavox/testing/memory_run.hpp"

#include "petavox/testing/memory_block.hpp"

#include <algorithm>
#include <sstream>

namespace petavox::testing {
namespace {

[[noreturn]] void broken(const std::string& text) { throw Error{ErrorCode::contract, text}; }

/// Final values of the names that a node's children passed up; a missing name is its own value.
using DownTable = std::vector<NameAssignment>;

Name value_in(const DownTable& table, Name name) {
  const auto found = std::ranges::lower_bound(table, name, {}, &NameAssignment::name);
  return found != table.end() && found->name == name ? found->to : name;
}

DownTable down(const std::vector<NameAssignment>& assignments, const DownTable& parent) {
  DownTable table;
  for (const NameAssignment& a : assignments) {
    const Name value = a.settled != 0 ? a.to : value_in(parent, a.to);
    if (value != a.name) table.push_back({a.name, value, 1});
  }
  return table;
}

class Runner {
 public:
  Runner(const MemoryValues& inputs, const MemoryRunOptions& options) : inputs_{inputs}, options_{options} {}

  void map(const Stage& stage) {
    connect(stage.contract(Setup{}));
    const Contract contract = stage.contract(setup_);
    const Box domain = output_domain(contract);
    const Partition partition = partition_of(domain, contract);
    const BlockContext context{setup_.domain, setup_.voxel_size_nm, options_.seed};

    std::vector<MemoryOutputs> outputs;
    for (const Box& core : partition.cores) outputs.emplace_back(contract, core, domain, setup_);
    for (const std::size_t block : shuffled(partition.cores.size())) {
      const Box& core = partition.cores[block];
      if (skipped(core, domain)) continue;
      stage.run(inputs_of(contract, core), outputs[block], context);
      outputs[block].check();
    }
    for (const OutPort& out : contract.writes) gather(out, partition, domain, outputs);
  }

  void reduce(TreeReduction& reduction) {
    connect(reduction.contract(Setup{}));
    const Contract contract = reduction.contract(setup_);
    const Partition partition = partition_of_labels(contract);
    if (auto* tunable = dynamic_cast<TunableReduction*>(&reduction)) tunable->tune(options_.tuning);

    std::vector<NodeResult> results(partition.nodes.size());
    std::vector<bool> done(partition.nodes.size(), false);
    std::vector<std::size_t> todo = shuffled(partition.nodes.size());
    while (!todo.empty()) {
      std::vector<std::size_t> later;
      for (const std::size_t n : todo)
        if (std::ranges::all_of(partition.nodes[n].children, [&](std::size_t c) { return done[c]; })) {
          results[n] = up(reduction, contract, partition, n, results);
          done[n] = true;
        } else {
          later.push_back(n);
        }
      todo = later;
    }
    std::vector<DownTable> tables(partition.nodes.size());
    for (std::size_t n = partition.nodes.size(); n-- > 0;) {
      const bool root = n + 1 == partition.nodes.size();
      tables[n] = down(results[n].assignments, root ? DownTable{} : tables[partition.nodes[n].parent]);
    }
    for (const OutPort& out : contract.writes) {
      if (out.kind == PortKind::labels) resolve(out, contract, partition, tables);
      if (out.kind == PortKind::summary)
        written_.insert_or_assign(out.name, MemoryValue::summary(results.back().summary));
    }
  }

  MemoryValues exported(const std::vector<std::string>& names, const Contract& last) const {
    MemoryValues result;
    const auto add = [&](const std::string& name) {
      const auto found = written_.find(name);
      if (found == written_.end())
        broken("'" + name +
               "' is exported but no step writes it (later stages could not read it); correct the program");
      result.insert(*found);
    };
    if (names.empty())
      for (const OutPort& out : last.writes) add(out.name);
    else
      for (const std::string& name : names) add(name);
    return result;
  }
  const Setup& setup() const { return setup_; }

 private:
  const MemoryValue* find(const InPort& in) const {
    for (const auto& [values, name] :
         {std::pair{&written_, in.name}, std::pair{&inputs_, in.volume.empty() ? in.name : in.volume},
          std::pair{&inputs_, in.name}})
      if (const auto found = values->find(name); found != values->end()) return &found->second;
    return nullptr;
  }

  /// Connects the ports and describes the first image or labels read.
  void connect(const Contract& contract) {
    connected_.clear();
    bool described = false;
    for (const InPort& in : contract.reads) {
      const MemoryValue* value = find(in);
      if (value == nullptr && in.optional) continue;
      if (value == nullptr)
        throw Error{ErrorCode::config,
                    "port '" + in.name + "' is connected to nothing (the step cannot run); add an input"};
      connected_.emplace(in.name, *value);
      if (described || (in.kind != PortKind::image && in.kind != PortKind::labels)) continue;
      described = true;
      setup_ = {value->domain(), options_.voxel_size_nm, value->voxels().dtype(), value->voxels().channels()};
    }
    // A step that reads only tables works on the domain they were written for.
    for (auto in = contract.reads.begin(); !described && in != contract.reads.end(); ++in)
      if (in->kind == PortKind::table && connected_.contains(in->name)) {
        described = true;
        setup_.domain = connected_.at(in->name).domain();
      }
  }

  Box output_domain(const Contract& contract) const {
    if (contract.domain) return *contract.domain;
    return contract.writes.empty() ? setup_.domain : coarsened(setup_.domain, contract.writes.front().factor);
  }

  Partition partition_of(const Box& domain, const Contract& contract) const {
    if (contract.subvolume != Extent{0, 0, 0}) return Partition::regular(domain, contract.subvolume);
    if (options_.guillotine_seed)
      return Partition::guillotine(domain, options_.guillotine_blocks, *options_.guillotine_seed);
    return Partition::regular(domain, options_.block_shape);
  }

  /// A reduction that reads labels works on the blocks in which these were written.
  Partition partition_of_labels(const Contract& contract) const {
    for (const InPort& in : contract.reads)
      if (in.kind == PortKind::labels && connected_.contains(in.name)) {
        const Partition& blocks = connected_.at(in.name).label_blocks().partition;
        if (!blocks.cores.empty()) return blocks;
        break;
      }
    return partition_of(setup_.domain, contract);
  }

  std::vector<std::size_t> shuffled(std::size_t count) const {
    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    if (options_.order_seed != 0) Random{options_.order_seed}.shuffle(order);
    return order;
  }

  bool skipped(const Box& core, const Box& domain) const {
    if (!options_.mask || options_.mask->box() != domain) return false;
    const auto mask = options_.mask->view<std::uint8_t>();
    bool outside = true;
    core.for_each([&](Coord p) { outside = outside && mask[p] == 0; });
    return outside;
  }

  MemoryInputs inputs_of(const Contract& contract, const Box& core) const {
    MemoryInputs inputs{contract, core};
    for (const auto& [port, value] : connected_) inputs.connect(port, value);
    inputs.set_mask(options_.mask);
    return inputs;
  }

  void hide(const Box& domain, Array& voxels) const {
    if (options_.mask && options_.mask->box() == domain) apply_mask(*options_.mask, voxels);
  }

  void gather(const OutPort& out, const Partition& partition, const Box& domain,
              std::vector<MemoryOutputs>& outputs) {
    if (out.kind == PortKind::table) {
      TableBlocks blocks{partition, {}};
      for (MemoryOutputs& o : outputs) blocks.tables.push_back(std::move(o.table(out.name)));
      written_.insert_or_assign(out.name, MemoryValue::table(std::move(blocks)));
    } else if (out.kind == PortKind::labels) {
      LabelBlocks blocks{partition, out.window, {}, {}, Array{DType::u64, domain}};
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        LabelArray voxels = std::move(outputs[i].labels(out.name));
        hide(domain, voxels.ids);
        blocks.tables.push_back(table_of(voxels, partition.cores[i]));
        copy_box(expanded(voxels), blocks.names, partition.cores[i]);
        blocks.voxels.push_back(std::move(voxels));
      }
      written_.insert_or_assign(out.name, MemoryValue::labels(std::move(blocks)));
    } else {
      Array& first = outputs.front().image(out.name);
      Array whole{first.dtype(), domain, domain, first.channels()};
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        Array& part = outputs[i].image(out.name);
        if (out.masked) hide(domain, part);
        copy_box(part, whole, partition.cores[i]);
      }
      written_.insert_or_assign(out.name, MemoryValue::image(std::move(whole)));
    }
  }

  NodeResult up(const TreeReduction& reduction, const Contract& contract, const Partition& partition,
                std::size_t n, const std::vector<NodeResult>& results) const {
    const Partition::Node& node = partition.nodes[n];
    NodeContext context;
    context.box = node.box;
    context.domain = partition.domain;
    context.voxel_size_nm = setup_.voxel_size_nm;
    context.memory_bytes = options_.reduction_memory_bytes;
    context.scratch_dir = options_.scratch_dir;
    NodeResult result;
    if (node.is_leaf()) {
      // A block outside the mask has no evidence: its state is empty, unless it is the whole volume.
      if (skipped(node.box, partition.domain) && !context.root()) return result;
      result = reduction.leaf(inputs_of(contract, node.box), context);
    } else {
      std::vector<ChildState> children;
      for (const std::size_t c : node.children)
        children.push_back({partition.nodes[c].box, std::span<const std::byte>{results[c].state}});
      result = reduction.node(children, context);
    }
    check(result, context);
    return result;
  }

  static void check(const NodeResult& result, const NodeContext& context) {
    const std::string where = " of node " + to_string(context.box);
    const auto& a = result.assignments;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (i > 0 && a[i - 1].name >= a[i].name)
        broken("the assignments" + where +
               " are not sorted by name, each name once (tables are merged); sort them");
      if (a[i].settled != 0 && a[i].name == a[i].to)
        broken("the assignments" + where +
               " list a name that settles to itself (tables hold changes); omit it");
      if (a[i].settled == 0 && context.root())
        broken("name " + std::to_string(a[i].name) +
               " is not settled at the root (it would have no value); settle it");
    }
    if (context.root() && !result.state.empty())
      broken("the root left a state (nothing would read it); finish it");
  }

  void resolve(const OutPort& out, const Contract& contract, const Partition& partition,
               const std::vector<DownTable>& tables) {
    const auto source = std::ranges::find(contract.reads, PortKind::labels, &InPort::kind);
    if (source == contract.reads.end())
      broken("a reduction writes labels but reads none (there is nothing to rename); declare a labels port");
    const LabelBlocks& old = connected_.at(source->name).label_blocks();
    LabelBlocks blocks{partition, Halo::none(), {}, {}, Array{DType::u64, partition.domain}};
    blocks.voxels.resize(partition.cores.size());
    blocks.tables.resize(partition.cores.size());
    for (std::size_t n = 0; n < partition.nodes.size(); ++n) {
      const Partition::Node& node = partition.nodes[n];
      if (!node.is_leaf()) continue;
      const Box& core = node.box;
      const auto known = std::ranges::find(old.partition.cores, core);
      LabelArray voxels;
      LabelTable table;
      if (known != old.partition.cores.end()) {
        const auto i = static_cast<std::size_t>(known - old.partition.cores.begin());
        voxels = {cut_out(old.voxels[i].ids, core), {}};
        table = old.tables[i];
      } else {
        voxels = compacted(cut_out(old.names, core));
        table = table_of(voxels, core);
      }
      // The table of a leaf holds the values of the names in its label table.
      for (Name& name : table.names) name = name == 0 ? 0 : value_in(tables[n], name);
      voxels.names = table.names;
      Array names = expanded(voxels);
      hide(partition.domain, names);
      copy_box(names, blocks.names, core);
      blocks.tables[node.block] = std::move(table);
      blocks.voxels[node.block] = std::move(voxels);
    }
    written_.insert_or_assign(out.name, MemoryValue::labels(std::move(blocks)));
  }

  const MemoryValues& inputs_;
  const MemoryRunOptions& options_;
  MemoryValues written_, connected_;
  Setup setup_;
};

/// "[1, 2]", "[[1, 2], [3, 4]]" or a scalar.
Value parsed(const std::string& text) {
  if (text.empty() || text.front() != '[') return Value::text(text);
  Value list;
  list.kind = Value::Kind::list;
  std::string item;
  int depth = 0;
  for (const char c : text.substr(1, text.size() - 2)) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0)
      list.items.push_back(parsed(std::exchange(item, "")));
    else if (c != ' ')
      item += c;
  }
  if (!item.empty()) list.items.push_back(parsed(item));
  return list;
}

}  // namespace

MemoryValues run_in_memory(const StageProgram& program, const MemoryValues& inputs,
                           const MemoryRunOptions& options) {
  Runner runner{inputs, options};
  Contract last;
  for (const StageProgram::Step& step : program.steps) {
    if (const auto* stage = std::get_if<std::unique_ptr<Stage>>(&step)) {
      runner.map(**stage);
      last = (*stage)->contract(runner.setup());
    } else {
      TreeReduction& reduction = *std::get<std::unique_ptr<TreeReduction>>(step);
      runner.reduce(reduction);
      last = reduction.contract(runner.setup());
    }
  }
  return runner.exported(program.exports, last);
}

StageProgram make_program(const StageType& type, const ParamTexts& params) {
  std::vector<std::pair<std::string, Value>> entries;
  for (const auto& [key, text] : params) entries.emplace_back(key, parsed(text));
  const Value node = Value::mapping(std::move(entries));
  Problems problems;
  Params asked{node, "stages." + type.name, problems};
  StageProgram program = type.make(asked);
  asked.reject_unknown();
  problems.throw_if_any();
  return program;
}

}  // namespace petavox::testing
