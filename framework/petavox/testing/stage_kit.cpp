#include "petavox/testing/stage_kit.hpp"

#include "petavox/testing/memory_block.hpp"
#include "petavox/testing/random_inputs.hpp"
#include "petavox/volume/digest.hpp"

#include <exception>
#include <filesystem>

namespace petavox::testing {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

Hash128 digest_of(const Array& voxels) {
  return finish_digest(digest_part(voxels), voxels.dtype(), voxels.channels(), voxels.box());
}

/// One volume's worth of inputs, and how to say which.
struct Case {
  MemoryValues inputs;
  std::shared_ptr<const Array> mask;
  std::string text;
};

/// The ports that the program reads from outside.
std::vector<InPort> outside_ports(const StageProgram& program) {
  std::vector<InPort> ports;
  std::vector<std::string> written;
  for (const auto& step : program.steps) {
    const Contract c = std::visit([](const auto& s) { return s->contract(Setup{}); }, step);
    for (const InPort& in : c.reads)
      if (std::ranges::find(written, in.name) == written.end() &&
          std::ranges::find(ports, in.name, &InPort::name) == ports.end())
        ports.push_back(in);
    for (const OutPort& out : c.writes) written.push_back(out.name);
  }
  return ports;
}

bool reduces(const StageProgram& program) {
  return std::ranges::any_of(program.steps, [](const auto& s) { return s.index() == 1; });
}

/// Steps on a lattice of their own, or with windows, are not defined on a guillotine cutting.
bool needs_lattice(const StageProgram& program) {
  return std::ranges::any_of(program.steps, [](const auto& step) {
    const Contract c = std::visit([](const auto& s) { return s->contract(Setup{}); }, step);
    return c.subvolume != Extent{0, 0, 0} ||
           std::ranges::any_of(c.writes, [](const OutPort& out) { return out.window != Halo::none(); });
  });
}

std::vector<Case> make_cases(const StageProgram& program, const KitOptions& options) {
  std::vector<Case> cases;
  if (options.inputs) {
    for (int round = 0; round < options.rounds; ++round) {
      const std::uint64_t seed = options.seed + static_cast<std::uint64_t>(round);
      cases.push_back({options.inputs(seed), nullptr, "given inputs, seed " + std::to_string(seed)});
    }
    return cases;
  }
  const std::vector<InPort> ports = outside_ports(program);
  for (const InPort& in : ports)
    if ((in.kind == PortKind::table || in.kind == PortKind::summary) && !in.optional)
      throw Error{ErrorCode::config, "port '" + in.name + "' reads a " + name_of(in.kind) +
                                         " (the kit cannot invent one); give KitOptions::inputs or put the "
                                         "step that writes it first in the program"};
  std::vector<DType> types;
  for (int i = 0; i < num_dtypes; ++i)
    for (const InPort& in : ports)
      if (in.kind == PortKind::image) {
        if (in.accepts.contains(static_cast<DType>(i))) types.push_back(static_cast<DType>(i));
        break;  // the types of the first image; others take the first that they accept
      }
  if (types.empty()) types.push_back(DType::u8);

  std::vector<Box> domains = options.domains;
  if (domains.empty())
    domains = {Box::from({-3, 5, -11}, {7, 9, 11}), Box::from({0, 0, 0}, {10, 6, 5}),
               Box::from({4, -7, 1}, {1, 8, 13})};
  std::uint64_t seed = options.seed;
  for (const Box& domain : domains)
    for (const DType type : types)
      for (int round = 0; round < options.rounds * num_textures; ++round) {
        ++seed;
        Case c;
        if (options.masks && round % 2 == 1)
          c.mask = std::make_shared<const Array>(random_mask(domain, seed));
        const auto texture = static_cast<Texture>(round % num_textures);
        for (const InPort& in : ports) {
          const std::string volume = in.volume.empty() ? in.name : in.volume;
          if (c.inputs.contains(volume)) continue;
          if (in.kind == PortKind::labels) {
            // Labels of a masked run were never joined across the mask.
            Array labels = random_labels(domain, 9, seed);
            if (c.mask) apply_mask(*c.mask, labels);
            c.inputs.emplace(volume, MemoryValue::labels(naive_components(labels, 6)));
          } else if (in.kind == PortKind::image) {
            DType accepted = type;
            for (int i = num_dtypes - 1; i >= 0 && !in.accepts.contains(type); --i)
              if (in.accepts.contains(static_cast<DType>(i))) accepted = static_cast<DType>(i);
            c.inputs.emplace(
                volume, MemoryValue::image(random_image(accepted, domain, in.channels == 0 ? 2 : in.channels,
                                                        texture, seed)));
          }
        }
        c.text = "domain " + to_string(domain) + ", " + name_of(type) + ", texture " +
                 std::to_string(static_cast<int>(texture)) + (c.mask ? ", masked" : "") + ", seed " +
                 std::to_string(seed);
        cases.push_back(std::move(c));
      }
  return cases;
}

struct Variant {
  MemoryRunOptions options;
  std::string text;
};

std::vector<Variant> make_variants(const Case& c, const StageProgram& program, const KitOptions& options) {
  const Box domain = c.inputs.empty() ? Box{} : c.inputs.begin()->second.domain();
  const Extent s = domain.shape();
  std::vector<Extent> shapes = options.block_shapes;
  if (shapes.empty())
    shapes = {{2, 2, 2}, {7, 5, 3}, {1, s.y, s.x}, {s.z, 1, s.x}, {s.z, s.y, 1}, {64, 64, 64}};
  std::vector<Variant> variants;
  std::uint64_t seed = options.seed;
  for (const Extent& shape : shapes) {
    Variant v;
    v.options.block_shape = shape;
    v.options.order_seed = ++seed;
    v.text = "blocks of " + to_string(shape) + ", order " + std::to_string(seed);
    variants.push_back(v);
  }
  if (reduces(program) && !needs_lattice(program))
    for (int i = 0; i < options.guillotine_rounds; ++i) {
      Variant v;
      v.options.guillotine_seed = v.options.order_seed = mix64(++seed ^ static_cast<std::uint64_t>(s.x));
      v.options.guillotine_blocks = 2 + static_cast<std::size_t>(seed % 17);
      v.options.tuning.swap_children = i % 2 == 1;
      v.options.tuning.settle_early = i % 4 < 2;
      if (i % 3 == 2) {
        v.options.reduction_memory_bytes = 64;  // everything spills; thousands of files, hence not on a disk
        if (std::filesystem::is_directory("/dev/shm")) v.options.scratch_dir = "/dev/shm";
      }
      v.text = "guillotine cutting " + std::to_string(*v.options.guillotine_seed) +
               (v.options.tuning.swap_children ? ", children swapped" : "") +
               (v.options.tuning.settle_early ? "" : ", settling at the root only") +
               (i % 3 == 2 ? ", spilled" : "");
      variants.push_back(v);
    }
  return variants;
}

}  // namespace

AssertionResult same_voxels(const Array& expected, const Array& found) {
  if (expected.box() != found.box())
    return AssertionFailure() << "box " << to_string(found.box()) << " instead of "
                              << to_string(expected.box());
  if (expected.dtype() != found.dtype() || expected.channels() != found.channels())
    return AssertionFailure() << "type " << name_of(found.dtype()) << " x " << found.channels()
                              << " instead of " << name_of(expected.dtype()) << " x " << expected.channels();
  if (digest_of(expected) == digest_of(found)) return AssertionSuccess();
  AssertionResult result = AssertionFailure();
  visit_dtype(expected.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto a = expected.view<T>();
    const auto b = found.view<T>();
    std::size_t differing = 0;
    std::string first;
    for (int c = 0; c < expected.channels(); ++c)
      expected.box().for_each([&](Coord p) {
        if (a.at(c, p) == b.at(c, p) || (a.at(c, p) != a.at(c, p) && b.at(c, p) != b.at(c, p))) return;
        if (differing++ == 0)
          first = "first at voxel " + to_string(p) + " channel " + std::to_string(c) + ": " +
                  std::to_string(b.at(c, p)) + " instead of " + std::to_string(a.at(c, p));
      });
    result << differing << " voxels differ, " << first;
  });
  return result;
}

AssertionResult same_values(const MemoryValues& expected, const MemoryValues& found) {
  for (const auto& [name, value] : expected) {
    const auto other = found.find(name);
    if (other == found.end()) return AssertionFailure() << "'" << name << "' is missing";
    if (value.kind() == PortKind::table) continue;
    if (value.kind() == PortKind::summary) {
      if (value.bytes() != other->second.bytes())
        return AssertionFailure() << "summary '" << name << "' differs";
      continue;
    }
    if (const AssertionResult same = same_voxels(value.voxels(), other->second.voxels()); !same)
      return AssertionFailure() << "'" << name << "': " << same.message();
  }
  return AssertionSuccess();
}

AssertionResult check_stage_type(const StageType& type, const KitOptions& options) {
  std::string what = "stage '" + type.name + "'";
  try {
    const StageProgram program = make_program(type, options.params);
    for (const Case& c : make_cases(program, options)) {
      what = "stage '" + type.name + "', " + c.text;
      MemoryRunOptions whole;
      whole.block_shape = c.inputs.empty() ? Extent::cube(64) : c.inputs.begin()->second.domain().shape();
      whole.mask = c.mask;
      const MemoryValues expected = run_in_memory(program, c.inputs, whole);
      for (Variant& v : make_variants(c, program, options)) {
        what = "stage '" + type.name + "', " + c.text + ", " + v.text;
        v.options.mask = c.mask;
        if (const AssertionResult same = same_values(expected, run_in_memory(program, c.inputs, v.options));
            !same)
          return AssertionFailure() << what << ": " << same.message();
      }
    }
  } catch (const std::exception& e) {
    return AssertionFailure() << what << ": " << e.what();
  }
  return AssertionSuccess();
}

}  // namespace petavox::testing
