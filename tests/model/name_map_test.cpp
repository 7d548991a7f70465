#include "emotion/model/name_map.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names(const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& entry : state.entries) names.push_back(entry.name);
  return names;
}

StateDict state(const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& tensors) {
  StateDict state;
  for (const auto& [name, shape] : tensors) state.add(name, at::zeros(shape));
  return state;
}

TEST(NameMap, TheReleasedEmotionNetAndBack) {
  const StateDict released =
      state({{"conv1.weight", {1}}, {"layer1.0.bn1.bias", {1}}, {"fc.weight", {1}}, {"proj.bias", {1}}, {"fc_aux.bias", {1}}});
  const StateDict ours = NameMap::built_in("emotionnet")(released, "f");
  EXPECT_THAT(names(ours), ElementsAre("backbone.conv1.weight", "backbone.layer1.0.bn1.bias", "classifier.weight",
                                       "projection.bias", "extra_classifier.bias"));
  EXPECT_EQ(names(NameMap::built_in("emotionnet")(ours, "f")), names(ours)) << "its own names stay";
  EXPECT_EQ(names(NameMap::built_in("torchvision")(ours, "f")), names(released));
  EXPECT_EQ(error_of<ConfigError>([] { NameMap::built_in("emotionnt"); }),
            "--map is 'emotionnt', which is neither a file nor emotionnet nor torchvision");
}

TEST(NameMap, AFileOfRules) {
  const ScratchFolder folder;
  const auto file = folder.path() / "map.tsv";
  write_text(file, "\xef\xbb\xbf# a network for faces\r\nlogits\\..*\t-\r\nconv2d_(\\d)a\\.(.*)\tlayer$1.$2\n");
  const NameMap map = NameMap::read(file);
  EXPECT_EQ(map("logits.weight"), std::nullopt);
  EXPECT_EQ(map("conv2d_1a.bn.weight"), "layer1.bn.weight");
  EXPECT_EQ(map("other.conv2d_1a.bn"), "other.conv2d_1a.bn") << "the whole name must fit";
  EXPECT_EQ(error_of<WeightsError>([&] {
              map(state({{"conv2d_1a.w", {1}}, {"layer1.w", {1}}}), "f");
            }),
            "f: conv2d_1a.w and layer1.w would both become layer1.w; mend the map");
  const auto error = [&](const std::string& text) {
    write_text(file, text);
    return error_of<DataError>([&] { NameMap::read(file); });
  };
  EXPECT_EQ(error("a b\n"), file.string() + ":1: pattern<TAB>replacement is wanted");
  EXPECT_EQ(error("\na(\tb\n"), file.string() + ":2: 'a(' is no regular expression");
  EXPECT_EQ(error("# nothing\n"), file.string() + ": there is no rule in it");
}

TEST(CompareStates, EveryDifferenceHasItsNearestCandidate) {
  const StateDict given =
      state({{"backbone.conv1.weight", {64, 3, 7, 7}}, {"bn1.weight", {64}}, {"fc.weight", {8, 512}}, {"layer1.weigth", {5}}});
  const StateDict wanted =
      state({{"conv1.weight", {64, 3, 7, 7}}, {"bn1.weight", {32}}, {"layer1.weight", {5}}, {"bn1.num_batches_tracked", {}}});
  const StateDifference difference = compare_states(given, wanted);
  EXPECT_THAT(difference.missing, ElementsAre("conv1.weight [64, 3, 7, 7]; nearest: backbone.conv1.weight [64, 3, 7, 7]",
                                              "layer1.weight [5]; nearest: layer1.weigth [5]"));
  EXPECT_THAT(difference.misshapen, ElementsAre("bn1.weight [64], [32] is wanted"));
  EXPECT_THAT(difference.surplus, ElementsAre("backbone.conv1.weight [64, 3, 7, 7]; nearest: conv1.weight [64, 3, 7, 7]",
                                              "fc.weight [8, 512]", "layer1.weigth [5]; nearest: layer1.weight [5]"));
}

}  // namespace
}  // namespace emotion
