#include "petavox/isolation/isolated_stage.hpp"

#include "petavox/isolation/remote_block.hpp"

#include <cmath>
#include <exception>

#include <fmt/format.h>

namespace petavox::isolation {
namespace {

/// A program as its helpers have it, and may have to make it again.
struct Program {
  std::shared_ptr<HelperPool> pool;
  std::filesystem::path plugin;
  std::string type, path;
  Value node;
  std::uint64_t number = 0;

  Message make(HelperPool::Borrowed& helper) const {
    ByteWriter out;
    out.put(number);
    out.put_text(type);
    out.put_text(path);
    put(out, node);
    return helper->call(Tag::make, out.bytes(), {}, pool->limits().answer_s);
  }
  /// A helper in which the program is made.
  HelperPool::Borrowed borrow() const {
    HelperPool::Borrowed helper = pool->borrow(plugin);
    if (!helper->made().contains(number)) {
      make(helper);
      helper->made().insert(number);
    }
    return helper;
  }
};

/// Runs `use` on an answer: a helper whose answers cannot be read is not asked again.
template <class Use>
auto understood(HelperPool::Borrowed& helper, Use use) {
  try {
    return use();
  } catch (const Error&) {
    helper->condemn();
    throw;
  }
}

Contract ask_contract(const Program& program, std::uint64_t step, const Setup& setup) {
  HelperPool::Borrowed helper = program.borrow();
  ByteWriter out;
  out.put(program.number);
  out.put(step);
  put(out, setup);
  const Message answer = helper->call(Tag::contract, out.bytes(), {}, program.pool->limits().answer_s);
  return understood(helper, [&] {
    ByteReader in{answer.head};
    return get_contract(in);
  });
}

/// Answers what a stage asks of its inputs. An exception goes to the stage as an Error; should the stage fail
/// of it, the caller throws the original.
class InputServer {
 public:
  explicit InputServer(const BlockInputs& inputs) : inputs_{inputs} {}

  void serve(Channel& channel, const Message& request, Deadline deadline) {
    ByteWriter out;
    parts_.clear();
    try {
      answer(request, out);
    } catch (const ChannelBroken&) {
      throw;
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
      ByteWriter failure;
      put(failure, as_error());
      channel.send(Tag::failed, failure.bytes(), {}, deadline);
      return;
    }
    channel.send(Tag::input, out.bytes(), parts_, deadline);
    array_ = {};
    labels_ = {};
  }
  const std::exception_ptr& failure() const { return failure_; }

 private:
  static Error as_error() {
    try {
      throw;
    } catch (const Error& error) {
      return error;
    } catch (const std::exception& error) {
      return {ErrorCode::internal, error.what(), true};
    } catch (...) {
      return {ErrorCode::internal, "an input cannot be read", true};
    }
  }

  void answer(const Message& request, ByteWriter& out) {
    ByteReader in{request.head};
    const auto what = in.get<std::uint32_t>();
    if (what >= num_asks) throw ChannelBroken{"the connection carried an unknown question"};
    const std::string port = in.get_text();
    const Box box = in.get<Box>();
    const Coord offset = in.get<Coord>();
    switch (static_cast<Ask>(what)) {
      case Ask::has:
        return out.put(static_cast<std::uint8_t>(inputs_.has(port) ? 1 : 0));
      case Ask::readable:
        return out.put(inputs_.readable(port));
      case Ask::image:
        array_ = inputs_.image(port, box);
        return add(out, array_);
      case Ask::labels:
        labels_ = inputs_.labels(port, box);
        return add(out, labels_);
      case Ask::label_table: {
        const LabelTable table = inputs_.label_table(port);
        out.put_vector(table.names);
        out.put_vector(table.sizes);
        return out.put_vector(table.faces);
      }
      case Ask::table:
        table_ = inputs_.table(port);
        put(out, table_.columns());
        out.put(static_cast<std::uint64_t>(table_.data().size()));
        return parts_.emplace_back(table_.data()), void();
      case Ask::summary:
        summary_ = inputs_.summary(port);
        out.put(static_cast<std::uint64_t>(summary_.size()));
        return parts_.emplace_back(summary_), void();
      case Ask::window: {
        auto window = inputs_.window(port, offset, box);
        out.put(static_cast<std::uint8_t>(window ? 1 : 0));
        if (!window) return;
        labels_ = std::move(*window);
        return add(out, labels_);
      }
      case Ask::mask: {
        auto mask = inputs_.mask(box);
        out.put(static_cast<std::uint8_t>(mask ? 1 : 0));
        if (!mask) return;
        array_ = std::move(*mask);
        return add(out, array_);
      }
    }
  }

  void add(ByteWriter& out, const Array& array) {
    put(out, shape_of(array));
    parts_.push_back(array.bytes());
  }
  void add(ByteWriter& out, const LabelArray& labels) {
    add(out, labels.ids);
    out.put(static_cast<std::uint64_t>(labels.names.size()));
    parts_.push_back(std::as_bytes(std::span{labels.names}));
  }

  const BlockInputs& inputs_;
  std::exception_ptr failure_;
  // What the parts refer to.
  Array array_;
  LabelArray labels_;
  Table table_;
  Bytes summary_;
  std::vector<std::span<const std::byte>> parts_;
};

[[noreturn]] void refuse(const std::string& text) { throw Error{ErrorCode::contract, text}; }

void check_numbers(const Array& array, const std::string& port) {
  if (array.dtype() != DType::f32) return;
  const auto values = array.view<float>();
  array.box().for_each([&](Coord p) {
    if (std::isnan(values[p]))
      refuse(fmt::format("port '{}' holds NaN at {},{},{} (no stage can use it); write numbers", port, p.z,
                         p.y, p.x));
  });
}

/// The outputs of a block: announced to the helper, and taken from it after they were checked.
class OutputTaker {
 public:
  OutputTaker(const Contract& contract, BlockOutputs& outputs) : outputs_{outputs} {
    for (const OutPort& port : contract.writes) {
      OutputShape shape;
      shape.kind = port.kind;
      shape.port = port.name;
      if (port.kind == PortKind::image)
        shape.shape = shape_of(outputs.image(port.name));
      else if (port.kind == PortKind::labels)
        shape.shape = shape_of(outputs.labels(port.name).ids);
      else if (port.kind == PortKind::table)
        shape.columns = outputs.table(port.name).columns();
      else
        continue;
      shapes_.push_back(std::move(shape));
    }
  }

  void announce(ByteWriter& out) const {
    out.put(static_cast<std::uint64_t>(shapes_.size()));
    for (const OutputShape& output : shapes_) {
      out.put(static_cast<std::uint32_t>(output.kind));
      out.put_text(output.port);
      put(out, output.shape);
      put(out, output.columns);
    }
  }

  /// Copies first and looks afterwards: the helper could still change what is shared.
  void take(Message& answer) {
    ByteReader in{answer.head};
    const auto count = in.get<std::uint64_t>();
    if (count > shapes_.size()) refuse("the stage wrote more ports than it has");
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto number = in.get<std::uint64_t>();
      if (number >= shapes_.size()) refuse("the stage wrote a port that it does not have");
      const OutputShape& output = shapes_[static_cast<std::size_t>(number)];
      if (output.kind == PortKind::table) {
        take_table(output, in, answer.payload);
        continue;
      }
      const ArrayShape shape = get_shape(in);
      if (shape.dtype != output.shape.dtype || shape.box != output.shape.box ||
          shape.channels != output.shape.channels)
        refuse(fmt::format(
            "port '{}' was replaced by an array of another shape or type (it must be filled in place); "
            "write into the array that is given",
            output.port));
      const auto voxels = answer.payload.next(shape.bytes());
      Array& array =
          output.kind == PortKind::image ? outputs_.image(output.port) : outputs_.labels(output.port).ids;
      if (!voxels.empty()) std::memcpy(array.bytes().data(), voxels.data(), voxels.size());
      if (output.kind == PortKind::image)
        check_numbers(array, output.port);
      else
        take_names(output, in, answer.payload);
    }
  }

 private:
  void take_table(const OutputShape& output, ByteReader& in, Payload& payload) {
    const std::vector<Column> columns = get_columns(in);
    const auto rows = payload.next(static_cast<std::size_t>(in.get<std::uint64_t>()));
    Table& table = outputs_.table(output.port);
    if (columns != output.columns || table.row_bytes() == 0 || rows.size() % table.row_bytes() != 0)
      refuse(fmt::format(
          "port '{}' was replaced by a table of other columns (its rows would be misread); append rows "
          "to the table that is given",
          output.port));
    table.assign({rows.begin(), rows.end()});
  }
  void take_names(const OutputShape& output, ByteReader& in, Payload& payload) {
    const auto count = in.get<std::uint64_t>();
    if (count > std::numeric_limits<std::uint32_t>::max()) refuse("more names than local ids can have");
    const auto bytes = payload.next(static_cast<std::size_t>(count) * sizeof(Name));
    std::vector<Name>& names = outputs_.labels(output.port).names;
    names.resize(static_cast<std::size_t>(count));
    if (!bytes.empty()) std::memcpy(names.data(), bytes.data(), bytes.size());
  }

  BlockOutputs& outputs_;
  std::vector<OutputShape> shapes_;
};

/// Calls with inputs at hand. Where a stage fails because an input could not be read, that is what is thrown.
Message call_with_inputs(const Program& program, HelperPool::Borrowed& helper, Tag tag, const Bytes& head,
                         const BlockInputs& inputs) {
  InputServer server{inputs};
  try {
    return helper->call(tag, head, {}, program.pool->limits().block_s,
                        [&](Channel& channel, Message& request, Deadline deadline) {
                          server.serve(channel, request, deadline);
                        });
  } catch (const Error&) {
    if (server.failure() && !helper->dead()) std::rethrow_exception(server.failure());
    throw;
  }
}

class IsolatedStage final : public Stage {
 public:
  IsolatedStage(std::shared_ptr<const Program> program, std::uint64_t step)
      : program_{std::move(program)}, step_{step} {}

  Contract contract(const Setup& setup) const override { return ask_contract(*program_, step_, setup); }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const override {
    HelperPool::Borrowed helper = program_->borrow();
    // Names and kinds of ports do not depend on the setup.
    const std::shared_ptr<const Contract> ports = this->ports();
    OutputTaker taker{*ports, outputs};
    ByteWriter out;
    out.put(program_->number);
    out.put(step_);
    put(out, context);
    out.put(inputs.core());
    taker.announce(out);
    Message answer = call_with_inputs(*program_, helper, Tag::run, out.bytes(), inputs);
    understood(helper, [&] { taker.take(answer); });
  }

 private:
  std::shared_ptr<const Contract> ports() const {
    const std::lock_guard lock{mutex_};
    if (!ports_) ports_ = std::make_shared<const Contract>(contract(Setup{}));
    return ports_;
  }

  std::shared_ptr<const Program> program_;
  std::uint64_t step_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Contract> ports_;
};

class IsolatedReduction final : public TreeReduction {
 public:
  IsolatedReduction(std::shared_ptr<const Program> program, std::uint64_t step)
      : program_{std::move(program)}, step_{step} {}

  Contract contract(const Setup& setup) const override { return ask_contract(*program_, step_, setup); }

  NodeResult leaf(const BlockInputs& inputs, const NodeContext& context) const override {
    HelperPool::Borrowed helper = program_->borrow();
    ByteWriter out = head(context);
    out.put(inputs.core());
    Message answer = call_with_inputs(*program_, helper, Tag::leaf, out.bytes(), inputs);
    return understood(helper, [&] { return result(answer); });
  }

  NodeResult node(const std::vector<ChildState>& children, const NodeContext& context) const override {
    HelperPool::Borrowed helper = program_->borrow();
    ByteWriter out = head(context);
    out.put(static_cast<std::uint64_t>(children.size()));
    std::vector<std::span<const std::byte>> parts;
    for (const ChildState& child : children) {
      out.put(child.box);
      out.put(static_cast<std::uint64_t>(child.state.size()));
      parts.push_back(child.state);
    }
    Message answer = helper->call(Tag::node, out.bytes(), parts, program_->pool->limits().block_s);
    return understood(helper, [&] { return result(answer); });
  }

 private:
  ByteWriter head(const NodeContext& context) const {
    ByteWriter out;
    out.put(program_->number);
    out.put(step_);
    put(out, context);
    return out;
  }
  static NodeResult result(Message& answer) {
    ByteReader in{answer.head};
    const auto state = static_cast<std::size_t>(in.get<std::uint64_t>());
    const auto assignments = in.get<std::uint64_t>();
    const auto summary = static_cast<std::size_t>(in.get<std::uint64_t>());
    if (assignments > std::numeric_limits<std::uint64_t>::max() / sizeof(NameAssignment) / 2)
      refuse("more assignments than memory can hold");
    NodeResult result;
    const auto bytes = answer.payload.next(state);
    result.state.assign(bytes.begin(), bytes.end());
    const auto rows = answer.payload.next(static_cast<std::size_t>(assignments) * sizeof(NameAssignment));
    result.assignments.resize(static_cast<std::size_t>(assignments));
    if (!rows.empty()) std::memcpy(result.assignments.data(), rows.data(), rows.size());
    const auto text = answer.payload.next(summary);
    result.summary.assign(text.begin(), text.end());
    return result;
  }

  std::shared_ptr<const Program> program_;
  std::uint64_t step_;
};

StageProgram make(const std::filesystem::path& plugin, const std::shared_ptr<HelperPool>& pool,
                  const std::string& type, Params& params) {
  auto program = std::make_shared<Program>();
  program->pool = pool;
  program->plugin = plugin;
  program->type = type;
  program->path = params.path();
  program->node = params.node();
  program->number = pool->next_number();
  HelperPool::Borrowed helper = pool->borrow(plugin);
  const Message answer = program->make(helper);
  StageProgram made;
  std::optional<Error> refused;
  understood(helper, [&] {
    ByteReader in{answer.head};
    auto asked = get_specs(in);
    auto canonical = in.get_text();
    params.adopt(std::move(asked), std::move(canonical));
    for (const std::string& problem : get_texts(in)) params.problems().add({}, problem);
    if (in.get<std::uint8_t>() == 0) {
      refused = get_error(in);
      return;
    }
    const auto steps = in.get<std::uint64_t>();
    if (steps > in.remaining()) refuse("more steps than were sent");
    for (std::uint64_t i = 0; i < steps; ++i) {
      if (in.get<std::uint8_t>() == 0)
        made.steps.emplace_back(std::make_unique<IsolatedStage>(program, i));
      else
        made.steps.emplace_back(std::make_unique<IsolatedReduction>(program, i));
    }
    made.exports = get_texts(in);
  });
  if (refused) throw Error{*refused};
  helper->made().insert(program->number);
  return made;
}

}  // namespace

std::vector<StageType> isolated_types(const std::filesystem::path& plugin, std::shared_ptr<HelperPool> pool) {
  std::vector<StageType> types;
  for (const HelperPool::Type& type : pool->types_of(plugin))
    types.push_back(
        {type.name, type.summary, plugin.string(),
         [plugin, pool, name = type.name](Params& params) { return make(plugin, pool, name, params); }});
  return types;
}

bool is_isolated(const Stage* stage) { return dynamic_cast<const IsolatedStage*>(stage) != nullptr; }
bool is_isolated(const TreeReduction* reduction) {
  return dynamic_cast<const IsolatedReduction*>(reduction) != nullptr;
}

}  // namespace petavox::isolation
