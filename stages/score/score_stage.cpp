#include "stages/score/score_stage.hpp"

#include "petavox/reduce/first_voxel.hpp"

#include <algorithm>
#include <charconv>

namespace petavox {
namespace {

static_assert(Reduction<Score>);
using score::Cell;

constexpr DTypeSet integers{DType::u8, DType::u16, DType::u32, DType::u64,
                            DType::i8, DType::i16, DType::i32, DType::i64};

InPort image_port(const char* name, bool optional) {
  InPort port;
  port.name = name;
  port.accepts = integers;
  port.optional = optional;
  return port;
}

/// A label as written in a configuration; negative ones as two's complement.
std::optional<std::uint64_t> parse_label(const std::string& text) {
  const char *begin = text.data(), *end = begin + text.size();
  std::uint64_t label = 0;
  std::int64_t negative = 0;
  if (const auto r = std::from_chars(begin, end, label); r.ec == std::errc{} && r.ptr == end) return label;
  if (const auto r = std::from_chars(begin, end, negative); r.ec == std::errc{} && r.ptr == end)
    return static_cast<std::uint64_t>(negative);
  return std::nullopt;
}

/// The sorted union of two sorted, distinct tables; counts of a common cell are added.
SpillVector<Cell> merged(const SpillVector<Cell>& a, const SpillVector<Cell>& b,
                         const ReductionContext& context) {
  auto sum = context.array<Cell>();
  sum.reserve(a.size() + b.size());
  const Cell *i = a.begin(), *j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && score::cell_before(*i, *j))) {
      sum.push_back(*i++);
    } else if (i == a.end() || score::cell_before(*j, *i)) {
      sum.push_back(*j++);
    } else {
      Cell both = *i++;
      both.count += j++->count;
      sum.push_back(both);
    }
  }
  return sum;
}

[[noreturn]] void not_connected(Name name, const Box& box) {
  throw Error{ErrorCode::stage,
              "label " + std::to_string(name) +
                  " has parts that do not touch, or is not called by its first voxel, seen in "
                  "box " +
                  to_string(box) +
                  " (its voxels would be counted as several objects); set score.connected: "
                  "false"};
}

SpillVector<Score::Reach> merged(const SpillVector<Score::Reach>& a, const SpillVector<Score::Reach>& b,
                                 const Join& join, const ReductionContext& context) {
  auto all = context.array<Score::Reach>();
  all.reserve(a.size() + b.size());
  const std::uint64_t keep_a = ~std::uint64_t{join.face_of_a()}, keep_b = ~std::uint64_t{join.face_of_b()};
  const Score::Reach *i = a.begin(), *j = b.begin();
  while (i != a.end() || j != b.end()) {
    Score::Reach reach;
    const bool from_a = j == b.end() || (i != a.end() && i->name <= j->name);
    const bool from_b = i == a.end() || (j != b.end() && j->name <= i->name);
    reach.name = from_a ? i->name : j->name;
    if (from_a != from_b && begins_in(reach.name, from_a ? join.b : join.a, join.domain))
      not_connected(reach.name, from_a ? join.a : join.b);
    if (from_a) reach.faces |= i++->faces & keep_a;
    if (from_b) reach.faces |= j++->faces & keep_b;
    all.push_back(reach);
  }
  return all;
}

template <class T>
SpillVector<T> unpack_array(ByteReader& reader, const ReductionContext& context) {
  const auto count = reader.get<std::uint64_t>();
  if (count > reader.remaining() / sizeof(T))
    throw Error{ErrorCode::io, "a state of score ends too early (it is damaged); the object is refused"};
  auto array = context.array<T>();
  array.resize(static_cast<std::size_t>(count));
  const auto raw = reader.get_raw(array.size() * sizeof(T));
  if (!raw.empty()) std::memcpy(static_cast<void*>(array.data()), raw.data(), raw.size());
  return array;
}

void pack_histogram(const score::Histogram& histogram, ByteWriter& writer) {
  writer.put(static_cast<std::uint64_t>(histogram.size()));
  for (const auto& [count, cells] : histogram) {
    writer.put(count);
    writer.put(cells);
  }
}
score::Histogram unpack_histogram(ByteReader& reader) {
  score::Histogram histogram;
  for (auto left = reader.get<std::uint64_t>(); left > 0; --left) {
    const auto count = reader.get<std::uint64_t>();
    histogram[count] += reader.get<std::uint64_t>();
  }
  return histogram;
}

}  // namespace

Score::Score(Params& params) {
  counting_.ignored_truths.clear();
  for (const std::string& text :
       params.texts("ignore_truth", {"0"}, "truth labels whose voxels are not scored")) {
    if (const auto label = parse_label(text))
      counting_.ignored_truths.push_back(*label);
    else
      params.problem("ignore_truth",
                     "'" + text + "' is not a label (labels are whole numbers); write digits only");
  }
  counting_.sections =
      params.choice("mode", "3d", {"3d", "2d"}, "2d: the same label in two sections is two objects") == "2d";
  connected_ =
      params.flag("connected", false,
                  "labels hang together and are called by their first voxel, as segments are: counts of "
                  "a label that is complete leave early, so that the states of huge volumes stay small");
}

Contract Score::contract(const Setup&) const {
  InPort labels;
  labels.name = "labels";
  labels.kind = PortKind::labels;
  labels.volume = "segments";
  OutPort score;
  score.name = "score";
  score.kind = PortKind::summary;
  Contract contract;
  contract.reads = {labels, image_port("truth", false), image_port("ignore", true)};
  contract.writes = {score};
  return contract;
}

score::Counts Score::count_slab(const BlockInputs& inputs, const ReductionContext& context,
                                const Box& box) const {
  const LabelArray labels = inputs.labels("labels", box);
  const Array truth = inputs.image("truth", box);
  std::optional<Array> ignore;
  if (inputs.has("ignore")) {
    ignore.emplace(DType::u8, box, context.domain);
    const Box known = box.intersect(inputs.readable("ignore"));
    if (!known.empty()) {
      const Array part = inputs.image("ignore", known);
      visit_dtype(part.dtype(), [&]<class T>(std::type_identity<T>) {
        const auto from = part.view<T>();
        const auto to = ignore->view<std::uint8_t>();
        known.for_each([&](Coord p) { to[p] = from[p] != T{0} ? 1 : 0; });
      });
    }
  }
  const std::optional<Array> inside = inputs.mask(box);
  return score::count_box(labels, truth, ignore ? &*ignore : nullptr, inside ? &*inside : nullptr, box,
                          counting_);
}

Score::State Score::absorb(const BlockInputs& inputs, const ReductionContext& context, NameChanges&) const {
  State state{context.array<Cell>(), 0, context.array<Reach>(), context.array<Cell>(), {}};
  if (connected_) {
    const LabelTable table = inputs.label_table("labels");
    for (std::size_t i = 0; i < table.names.size(); ++i)
      if (table.names[i] != 0) state.reaches.push_back({table.names[i], table.faces[i]});
    std::sort(state.reaches.begin(), state.reaches.end(),
              [](const Reach& a, const Reach& b) { return a.name < b.name; });
    std::size_t kept = 0;  // several ids may have one name
    for (std::size_t i = 0; i < state.reaches.size(); ++i) {
      if (kept > 0 && state.reaches[kept - 1].name == state.reaches[i].name)
        state.reaches[kept - 1].faces |= state.reaches[i].faces;
      else
        state.reaches[kept++] = state.reaches[i];
    }
    state.reaches.resize(kept);
  }
  // A truth may cover a part of the labels only.
  const Box box = inputs.core().intersect(inputs.readable("truth"));
  if (box.empty()) return state;
  // Slab by slab: both volumes at once would be the largest thing that a worker holds.
  const Index area = std::max<Index>(1, box.shape().y * box.shape().x);
  const Index depth = std::max<Index>(32, (Index{1} << 22) / area);
  std::vector<score::Cell> cells;
  for (Index z = box.begin.z; z < box.end.z; z += depth) {
    Box slab = box;
    slab.begin.z = z;
    slab.end.z = std::min(z + depth, box.end.z);
    const score::Counts counts = count_slab(inputs, context, slab);
    cells.insert(cells.end(), counts.cells.begin(), counts.cells.end());
    state.voxels += counts.voxels;
  }
  cells.resize(score::combine(cells));
  state.cells.append(cells);
  return state;
}

Score::State Score::merge(State a, State b, const Join& join, const ReductionContext& context,
                          NameChanges&) const {
  State state{merged(a.cells, b.cells, context), a.voxels + b.voxels,
              merged(a.reaches, b.reaches, join, context), merged(a.truths, b.truths, context),
              std::move(a.left)};
  state.left += b.left;
  return state;
}

void Score::settle(State& state, const ReductionContext& context, NameChanges&) const {
  if (!connected_ || context.root()) return;
  std::size_t kept_reaches = 0;
  for (const Reach& reach : state.reaches)
    if ((reach.faces & context.open()) != 0)
      state.reaches[kept_reaches++] = reach;
    else if (!begins_in(reach.name, context.box, context.domain))
      not_connected(reach.name, context.box);
  state.reaches.resize(kept_reaches);

  auto leaving = context.array<Cell>();
  std::size_t kept = 0;
  const Reach* reach = state.reaches.begin();
  for (const Cell& cell : state.cells) {
    while (reach != state.reaches.end() && reach->name < cell.label) ++reach;
    const bool open = cell.label == 0 || (reach != state.reaches.end() && reach->name == cell.label);
    if (open)
      state.cells[kept++] = cell;
    else
      leaving.push_back(cell);
  }
  state.cells.resize(kept);
  score::Tally tally = score::tally_of(leaving.span(), 0, context.array<Cell>());
  tally.truths.clear();  // truth labels need not be connected: their sums travel to the root
  state.left += tally;
  for (Cell& cell : leaving) cell.label = 0;
  leaving.resize(score::combine(leaving.span()));
  state.truths = merged(state.truths, leaving, context);
}

Bytes Score::finish(State state, const ReductionContext&) const {
  score::Tally tally = score::tally_of(state.cells.span(), state.voxels, std::move(state.truths));
  tally += state.left;
  const std::string text = score::to_json(score::scores_of(tally));
  const auto bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

void Score::pack(const State& state, ByteWriter& writer) const {
  writer.put(state.voxels);
  writer.put_span(state.cells.span());
  writer.put_span(state.reaches.span());
  writer.put_span(state.truths.span());
  pack_histogram(state.left.pairs, writer);
  pack_histogram(state.left.labels, writer);
}

Score::State Score::unpack(ByteReader& reader, const ReductionContext& context) const {
  State state;
  state.voxels = reader.get<std::uint64_t>();
  state.cells = unpack_array<Cell>(reader, context);
  state.reaches = unpack_array<Reach>(reader, context);
  state.truths = unpack_array<Cell>(reader, context);
  state.left.pairs = unpack_histogram(reader);
  state.left.labels = unpack_histogram(reader);
  return state;
}

}  // namespace petavox
