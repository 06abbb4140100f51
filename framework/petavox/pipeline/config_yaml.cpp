#include "petavox/pipeline/config_detail.hpp"

#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace petavox::config_detail {
namespace {

struct Refused {
  Position where;
  std::string text;
};

/// Builds the tree from parser events, so that no other representation with limits of its own is in between.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string origin) : origin_{std::move(origin)} {}

  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Value value;
    value.where = at(mark);
    leaf(std::move(value), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      refuse(mark, "an alias refers to a value that contains it (it would never end); write the value out");
    count(mark, found->second.nodes);
    // A copy, deepened by this place: it must respect the depth limit too.
    if (frames_.size() + found->second.depth > static_cast<std::size_t>(max_config_depth)) too_deep(mark);
    if (!frames_.empty()) frames_.back().depth = std::max(frames_.back().depth, found->second.depth + 1);
    place(found->second.value, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check_tag(mark, tag);
    Value value = Value::text(text, at(mark));
    value.quoted = tag == "!";
    leaf(std::move(value), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, Value::Kind::list, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, Value::Kind::map, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Value value;
    YAML::anchor_t anchor;
    std::size_t first_node;
    std::size_t depth = 1;  // of the deepest value inside
    std::set<std::string> keys{};
    bool has_key = false;
    std::string key{};
    Position key_where{};
  };
  struct Anchor {
    Value value;
    std::size_t nodes, depth;
  };

  Position at(const YAML::Mark& mark) const { return {origin_, mark.line + 1, mark.column + 1}; }
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string text) const {
    throw Refused{at(mark), std::move(text)};
  }
  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    refuse(mark, fmt::format("values are nested more than {} deep (no setting needs that); flatten the file",
                             max_config_depth));
  }
  void count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > max_config_nodes)
      refuse(mark,
             fmt::format("the configuration has more than {} values (aliases included; reading on could "
                         "exhaust memory); shorten it",
                         max_config_nodes));
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(mark, fmt::format("the YAML tag '{}' is not supported (values have their type from the key); "
                               "remove the tag",
                               tag.substr(0, 80)));
  }
  void leaf(Value value, YAML::anchor_t anchor) {
    const YAML::Mark mark = mark_of(value);
    count(mark, 1);
    if (anchor != 0) anchors_[anchor] = {value, 1, 0};
    place(std::move(value), mark);
  }
  void open(const YAML::Mark& mark, Value::Kind kind, YAML::anchor_t anchor) {
    const bool is_key =
        !frames_.empty() && frames_.back().value.kind == Value::Kind::map && !frames_.back().has_key;
    if (is_key)
      refuse(mark, "a key is a list or a map, or a bracket is not closed (keys are words); write a word");
    count(mark, 1);
    if (frames_.size() >= static_cast<std::size_t>(max_config_depth)) too_deep(mark);
    Frame frame{{}, anchor, nodes_ - 1};
    frame.value.kind = kind;
    frame.value.where = at(mark);
    frames_.push_back(std::move(frame));
  }
  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = {frame.value, nodes_ - frame.first_node, frame.depth};
    if (!frames_.empty()) frames_.back().depth = std::max(frames_.back().depth, frame.depth + 1);
    place(std::move(frame.value), {});
  }
  void place(Value value, const YAML::Mark& mark) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.value.kind == Value::Kind::list) {
      frame.value.items.push_back(std::move(value));
    } else if (!frame.has_key) {
      if (value.kind != Value::Kind::scalar) refuse(mark, "a key is empty (keys are words); write a word");
      if (!frame.keys.insert(value.scalar).second)
        refuse(mark, fmt::format("the key '{}' stands twice in one map (one of the values would be lost); "
                                 "remove one",
                                 value.scalar.substr(0, 80)));
      frame.key = std::move(value.scalar);
      frame.key_where = value.where;
      frame.has_key = true;
    } else {
      // The parser places a missing value at what follows it.
      if (value.kind == Value::Kind::none) value.where = frame.key_where;
      frame.value.entries.emplace_back(std::move(frame.key), std::move(value));
      frame.has_key = false;
    }
  }
  static YAML::Mark mark_of(const Value& value) {
    YAML::Mark mark;
    mark.line = value.where.line - 1;
    mark.column = value.where.column - 1;
    return mark;
  }

  std::string origin_;
  Value root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchor> anchors_;
  std::size_t nodes_ = 0;
};

/// The parser looks ahead over brackets and keeps a token for each, whatever depth the builder allows.
bool too_many_brackets(std::string_view text) {
  constexpr std::ptrdiff_t limit = 20'000;
  return std::count_if(text.begin(), text.end(), [](char c) { return c == '[' || c == '{'; }) > limit;
}

}  // namespace

Value parse_yaml(std::string_view text, const std::string& origin, Problems& problems) {
  if (text.size() > max_config_bytes || too_many_brackets(text)) {
    problems.add({origin}, fmt::format("the configuration is larger than {} bytes or has more than 20000 "
                                       "brackets (it cannot be a configuration); check the path",
                                       max_config_bytes));
    return {};
  }
  if (text.find('\0') != std::string_view::npos) {
    problems.add({origin}, "the configuration holds zero bytes (it is not a text file); check the path");
    return {};
  }
  std::istringstream stream{std::string{text}};
  TreeBuilder builder{origin};
  try {
    YAML::Parser parser{stream};
    parser.HandleNextDocument(builder);
    if (parser) {
      TreeBuilder rest{origin};
      if (parser.HandleNextDocument(rest))
        problems.add({origin},
                     "the file holds more than one YAML document (only the first would count); "
                     "remove the '---' lines and what follows");
    }
  } catch (const Refused& refused) {
    problems.add(refused.where, refused.text);
    return {};
  } catch (const YAML::ParserException& error) {
    problems.add(
        {origin, error.mark.line + 1, error.mark.column + 1},
        fmt::format("not valid YAML: {} (the rest of the file cannot be read); correct the line", error.msg));
    return {};
  } catch (const YAML::Exception& error) {
    problems.add({origin},
                 fmt::format("not valid YAML: {} (the file cannot be read); correct it", error.msg));
    return {};
  }
  return builder.take();
}

}  // namespace petavox::config_detail
