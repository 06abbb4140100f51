#pragma once
// Reductions over the merge tree, as their authors write them: typed states, two at a time.
//
// A Reduction has
//   State                                    movable; State{} is the state of a box without evidence;
//   contract(setup)                          what leaves read, and the labels / summary port that is written;
//   absorb(inputs, context, changes)         a block's evidence -> State;
//   merge(a, b, join, context, changes)      the states of two boxes that form the box context.box, in either
//                                            order -> the state of that box;
//   settle(state, context, changes)          removes what nothing outside context.box can change any more;
//   finish(state, context)                   at the root, after settle: the bytes of the summary port (else
//   none); open_names(state)                        the names that the state holds, ascending, each once;
//   pack(state, writer), unpack(reader, context).
// absorb, merge and settle say through NameChanges what becomes of names that were in a child's state (for
// absorb: in the block's label table) and are not in the state afterwards.
//
// Laws, tested by the reduction kit: values of all names and the summary are the same for every guillotine
// tree over the domain, for either order of two children, and whether or not anything is settled below the
// root. A name that may also occur outside context.box is neither renamed nor settled. All functions are
// const and may be called by several threads at once.

#include "petavox/reduce/name_changes.hpp"
#include "petavox/reduce/spill.hpp"
#include "petavox/stage/tree_reduction.hpp"

#include <concepts>
#include <optional>
#include <ranges>

namespace petavox {

/// Where a piece of a reduction runs, with the budget that its arrays share.
struct ReductionContext : NodeContext {
  explicit ReductionContext(const NodeContext& node)
      : NodeContext{node}, pool{std::make_shared<SpillPool>(node.memory_bytes, node.scratch_dir)} {}
  /// The same budget, for another box.
  ReductionContext at(const Box& other) const {
    ReductionContext moved{*this};
    moved.box = other;
    return moved;
  }
  /// An empty array that spills with the budget.
  template <class T>
  SpillVector<T> array() const {
    return SpillVector<T>{pool};
  }
  std::shared_ptr<SpillPool> pool;
};

/// The inverse of ByteWriter::put_span, into an array that spills. Throws Error{io} if the bytes end too
/// early.
template <class T>
SpillVector<T> unpacked(ByteReader& reader, const ReductionContext& context) {
  const auto count = reader.get<std::uint64_t>();
  if (count > reader.remaining() / sizeof(T))
    throw Error{ErrorCode::io, "a reduction state of box " + to_string(context.box) +
                                   " ends too early (it is truncated or damaged); the object is refused"};
  const auto raw = reader.get_raw(static_cast<std::size_t>(count) * sizeof(T));
  SpillVector<T> values = context.array<T>();
  values.resize(static_cast<std::size_t>(count));
  if (!raw.empty()) std::memcpy(static_cast<void*>(values.data()), raw.data(), raw.size());
  return values;
}

/// Two boxes that share a whole face and together form a box.
struct Join {
  Box a, b, joined, domain;
  /// The axis across which they meet.
  int axis() const {
    for (int k = 0; k < 3; ++k)
      if (a.begin[k] != b.begin[k]) return k;
    return 0;
  }
  /// The common face, as a face of a, and of b.
  FaceMask face_of_a() const { return face_bit(axis(), a.begin[axis()] < b.begin[axis()]); }
  FaceMask face_of_b() const { return face_bit(axis(), b.begin[axis()] < a.begin[axis()]); }
};

/// The join of two boxes, or nothing if they do not form a box.
inline std::optional<Join> join_of(const Box& a, const Box& b, const Box& domain) {
  int differing = 0, axis = 0;
  for (int k = 0; k < 3; ++k)
    if (a.begin[k] != b.begin[k] || a.end[k] != b.end[k]) {
      ++differing;
      axis = k;
    }
  if (differing != 1) return std::nullopt;
  if (a.end[axis] != b.begin[axis] && b.end[axis] != a.begin[axis]) return std::nullopt;
  Box joined = a;
  joined.begin[axis] = std::min(a.begin[axis], b.begin[axis]);
  joined.end[axis] = std::max(a.end[axis], b.end[axis]);
  return Join{a, b, joined, domain};
}

template <class R>
concept Reduction = std::movable<typename R::State> && std::default_initializable<typename R::State> &&
    requires(const R& r, typename R::State& state, const typename R::State& constant, const Setup& setup,
             const BlockInputs& inputs, const ReductionContext& context, const Join& join,
             NameChanges& changes, ByteWriter& writer, ByteReader& reader) {
  { r.contract(setup) } -> std::same_as<Contract>;
  { r.absorb(inputs, context, changes) } -> std::same_as<typename R::State>;
  { r.merge(std::move(state), std::move(state), join, context, changes) } -> std::same_as<typename R::State>;
  r.settle(state, context, changes);
  { r.finish(std::move(state), context) } -> std::same_as<Bytes>;
  { r.open_names(constant) } -> std::ranges::input_range;
  r.pack(constant, writer);
  { r.unpack(reader, context) } -> std::same_as<typename R::State>;
};

/// A tree reduction whose inner workings can be varied without changing its result: for the reduction kit.
class TunableReduction : public TreeReduction {
 public:
  struct Tuning {
    bool settle_early = true;    ///< settle at every join, not only at the root
    bool swap_children = false;  ///< merge(b, a) instead of merge(a, b)
  };
  void tune(const Tuning& tuning) { tuning_ = tuning; }

 protected:
  const Tuning& tuning() const { return tuning_; }

 private:
  Tuning tuning_;
};

/// The tree reduction of a typed one: joins the children of a node first along x, then y, then z, and
/// composes what becomes of their names.
template <Reduction R>
class TreeReductionOf final : public TunableReduction {
 public:
  template <class... Args>
  requires std::constructible_from<R, Args...>
  explicit TreeReductionOf(Args&&... args) : reduction_{std::forward<Args>(args)...} {}

  Contract contract(const Setup& setup) const override { return reduction_.contract(setup); }

  NodeResult leaf(const BlockInputs& inputs, const NodeContext& node) const override {
    const ReductionContext context{node};
    NameChanges changes{context.pool};
    State state = reduction_.absorb(inputs, context, changes);
    settle(state, context, changes);
    return result(std::move(state), context, std::move(changes));
  }

  NodeResult node(const std::vector<ChildState>& children, const NodeContext& node) const override {
    PETAVOX_ASSERT(!children.empty());
    const ReductionContext context{node};
    NameChanges changes{context.pool};
    std::vector<Part> parts;
    for (const ChildState& child : children) parts.push_back({child.box, child.state, std::nullopt});
    for (const int axis : {2, 1, 0}) join_along(axis, parts, context, changes);
    PETAVOX_ASSERT(parts.size() == 1 && parts.front().box == context.box);
    State state = take(parts.front(), context);
    // A single child was settled in its own box, which is this one: settling again changes nothing.
    if (children.size() == 1) settle(state, context, changes);
    return result(std::move(state), context, std::move(changes));
  }

  const R& reduction() const { return reduction_; }

 private:
  using State = typename R::State;
  /// A box on its way up: packed until it is needed.
  struct Part {
    Box box;
    std::span<const std::byte> packed;
    std::optional<State> state;
  };

  State take(Part& part, const ReductionContext& context) const {
    if (part.state) return std::move(*part.state);
    if (part.packed.empty()) return State{};
    ByteReader reader{part.packed};
    State state = reduction_.unpack(reader, context.at(part.box));
    if (!reader.done())
      throw Error{ErrorCode::io, "a reduction state of box " + to_string(part.box) +
                                     " is too long (it is damaged); the object is refused"};
    return state;
  }

  void join_along(int axis, std::vector<Part>& parts, const ReductionContext& context,
                  NameChanges& changes) const {
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (std::size_t j = i + 1; j < parts.size(); ++j) {
        std::optional<Join> join = join_of(parts[i].box, parts[j].box, context.domain);
        if (!join || join->axis() != axis) continue;
        const ReductionContext here = context.at(join->joined);
        State a = take(parts[i], context), b = take(parts[j], context);
        if (tuning().swap_children) {
          std::swap(a, b);
          std::swap(join->a, join->b);
        }
        NameChanges step{context.pool};
        parts[i].state = reduction_.merge(std::move(a), std::move(b), *join, here, step);
        changes.then(std::move(step));
        settle(*parts[i].state, here, changes);
        parts[i].box = join->joined;
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(j));
        j = i;  // the grown box may meet one that was passed
      }
  }

  void settle(State& state, const ReductionContext& context, NameChanges& changes) const {
    if (!tuning().settle_early && !context.root()) return;
    NameChanges step{context.pool};
    reduction_.settle(state, context, step);
    changes.then(std::move(step));
  }

  NodeResult result(State state, const ReductionContext& context, NameChanges changes) const {
    NodeResult out;
    out.assignments = changes.assignments(reduction_.open_names(state));
    if (context.root()) {
      const auto& open = reduction_.open_names(state);
      PETAVOX_ASSERT(std::ranges::begin(open) == std::ranges::end(open));
      out.summary = reduction_.finish(std::move(state), context);
    } else {
      ByteWriter writer;
      reduction_.pack(state, writer);
      out.state = writer.take();
    }
    return out;
  }

  R reduction_;
};

}  // namespace petavox
