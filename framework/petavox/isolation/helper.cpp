#include "petavox/isolation/helper.hpp"

#include "petavox/isolation/remote_block.hpp"
#include "petavox/stage/registry.hpp"

#include <map>
#include <mutex>
#include <type_traits>

namespace petavox::isolation {
namespace {

/// The inputs of a block, asked for one by one. Thread-safe.
class RemoteInputs final : public BlockInputs {
 public:
  RemoteInputs(Channel& channel, const Box& core) : channel_{channel}, core_{core} {}

  Box core() const override { return core_; }
  bool has(std::string_view port) const override {
    return ask(Ask::has, port, {}, {}, [](ByteReader& in, Payload&) { return in.get<std::uint8_t>() != 0; });
  }
  Box readable(std::string_view port) const override {
    return ask(Ask::readable, port, {}, {}, [](ByteReader& in, Payload&) { return in.get<Box>(); });
  }
  Array image(std::string_view port, const Box& box) const override {
    return ask(Ask::image, port, box, {}, get_array);
  }
  LabelArray labels(std::string_view port, const Box& box) const override {
    return ask(Ask::labels, port, box, {}, get_labels);
  }
  LabelTable label_table(std::string_view port) const override {
    return ask(Ask::label_table, port, {}, {}, [](ByteReader& in, Payload&) {
      LabelTable table;
      table.names = in.get_vector<Name>();
      table.sizes = in.get_vector<std::uint64_t>();
      table.faces = in.get_vector<FaceMask>();
      return table;
    });
  }
  Table table(std::string_view port) const override {
    return ask(Ask::table, port, {}, {}, [](ByteReader& in, Payload& payload) {
      Table table{get_columns(in)};
      const auto rows = payload.next(static_cast<std::size_t>(in.get<std::uint64_t>()));
      if (!rows.empty()) table.assign({rows.begin(), rows.end()});
      return table;
    });
  }
  Bytes summary(std::string_view port) const override {
    return ask(Ask::summary, port, {}, {}, [](ByteReader& in, Payload& payload) {
      const auto bytes = payload.next(static_cast<std::size_t>(in.get<std::uint64_t>()));
      return Bytes{bytes.begin(), bytes.end()};
    });
  }
  std::optional<LabelArray> window(std::string_view port, Coord offset, const Box& box) const override {
    return ask(Ask::window, port, box, offset,
               [](ByteReader& in, Payload& payload) -> std::optional<LabelArray> {
                 if (in.get<std::uint8_t>() == 0) return std::nullopt;
                 return get_labels(in, payload);
               });
  }
  std::optional<Array> mask(const Box& box) const override {
    return ask(Ask::mask, {}, box, {}, [](ByteReader& in, Payload& payload) -> std::optional<Array> {
      if (in.get<std::uint8_t>() == 0) return std::nullopt;
      return get_array(in, payload);
    });
  }

 private:
  static Array get_array(ByteReader& in, Payload& payload) {
    const ArrayShape shape = get_shape(in);
    return make_array(shape, payload.next(shape.bytes()));
  }
  static LabelArray get_labels(ByteReader& in, Payload& payload) {
    LabelArray labels{get_array(in, payload), {}};
    const auto names = payload.next(static_cast<std::size_t>(in.get<std::uint64_t>()) * sizeof(Name));
    labels.names.resize(names.size() / sizeof(Name));
    if (!names.empty()) std::memcpy(labels.names.data(), names.data(), names.size());
    return labels;
  }

  template <class Get>
  std::invoke_result_t<Get, ByteReader&, Payload&> ask(Ask what, std::string_view port, const Box& box,
                                                       Coord offset, Get get) const {
    const std::lock_guard lock{mutex_};
    ByteWriter out;
    out.put(static_cast<std::uint32_t>(what));
    out.put_text(port);
    out.put(box);
    out.put(offset);
    channel_.send(Tag::ask, out.bytes());
    Message answer = channel_.receive();
    ByteReader in{answer.head};
    if (answer.tag == Tag::failed) throw get_error(in);
    return get(in, answer.payload);
  }

  Channel& channel_;
  Box core_;
  mutable std::mutex mutex_;
};

/// The outputs, made when the stage first touches them.
class RemoteOutputs final : public BlockOutputs {
 public:
  explicit RemoteOutputs(ByteReader& in) : shapes_(static_cast<std::size_t>(in.get<std::uint64_t>())) {
    for (OutputShape& output : shapes_) {
      output.kind = static_cast<PortKind>(in.get<std::uint32_t>());
      output.port = in.get_text();
      output.shape = get_shape(in);
      output.columns = get_columns(in);
    }
    images_.resize(shapes_.size());
    labels_.resize(shapes_.size());
    tables_.resize(shapes_.size());
  }

  Array& image(std::string_view port) override {
    const std::size_t i = number(PortKind::image, port);
    if (!images_[i]) images_[i] = made(shapes_[i]);
    return *images_[i];
  }
  LabelArray& labels(std::string_view port) override {
    const std::size_t i = number(PortKind::labels, port);
    if (!labels_[i]) labels_[i] = LabelArray{made(shapes_[i]), {}};
    return *labels_[i];
  }
  Table& table(std::string_view port) override {
    const std::size_t i = number(PortKind::table, port);
    if (!tables_[i]) tables_[i] = Table{shapes_[i].columns};
    return *tables_[i];
  }

  void send(Channel& channel) const {
    ByteWriter out;
    std::vector<std::span<const std::byte>> parts;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < shapes_.size(); ++i)
      count += images_[i] || labels_[i] || tables_[i] ? 1U : 0U;
    out.put(count);
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      if (!images_[i] && !labels_[i] && !tables_[i]) continue;
      out.put(static_cast<std::uint64_t>(i));
      if (tables_[i]) {
        put(out, tables_[i]->columns());
        out.put(static_cast<std::uint64_t>(tables_[i]->data().size()));
        parts.emplace_back(tables_[i]->data());
        continue;
      }
      const Array& array = images_[i] ? *images_[i] : labels_[i]->ids;
      put(out, shape_of(array));
      parts.push_back(array.bytes());
      if (!labels_[i]) continue;
      out.put(static_cast<std::uint64_t>(labels_[i]->names.size()));
      parts.push_back(std::as_bytes(std::span{labels_[i]->names}));
    }
    channel.send(Tag::done, out.bytes(), parts);
  }

 private:
  static Array made(const OutputShape& output) {
    return Array{output.shape.dtype, output.shape.box, output.shape.domain, output.shape.channels};
  }
  std::size_t number(PortKind kind, std::string_view port) const {
    for (std::size_t i = 0; i < shapes_.size(); ++i)
      if (shapes_[i].kind == kind && shapes_[i].port == port) return i;
    throw Error{ErrorCode::contract,
                std::string{name_of(kind)} + " port '" + std::string{port} +
                    "' was written but is not declared (it would be lost); declare it in "
                    "the contract"};
  }

  std::vector<OutputShape> shapes_;
  std::vector<std::optional<Array>> images_;
  std::vector<std::optional<LabelArray>> labels_;
  std::vector<std::optional<Table>> tables_;
};

class Servant {
 public:
  Servant(Channel& channel, const PluginLoader& loader) : channel_{channel}, loader_{loader} {}

  void serve() {
    while (true) {
      Message request = channel_.receive();
      try {
        answer(request);
      } catch (const ChannelBroken&) {
        throw;
      } catch (const Error& error) {
        fail(error);
      } catch (const std::bad_alloc&) {
        fail({ErrorCode::resource,
              "out of memory in the plugin's process (the block could not be computed); use "
              "smaller blocks, or raise memory.isolated_mb",
              true});
      } catch (const std::exception& error) {
        fail({ErrorCode::stage, error.what(), true});
      } catch (...) {
        fail({ErrorCode::stage,
              "the stage threw something that is no std::exception (its cause is unknown); throw "
              "petavox::Error or another std::exception",
              true});
      }
    }
  }

 private:
  void fail(const Error& error) {
    ByteWriter out;
    put(out, error);
    channel_.send(Tag::failed, out.bytes());
  }

  void answer(Message& request) {
    ByteReader in{request.head};
    switch (request.tag) {
      case Tag::load:
        return load(in);
      case Tag::make:
        return make(in);
      case Tag::contract: {
        const StageProgram::Step& step = step_of(in);
        const Setup setup = get_setup(in);
        ByteWriter out;
        put(out, std::visit([&](const auto& code) { return code->contract(setup); }, step));
        return channel_.send(Tag::done, out.bytes());
      }
      case Tag::run: {
        const auto& stage = std::get<std::unique_ptr<Stage>>(step_of(in));
        const BlockContext context = get_context(in);
        const RemoteInputs inputs{channel_, in.get<Box>()};
        RemoteOutputs outputs{in};
        stage->run(inputs, outputs, context);
        return outputs.send(channel_);
      }
      case Tag::leaf: {
        const auto& reduction = std::get<std::unique_ptr<TreeReduction>>(step_of(in));
        const NodeContext context = get_node_context(in);
        const RemoteInputs inputs{channel_, in.get<Box>()};
        return send(reduction->leaf(inputs, context));
      }
      case Tag::node: {
        const auto& reduction = std::get<std::unique_ptr<TreeReduction>>(step_of(in));
        const NodeContext context = get_node_context(in);
        std::vector<Bytes> states(static_cast<std::size_t>(in.get<std::uint64_t>()));
        std::vector<ChildState> children;
        for (Bytes& state : states) {
          const Box box = in.get<Box>();
          const auto bytes = request.payload.next(static_cast<std::size_t>(in.get<std::uint64_t>()));
          state.assign(bytes.begin(), bytes.end());
          children.push_back({box, state});
        }
        return send(reduction->node(children, context));
      }
      default:
        throw ChannelBroken{"the host asked for something unknown"};
    }
  }

  void send(const NodeResult& result) {
    ByteWriter out;
    out.put(static_cast<std::uint64_t>(result.state.size()));
    out.put(static_cast<std::uint64_t>(result.assignments.size()));
    out.put(static_cast<std::uint64_t>(result.summary.size()));
    channel_.send(Tag::done, out.bytes(),
                  {result.state, std::as_bytes(std::span{result.assignments}), result.summary});
  }

  void load(ByteReader& in) {
    const std::string file = in.get_text();
    loader_(file, in.get_text(), registry_);
    ByteWriter out;
    out.put(static_cast<std::uint64_t>(registry_.types().size()));
    for (const auto& [name, type] : registry_.types()) {
      out.put_text(name);
      out.put_text(type.summary);
    }
    channel_.send(Tag::done, out.bytes());
  }

  void make(ByteReader& in) {
    const auto number = in.get<std::uint64_t>();
    const StageType* type = registry_.find(in.get_text());
    const std::string path = in.get_text();
    const Value& node = values_[number] = get_value(in);
    if (type == nullptr) throw ChannelBroken{"the host asked for a stage that the plugin has not"};
    Problems problems;
    Params params{node, path, problems};
    std::optional<StageProgram> program;
    std::optional<Error> error;
    try {
      program = type->make(params);
    } catch (const Error& thrown) {
      error = thrown;
    }
    ByteWriter out;
    put(out, params.asked());
    out.put_text(params.canonical());
    put(out, problems.texts());
    out.put(static_cast<std::uint8_t>(program ? 1 : 0));
    if (program) {
      out.put(static_cast<std::uint64_t>(program->steps.size()));
      for (const StageProgram::Step& step : program->steps)
        out.put(static_cast<std::uint8_t>(std::holds_alternative<std::unique_ptr<Stage>>(step) ? 0 : 1));
      put(out, program->exports);
      programs_.insert_or_assign(number, std::move(*program));
    } else {
      put(out, *error);
    }
    channel_.send(Tag::done, out.bytes());
  }

  const StageProgram::Step& step_of(ByteReader& in) const {
    const auto program = programs_.find(in.get<std::uint64_t>());
    const auto step = static_cast<std::size_t>(in.get<std::uint64_t>());
    if (program == programs_.end() || step >= program->second.steps.size())
      throw ChannelBroken{"the host asked for a step that was not made"};
    return program->second.steps[step];
  }

  Channel& channel_;
  const PluginLoader& loader_;
  StageRegistry registry_;
  std::map<std::uint64_t, Value> values_;
  std::map<std::uint64_t, StageProgram> programs_;
};

}  // namespace

void serve_as_helper(Descriptor socket, const PluginLoader& loader) {
  Channel channel{std::move(socket), Channel::Side::helper};
  Servant{channel, loader}.serve();
}

}  // namespace petavox::isolation
