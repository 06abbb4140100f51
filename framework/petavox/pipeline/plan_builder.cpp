// From a configuration to a plan: connects ports, lays tilings, computes fingerprints.

#include "petavox/base/check.hpp"
#include "petavox/base/units.hpp"
#include "petavox/pipeline/plan.hpp"
#include "petavox/pipeline/stage_programs.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace petavox {
namespace {

/// Changes whenever a built-in stage computes something else for the same parameters.
constexpr int results_version = 1;

std::string hex_list(const std::vector<Hash128>& hashes) {
  std::string text;
  for (const Hash128& h : hashes) text += to_hex(h) + ",";
  return text;
}

bool is_voxels(PortKind kind) { return kind == PortKind::image || kind == PortKind::labels; }

}  // namespace

class PlanBuilder {
 public:
  PlanBuilder(const RunConfig& config, const StageRegistry& registry, const std::vector<InputInfo>& inputs)
      : registry_{registry}, plan_{std::make_unique<Plan>()} {
    plan_->config_ = config;
    plan_->inputs_ = inputs;
  }

  std::unique_ptr<Plan> build() {
    add_inputs();
    for (const StageSpec& spec : config().stages) add_instance(spec);
    problems_.throw_if_any();
    choose_finals();
    for (std::size_t v = 0; v < plan_->volumes_.size(); ++v)
      if (plan_->volumes_[v].final) add_store(static_cast<int>(v));
    problems_.throw_if_any();
    finish();
    return std::move(plan_);
  }

 private:
  using Scope = std::map<std::string, int>;

  const RunConfig& config() const { return plan_->config_; }
  VolumePlan& volume(int i) { return plan_->volumes_[static_cast<std::size_t>(i)]; }
  StepPlan& step(int i) { return plan_->steps_[static_cast<std::size_t>(i)]; }

  void add_inputs() {
    for (std::size_t i = 0; i < plan_->inputs_.size(); ++i) {
      const InputInfo& info = plan_->inputs_[i];
      VolumePlan v;
      v.name = info.name;
      v.kind = PortKind::image;
      v.dtype = info.dtype;
      v.channels = info.channels;
      v.domain = info.domain;
      v.voxel_size_nm = info.voxel_size_nm;
      v.input = static_cast<int>(i);
      std::string identity = fmt::format("input {} {} {} {} mask:", info.identity, to_string(info.domain),
                                         name_of(info.dtype), info.channels);
      if (config().mask)
        identity +=
            config().mask->path.string() + ":" + config().mask->dataset + (config().mask->invert ? "!" : "");
      for (const double size : info.voxel_size_nm) identity += fmt::format(" {}", size);
      v.fingerprint = hash128(identity);
      note_canonical("inputs." + info.name, identity);
      plan_->volumes_.push_back(std::move(v));
    }
    note_canonical("blocks.shape", to_string(config().block_shape));
    note_canonical("run.seed", std::to_string(config().seed));
  }

  void note_canonical(const std::string& key, const std::string& value) {
    plan_->canonical_ += key + "=" + value + "\n";
  }

  void add_instance(const StageSpec& spec) {
    auto made = make_program(spec, registry_, problems_);
    if (!made) {
      note_unwritten(spec);
      return;
    }
    Plan::Instance instance{spec.name, spec.type, std::move(made->program),
                            registry_.find(spec.type)->origin};
    for (const std::string& line : lines_of(made->canonical)) {
      const std::size_t equals = line.find('=');
      note_canonical("stages." + spec.name + "." + line.substr(0, equals), line.substr(equals + 1));
    }
    plan_->instances_.push_back(std::move(instance));
    const int index = static_cast<int>(plan_->instances_.size()) - 1;
    Scope scope;
    const auto& program = plan_->instances_.back().program;
    check_port_names(spec, program, problems_);
    for (std::size_t s = 0; s < program.steps.size(); ++s) {
      const bool last = s + 1 == program.steps.size();
      const std::string seed = fmt::format("petavox {} stage {} step {} seed {}\n{}", results_version,
                                           spec.type, s, config().seed, made->canonical);
      if (!add_step(spec, index, s, last, seed, scope)) return;
    }
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return lines;
  }

  /// A stage was refused: that nobody writes its volumes has no other reason, and is not reported again.
  void note_unwritten(const StageSpec& spec) {
    const StageType* type = registry_.find(spec.type);
    if (type == nullptr) return;
    try {
      StageSpec usual = spec;
      usual.params = {};
      unwritten_.merge(volumes_of(usual, *type).written);
    } catch (const Error&) {
      // A stage without defaults: its volumes are reported as missing.
    }
  }

  /// The volume that an in-port is connected to, or -1.
  int connected(const StageSpec& spec, const InPort& port, const Scope& scope) const {
    if (const auto local = scope.find(port.name); local != scope.end()) return local->second;
    return plan_->find_volume(source_name(spec, port));
  }

  bool add_step(const StageSpec& spec, int instance, std::size_t program_step, bool last,
                const std::string& seed, Scope& scope) {
    const auto& program = plan_->instances_[static_cast<std::size_t>(instance)].program;
    const StageProgram::Step& code = program.steps[program_step];
    const std::size_t problems_before = problems_.size();
    StepPlan s;
    s.instance = instance;
    // The setup comes from the first image or labels port, whose name does not depend on the setup.
    int primary = -1;
    for (const InPort& port : contract_of(code, Setup{}).reads)
      if (primary < 0 && is_voxels(port.kind)) primary = connected(spec, port, scope);
    if (primary >= 0) {
      const VolumePlan& v = volume(primary);
      s.setup = {v.domain, v.voxel_size_nm, v.dtype, v.channels};
    }
    s.contract = contract_of(code, s.setup);
    std::vector<Hash128> upstream;
    for (const InPort& port : s.contract.reads) {
      const int v = connected(spec, port, scope);
      if (v < 0) {
        if (port.optional) continue;
        if (unwritten_.contains(source_name(spec, port))) {
          note_unwritten(spec);
          return false;
        }
        report_missing(spec, port);
        continue;
      }
      check_read(spec, port, volume(v));
      s.reads.push_back({port, v});
      upstream.push_back(volume(v).fingerprint);
    }
    if (problems_.size() != problems_before) return false;
    if (primary < 0) {
      problems_.add(spec.where,
                    fmt::format("stages.{} reads no volume (it has no domain to work on); connect an image "
                                "or labels port",
                                spec.name));
      return false;
    }
    const VolumePlan source = volume(primary);
    s.input_factor = source.factor;
    const auto* stage = std::get_if<std::unique_ptr<Stage>>(&code);
    if (stage != nullptr) {
      s.kind = StepKind::map;
      s.stage = stage->get();
      Extent factor{1, 1, 1};
      for (const OutPort& port : s.contract.writes) factor = port.factor;
      const Box domain = s.contract.domain.value_or(coarsened(source.domain, factor));
      Extent total;
      for (int axis = 0; axis < 3; ++axis) total[axis] = source.factor[axis] * factor[axis];
      s.locality_scale = total;
      const Extent lattice = s.contract.subvolume;
      s.tiling = Tiling{domain, lattice.voxels() > 0 ? lattice : coarse_block(total)};
    } else {
      s.kind = StepKind::up;
      s.reduction = std::get<std::unique_ptr<TreeReduction>>(code).get();
      s.locality_scale = source.factor;
      s.tiling = source.voxels_step >= 0 && source.kind == PortKind::labels
                     ? step(source.voxels_step).tiling
                     : Tiling{source.domain, coarse_block(source.factor)};
      s.tree = MergeTree{s.tiling};
    }
    for (const ReadEdge& read : s.reads)
      if (volume(read.volume).kind == PortKind::table &&
          !(step(volume(read.volume).voxels_step).tiling == s.tiling))
        problems_.add(spec.where,
                      fmt::format("stages.{} reads table '{}' on another tiling than it was written "
                                  "(rows belong to blocks); connect ports of one resolution",
                                  spec.name, volume(read.volume).name));
    s.chunk_shape = chunk_for(s.tiling.block_shape(), spec);
    s.fingerprint = hash128(fmt::format("{}tiling {} {}\nreads {}", seed, to_string(s.tiling.domain()),
                                        to_string(s.tiling.block_shape()), hex_list(upstream)));
    s.name = fmt::format("{}.{}", spec.name,
                         s.contract.writes.empty() ? "result" : s.contract.writes.front().name);

    const auto exported = [&](const std::string& port) {
      if (program.exports.empty()) return last;
      return std::find(program.exports.begin(), program.exports.end(), port) != program.exports.end();
    };
    const int index = static_cast<int>(plan_->steps_.size());
    std::uint32_t port_number = 0;
    for (const OutPort& port : s.contract.writes) {
      VolumePlan v;
      const auto renamed = spec.writes.find(port.name);
      v.name = exported(port.name) ? (renamed != spec.writes.end() ? renamed->second : port.name)
                                   : spec.name + "/" + port.name;
      v.kind = port.kind;
      v.columns = port.columns;
      v.domain = s.tiling.domain();
      v.window = port.window;
      v.dtype = port.kind == PortKind::labels ? DType::u64 : port.dtype.value_or(source.dtype);
      v.channels = port.channels > 0 ? port.channels : source.channels;
      for (int axis = 0; axis < 3; ++axis) {
        v.factor[axis] = source.factor[axis] * port.factor[axis];
        v.voxel_size_nm[static_cast<std::size_t>(axis)] =
            source.voxel_size_nm[static_cast<std::size_t>(axis)] * static_cast<double>(port.factor[axis]);
      }
      v.fingerprint = hash128(to_hex(s.fingerprint) + port.name);
      v.voxels_step = index;
      v.voxels_port = port_number;
      if (s.kind == StepKind::map && port.kind == PortKind::labels) {
        v.names_step = index;
        v.names_port = port_number;
      }
      if (s.kind == StepKind::up && port.kind == PortKind::labels) renames(s, v, index);
      if (plan_->find_volume(v.name) >= 0)
        problems_.add(spec.where,
                      fmt::format("stages.{} writes volume '{}', which exists already (one writer per "
                                  "volume); give it another name under stages.{}.writes.{}",
                                  spec.name, v.name, spec.name, port.name));
      s.writes.push_back({port, static_cast<int>(plan_->volumes_.size())});
      scope[port.name] = s.writes.back().volume;
      plan_->volumes_.push_back(std::move(v));
      ++port_number;
    }
    const bool is_up = s.kind == StepKind::up;
    push(std::move(s));
    if (is_up) add_way_down(index);
    return problems_.size() == problems_before;
  }

  /// The labels that a reduction writes are the voxels of the first labels it reads under new names.
  void renames(const StepPlan& s, VolumePlan& v, int up_index) {
    for (const ReadEdge& read : s.reads) {
      const VolumePlan& source = volume(read.volume);
      if (source.kind != PortKind::labels) continue;
      v.voxels_step = source.voxels_step;
      v.voxels_port = source.voxels_port;
      v.names_step = up_index + 2;
      v.names_port = 0;
      v.domain = source.domain;
      v.window = {};
      v.factor = source.factor;
      v.voxel_size_nm = source.voxel_size_nm;
      return;
    }
    PETAVOX_ASSERT(false && "a reduction that writes labels must read labels");
  }

  /// Down and resolve steps for a reduction that writes labels; they follow it directly.
  void add_way_down(int up_index) {
    const StepPlan up = step(up_index);
    bool writes_labels = false;
    for (const WriteEdge& write : up.writes) writes_labels |= write.port.kind == PortKind::labels;
    if (!writes_labels) return;
    StepPlan down = up;
    down.kind = StepKind::down;
    down.name += ".down";
    down.reads.clear();
    down.writes.clear();
    down.up = up_index;
    down.fingerprint = hash128(to_hex(up.fingerprint) + "down");
    StepPlan resolve = up;
    resolve.kind = StepKind::resolve;
    resolve.name += ".resolve";
    resolve.reads.clear();
    for (const ReadEdge& read : up.reads) {
      if (volume(read.volume).kind != PortKind::labels) continue;
      resolve.reads.push_back(read);
      resolve.reads.back().port.reads = {};
      break;
    }
    resolve.up = up_index;
    resolve.down = up_index + 1;
    resolve.fingerprint = hash128(to_hex(up.fingerprint) + "resolve");
    step(up_index).down = up_index + 1;
    push(std::move(down));
    push(std::move(resolve));
  }

  void push(StepPlan s) {
    s.key = mix64(s.fingerprint.high ^ mix64(s.fingerprint.low));
    plan_->steps_.push_back(std::move(s));
  }

  Extent coarse_block(Extent factor) const {
    Extent shape;
    for (int axis = 0; axis < 3; ++axis)
      shape[axis] = std::max<Index>(1, ceil_div(config().block_shape[axis], factor[axis]));
    return shape;
  }

  /// The configured chunk must divide the block; the default is the block, cut into equal parts of at
  /// most 64.
  Extent chunk_for(Extent block, const StageSpec& spec) {
    Extent chunk;
    for (int axis = 0; axis < 3; ++axis) {
      chunk[axis] = std::min<Index>(block[axis], 64);
      if (config().chunk_shape && block == config().block_shape) {
        chunk[axis] = (*config().chunk_shape)[axis];
        if (block[axis] % chunk[axis] != 0)
          problems_.add(spec.where,
                        fmt::format("blocks.chunk_shape {} does not divide blocks.shape {} (two blocks "
                                    "would write one chunk); choose a divisor",
                                    to_string(*config().chunk_shape), to_string(block)));
      }
    }
    return chunk;
  }

  void report_missing(const StageSpec& spec, const InPort& port) {
    const std::string name = source_name(spec, port);
    std::vector<std::string> known;
    for (const VolumePlan& v : plan_->volumes_) known.push_back(v.name);
    const std::string near = nearest_name(name, known);
    problems_.add(
        spec.where,
        fmt::format(
            "stages.{} reads volume '{}' at port '{}', which no earlier stage writes (it cannot run); {}",
            spec.name, name, port.name,
            near.empty() ? "volumes so far: " + fmt::format("{}", fmt::join(known, ", "))
                         : "did you mean '" + near + "'?"));
  }

  void check_read(const StageSpec& spec, const InPort& port, const VolumePlan& v) {
    const auto complain = [&](const std::string& what, const std::string& advice) {
      problems_.add(spec.where, fmt::format("stages.{} cannot read volume '{}' at port '{}': {}; {}",
                                            spec.name, v.name, port.name, what, advice));
    };
    if (port.kind != v.kind && !(port.kind == PortKind::image && v.kind == PortKind::labels)) {
      complain(fmt::format("it holds {} (the port takes {})", name_of(v.kind), name_of(port.kind)),
               "connect another volume");
    } else if (port.kind == PortKind::image) {
      if (!port.accepts.contains(v.dtype))
        complain(
            fmt::format("its voxels are {} (the port takes {})", name_of(v.dtype), to_string(port.accepts)),
            "convert it, or connect another volume");
      if (port.channels != 0 && port.channels != v.channels)
        complain(fmt::format("it has {} channels (the port takes {})", v.channels, port.channels),
                 "connect another volume");
    } else if (port.kind == PortKind::table && port.columns != v.columns) {
      complain("its columns differ (the rows would be misread)", "connect the table that the port names");
    }
  }

  // ------------------------------------------------------------------ final volumes

  void choose_finals() {
    // A volume that is only measured (read towards summaries alone) is still an end of the pipeline.
    std::vector<bool> consumed(plan_->volumes_.size(), false);
    std::vector<bool> produces(plan_->instances_.size(), false);
    for (const StepPlan& s : plan_->steps_)
      for (const WriteEdge& write : s.writes)
        if (write.port.kind != PortKind::summary) produces[static_cast<std::size_t>(s.instance)] = true;
    for (const StepPlan& s : plan_->steps_)
      for (const ReadEdge& read : s.reads)
        if (produces[static_cast<std::size_t>(s.instance)])
          consumed[static_cast<std::size_t>(read.volume)] = true;
    for (std::size_t i = 0; i < plan_->volumes_.size(); ++i) {
      VolumePlan& v = plan_->volumes_[i];
      if (v.input >= 0 || !is_voxels(v.kind) || has_window(v)) continue;
      const bool visible = v.name.find('/') == std::string::npos;
      const auto& kept = config().keep_volumes;
      const bool listed = std::find(kept.begin(), kept.end(), v.name) != kept.end();
      v.final = listed || (visible && (config().keep == KeepMode::all || !consumed[i]));
    }
    for (const std::string& name : config().keep_volumes) {
      const int v = plan_->find_volume(name);
      if (v < 0 || !volume(v).final)
        problems_.add(
            {config().file.string()},
            fmt::format("output.keep names '{}', which no stage writes as voxels (nothing could be kept); "
                        "use the names of image and label volumes",
                        name));
    }
  }

  static bool has_window(const VolumePlan& v) { return !(v.window == Halo::none()); }

  void add_store(int index) {
    const VolumePlan& v = volume(index);
    StepPlan s;
    s.kind = StepKind::store;
    s.name = v.name + ".store";
    s.setup = {v.domain, v.voxel_size_nm, v.dtype, v.channels};
    s.locality_scale = v.factor;
    s.chunk_shape = config().final_chunk_shape;
    s.tiling = Tiling{v.domain, config().final_shard_shape};
    InPort port;
    port.name = v.name;
    port.kind = v.kind;
    port.channels = 0;
    s.reads.push_back({port, index});
    const CodecSpec& codec = config().final_codec;
    s.fingerprint =
        hash128(fmt::format("store {} {} {} {} {} {}", to_hex(v.fingerprint), to_string(s.chunk_shape),
                            to_string(config().final_shard_shape), codec.codec, codec.level, codec.shuffle));
    push(std::move(s));
  }

  /// Adds what a read of `volume` asks of the step `writer` to the sources of step `reader`.
  void add_source(std::vector<Plan::Source>& sources, int writer, const VolumePlan& volume,
                  const Reads& reads) {
    const auto how = volume.kind == PortKind::summary ? Plan::Source::How::root : Plan::Source::How::boxes;
    for (Plan::Source& known : sources) {
      if (known.step != writer || known.how != how) continue;
      PETAVOX_ASSERT(known.reads.factor == reads.factor && known.reads.divisor == reads.divisor);
      for (int axis = 0; axis < 3; ++axis) {
        known.reads.whole[static_cast<std::size_t>(axis)] |= reads.whole[static_cast<std::size_t>(axis)];
        known.reads.halo.low[axis] = std::max(known.reads.halo.low[axis], reads.halo.low[axis]);
        known.reads.halo.high[axis] = std::max(known.reads.halo.high[axis], reads.halo.high[axis]);
      }
      return;
    }
    sources.push_back({writer, how, reads});
  }

  void finish() {
    plan_->sources_.resize(plan_->steps_.size());
    plan_->readers_.resize(plan_->steps_.size());
    std::string all;
    for (std::size_t i = 0; i < plan_->steps_.size(); ++i) {
      const StepPlan& s = plan_->steps_[i];
      all += to_hex(s.fingerprint) + "\n";
      auto& sources = plan_->sources_[i];
      for (const ReadEdge& read : s.reads) {
        const VolumePlan& v = volume(read.volume);
        if (v.input >= 0) continue;
        add_source(sources, v.voxels_step, v, read.port.reads);
        if (v.names_step >= 0 && v.names_step != v.voxels_step)
          add_source(sources, v.names_step, v, read.port.reads);
      }
      for (Plan::Source reader : sources) {
        const auto writer = static_cast<std::size_t>(reader.step);
        reader.step = static_cast<int>(i);
        plan_->readers_[writer].push_back(reader);
      }
    }
    plan_->fingerprint_ = hash128(all);
  }

  const StageRegistry& registry_;
  std::unique_ptr<Plan> plan_;
  Problems problems_;
  std::set<std::string> unwritten_;  // volumes of stages that were refused
};

std::unique_ptr<Plan> make_plan(const RunConfig& config, const StageRegistry& registry,
                                const std::vector<InputInfo>& inputs) {
  auto plan = PlanBuilder{config, registry, inputs}.build();
  const auto allowed = static_cast<double>(config.memory_isolated_bytes);
  for (const StepCost& cost : plan->costs())
    if (cost.helper_bytes > allowed)
      throw Error{
          ErrorCode::config,
          fmt::format(
              "step {} needs about {} in its helper, and memory.isolated_mb allows {} (its blocks would "
              "fail); raise it, or use smaller blocks",
              cost.name, bytes_text(cost.helper_bytes), bytes_text(allowed))};
  return plan;
}

}  // namespace petavox
