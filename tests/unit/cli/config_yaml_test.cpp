#include "petavox/pipeline/config_detail.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace petavox::config_detail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string problem_of(const std::string& yaml) {
  Problems problems;
  parse_yaml(yaml, "a.yaml", problems);
  return problems.empty() ? "none" : problems.texts().front();
}
Value parsed(const std::string& yaml) {
  Problems problems;
  Value value = parse_yaml(yaml, "a.yaml", problems);
  EXPECT_THAT(problems.texts(), ElementsAre());
  return value;
}

TEST(Yaml, KeepsOrderAndPlaces) {
  const Value root = parsed("b: 1\na:\n  - x\n  - [2, 3]\n");
  ASSERT_THAT(root.entries, SizeIs(2));
  EXPECT_EQ(root.entries[0].first, "b");
  EXPECT_EQ(to_string(root.entries[0].second.where), "a.yaml:1:4");
  EXPECT_EQ(root.entries[1].second.items[1].items[1].scalar, "3");
  EXPECT_EQ(to_string(root.entries[1].second.items[1].items[1].where), "a.yaml:4:9");
}

TEST(Yaml, PlacesAMissingValueAtItsKey) {
  const Value root = parsed("a:\n  b:\n  c: 1\n");
  EXPECT_EQ(to_string(root.find("a")->find("b")->where), "a.yaml:2:3");
}

TEST(Yaml, RefusesDuplicateKeysWithTheirPlace) {
  EXPECT_EQ(problem_of("a: 1\nb: 2\na: 3\n"),
            "a.yaml:3:1: the key 'a' stands twice in one map (one of the values would be lost); remove one");
}

TEST(Yaml, RefusesWhatItDoesNotMean) {
  EXPECT_THAT(problem_of("a: [1, 2\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(problem_of("a: b: c\n"), HasSubstr("a.yaml:1:5: not valid YAML"));
  EXPECT_THAT(problem_of("? [a]\n: 1\n"), HasSubstr("a key is a list or a map, or a bracket is not closed"));
  EXPECT_THAT(problem_of("~: 1\n"), HasSubstr("a key is empty"));
  EXPECT_THAT(problem_of("a: !!binary xyz\n"), HasSubstr("is not supported"));
  EXPECT_THAT(problem_of("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(problem_of(std::string{"a: 1\0b", 6}), HasSubstr("zero bytes"));
}

TEST(Yaml, CopiesAliases) {
  const Value root = parsed("a: &x {k: [1, 2]}\nb: *x\n");
  EXPECT_EQ(root.find("b")->find("k")->items[1].scalar, "2");
}

TEST(Yaml, RefusesABillionLaughs) {
  std::string text = "a0: &a0 [l, l, l, l, l, l, l, l, l, l]\n";
  for (int i = 1; i <= 9; ++i) {
    const std::string n = std::to_string(i), before = "*a" + std::to_string(i - 1);
    text += "a" + n + ": &a" + n + " [" + before;
    for (int k = 0; k < 9; ++k) text += ", " + before;
    text += "]\n";
  }
  EXPECT_THAT(problem_of(text), HasSubstr("has more than 100000 values (aliases included"));
}

TEST(Yaml, RefusesDepthByBracketsAndByAliases) {
  EXPECT_THAT(problem_of(std::string(10'000, '[') + std::string(10'000, ']')),
              HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(problem_of(std::string(1'000'000, '[')), HasSubstr("brackets"));
  std::string text = "a0: &a0 [1]\n";
  for (int i = 1; i < 60; ++i)
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  EXPECT_THAT(problem_of(text), HasSubstr("nested more than 32 deep"));
}

TEST(Yaml, RefusesAnAliasOfItself) { EXPECT_THAT(problem_of("a: &x [*x]\n"), HasSubstr("contains it")); }

TEST(Yaml, RefusesHugeText) {
  EXPECT_THAT(problem_of("a: " + std::string(max_config_bytes, 'x')), HasSubstr("larger than 1048576 bytes"));
}

TEST(Yaml, SurvivesRandomDamage) {
  const std::string good =
      "petavox: 1\ninput: {path: 'a b.h5', box: \"0:1,0:2,0:3\"}\nstages:\n  a: &x {k: [1, 2]}\n  b: *x\n";
  std::uint64_t state = 7;
  const auto random = [&] { return state = mix64(state + 0x9e3779b97f4a7c15ULL); };
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (std::uint64_t k = 0, n = 1 + random() % 6; k < n; ++k)
      text[random() % text.size()] = static_cast<char>(random());
    Problems problems;
    parse_yaml(text, "a.yaml", problems);
    refused += problems.empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

TEST(YamlEmitter, RoundTrips) {
  const std::string canonical =
      "petavox: 1\n"
      "input:\n"
      "  path: \"/a b/c#d: e.h5\"\n"
      "  box: [[0, 1], [2, 3], [\"-4\", 5]]\n"
      "empty: \"\"\n"
      "nothing: null\n"
      "word: \"null\"\n"
      "quote: \"a\\\"b\\\\c\\nd\"\n"
      "none: {}\n"
      "list:\n"
      "  -\n"
      "    k: v\n"
      "  - x\n";
  EXPECT_EQ(to_yaml(parsed(canonical)), canonical);
}

TEST(Overrides, SetNestedValuesAndTypes) {
  Problems problems;
  Value root = parsed("a: {b: 1}\n");
  apply_override(root, "a.b=2", problems);
  apply_override(root, "blocks.shape=[1,2,3]", problems);
  apply_override(root, "input.path=C=D # [x", problems);
  EXPECT_THAT(problems.texts(), ElementsAre());
  EXPECT_EQ(root.find("a")->find("b")->scalar, "2");
  EXPECT_TRUE(from_override(*root.find("a")->find("b")));
  EXPECT_EQ(root.find("blocks")->find("shape")->items[2].scalar, "3");
  EXPECT_EQ(root.find("input")->find("path")->scalar, "C=D # [x");
}

TEST(Overrides, PreferKeysWithDotsThatExist) {
  Problems problems;
  Value root = parsed("inputs:\n  truth.v1: {path: a}\n");
  apply_override(root, "inputs.truth.v1.path=b", problems);
  EXPECT_EQ(root.find("inputs")->find("truth.v1")->find("path")->scalar, "b");
}

TEST(Overrides, ReportWhatTheyCannotSet) {
  const auto problem = [](const std::string& text) {
    Problems problems;
    Value root = parsed("a: 1\nstages:\n  watershed: {}\n");
    apply_override(root, text, problems);
    return problems.empty() ? "none" : problems.texts().front();
  };
  EXPECT_THAT(problem("a"), HasSubstr("lacks its '='"));
  EXPECT_THAT(problem("=1"), HasSubstr("lacks its '='"));
  EXPECT_THAT(problem("a..b=1"), HasSubstr("empty part"));
  EXPECT_THAT(problem("a.b=1"), HasSubstr("--set a.b=1: 'a' is not a map"));
  EXPECT_THAT(problem("stages.watershd.low=1"), HasSubstr("did you mean 'watershed'?"));
  EXPECT_THAT(problem("a=[1"), HasSubstr("--set a=[1"));
}

}  // namespace
}  // namespace petavox::config_detail
