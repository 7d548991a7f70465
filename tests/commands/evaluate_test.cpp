#include <cmath>
#include <map>

#include "emotion/eval/picture_view.h"
#include "emotion/text/textcnn.h"
#include "measure.h"

// emotion_eval as it is called: two networks compared, classes by their words, classes that the network and the data do not
// share.
namespace emotion {
namespace {

class EvaluateCommandTest : public MeasureTest {
 protected:
  /// Twelve pictures at most: all of them are among an evaluation's examples.
  static std::map<std::string, nlohmann::json> by_image(const nlohmann::json& json) {
    std::map<std::string, nlohmann::json> found;
    for (const auto& example : json["examples"]) found[example["image"]] = example;
    return found;
  }
  static VisualModel joint() {
    write_joint("joint.safetensors");
    return VisualModel::open(root() / "joint.safetensors", {}, Device::open("cpu"));
  }
  /// Features of the first twelve pictures, float [12, 512].
  static at::Tensor features(const VisualModel& model) {
    return extract_features(model, Device::open("cpu"), Manifest::open(Dataset::open(root() / "twelve"), "test"));
  }
  static nlohmann::json zero_shot(const std::vector<std::string>& more) {
    std::vector<std::string> words{"emotion_eval", "--checkpoint", "joint.safetensors", "--data", "twelve", "--zero-shot",
                                   "--output",     "zero",         "--bootstrap",       "20"};
    words.insert(words.end(), more.begin(), more.end());
    output(words);
    return metrics("zero");
  }
  struct Nearest {
    std::string name;
    double cosine;
  };
  /// The best of cosine(images, classes), each [n, D]: by the formula.
  static std::vector<Nearest> nearest(const at::Tensor& images, const at::Tensor& classes) {
    const at::Tensor a = images.to(at::kDouble), b = classes.to(at::kDouble);
    const auto [cosine, best] = (a.matmul(b.t()) / a.norm(2, 1, true) / b.norm(2, 1).unsqueeze(0)).max(1);
    std::vector<Nearest> found;
    for (std::int64_t i = 0; i < best.size(0); ++i)
      found.push_back({kMoods[static_cast<std::size_t>(best[i].item<std::int64_t>())], cosine[i].item<double>()});
    return found;
  }
  static void expect_predictions(const nlohmann::json& json, const std::vector<Nearest>& expected) {
    const auto found = by_image(json);
    ASSERT_EQ(found.size(), expected.size());
    double right = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const nlohmann::json& example = found.at(image(static_cast<int>(i)));
      EXPECT_EQ(example["prediction"], expected[i].name) << i;
      EXPECT_NEAR(example.value("cosine", -2.0), expected[i].cosine, 1e-4) << i;
      EXPECT_FALSE(example.contains("probability")) << i;
      right += expected[i].name == kMoods[i % 8];
    }
    EXPECT_NEAR(json["top1"], right / static_cast<double>(expected.size()), 1e-12);
    EXPECT_FALSE(json.contains("calibration")) << "a cosine is no probability";
    EXPECT_FALSE(json["intervals"].contains("ece"));
    EXPECT_TRUE(json["intervals"].contains("top1"));
  }
};

TEST_F(EvaluateCommandTest, TwoNetworksAreComparedSampleBySample) {
  write_eight("twelve", 12);
  write_classifier("second.safetensors", kMoods, 2);
  const auto measure = [&](const std::string& network, const std::string& data) {
    run({"emotion_eval", "--checkpoint", network, "--data", data, "--output", "alone", "--bootstrap", "0"});
    return by_image(metrics("alone"));
  };
  // Labels that each network is right about for some pictures: first what the one says, then the other, then neither.
  auto first = measure("net.safetensors", "twelve"), second = measure("second.safetensors", "twelve");
  std::string lines;
  for (int i = 0; i < 12; ++i) {
    const std::string one = first.at(image(i))["prediction"], two = second.at(image(i))["prediction"];
    std::string label = i < 6 ? one : i < 9 ? two : "";
    for (const auto& mood : kMoods) {
      if (label.empty() && mood != one && mood != two) label = mood;
    }
    lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"{}\"]}}\n", image(i), label);
  }
  write_dataset("judged", kMoods, lines);
  first = measure("net.safetensors", "judged");
  second = measure("second.safetensors", "judged");
  std::map<std::pair<bool, bool>, int> counts;
  for (const auto& [name, example] : first)
    ++counts[std::pair(example["right"].get<bool>(), second.at(name)["right"].get<bool>())];
  const int only_first = counts[{true, false}], only_second = counts[{false, true}];
  const auto result = run({"emotion_eval", "--checkpoint", "net.safetensors", "--compare", "second.safetensors", "--data",
                           "judged", "--output", "compared", "--bootstrap", "0"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const auto comparison = metrics("compared")["comparison"];
  EXPECT_EQ(comparison["checkpoint"], "second.safetensors");
  EXPECT_EQ(comparison["both"], (counts[{true, true}]));
  EXPECT_EQ(comparison["only_first"], only_first);
  EXPECT_EQ(comparison["only_second"], only_second);
  EXPECT_EQ(comparison["neither"], (counts[{false, false}]));
  EXPECT_GE(comparison["neither"], 3);
  EXPECT_GE(only_first + comparison["both"].get<int>(), 6);
  // Exact: twice the binomial tail of the smaller count, at most 1.
  const int n = only_first + only_second, smaller = std::min(only_first, only_second);
  double tail = 0;
  for (int i = 0; i <= smaller; ++i) tail += std::tgamma(n + 1) / std::tgamma(i + 1) / std::tgamma(n - i + 1) / std::pow(2, n);
  EXPECT_EQ(comparison["test"], "exact");
  EXPECT_NEAR(comparison["p"], std::min(1.0, 2 * tail), 1e-12);
  EXPECT_NE(result.output.find(fmt::format("against second.safetensors: right both {}, this alone {}, the other alone {}",
                                           counts[{true, true}], only_first, only_second)),
            std::string::npos)
      << result.output;
  refuses({"emotion_eval", "--checkpoint", "net.safetensors", "--compare", "second.safetensors", "--zero-shot", "--data",
           "judged", "--output", "out"},
          2, "--zero-shot and --compare do not go together");
}

TEST_F(EvaluateCommandTest, ZeroShotByWordVectors) {
  write_eight("twelve", 12);
  const VisualModel model = joint();
  at::manual_seed(9);
  const at::Tensor points = at::randn({8, 4});
  std::string vectors = "8 4\n";
  for (std::int64_t k = 0; k < 8; ++k) {
    vectors += kMoods[static_cast<std::size_t>(k)];
    for (std::int64_t d = 0; d < 4; ++d) vectors += fmt::format(" {:.7g}", points[k][d].item<float>());
    vectors += "\n";
  }
  write_text(root() / "moods.txt", vectors);
  const at::NoGradGuard no_grad;
  expect_predictions(zero_shot({"--word2vec", "moods.txt"}), nearest(model.projection(features(model)), points));
}

TEST_F(EvaluateCommandTest, ZeroShotByATextCNN) {
  write_eight("twelve", 12);
  const VisualModel model = joint();
  at::manual_seed(10);
  TextCNN network(TextCNNOptions{.vocabulary = 8, .classes = 8, .dimension = 6});
  network->eval();
  const at::NoGradGuard no_grad;
  network->classifier->weight.mul_(20);  // words that differ in what they evoke
  ModelInfo text = info("textcnn", kMoods);
  text.config = "task: textcnn\ntext: {max_keywords: 3}\n";
  text.vocabulary = kMoods;
  write_network(root() / "text.safetensors", *network, text);
  at::Tensor ids = at::full({8, 3}, 9, at::kLong);  // 9 = padding
  ids.select(1, 0).copy_(at::arange(8));
  const at::Tensor emotions = at::softmax(network->forward(ids), 1);
  expect_predictions(zero_shot({"--textcnn", "text.safetensors"}),
                     nearest(at::softmax(model.logits(features(model)), 1), emotions));
}

// One number a word, "sun" 1 and "sea" 3; what is behind the mean x over the places that are read gives the logits x and -x, so
// that the better class has the probability 1 / (1 + e^-2x).
TEST_F(EvaluateCommandTest, SettingsSayHowMuchATextCNNReads) {
  TextCNN network(TextCNNOptions{.vocabulary = 2, .classes = 2, .dimension = 1});
  {
    const at::NoGradGuard no_grad;
    network->embedding->weight.copy_(at::tensor({1.0F, 3.0F, 0.0F, 0.0F}).view({4, 1}));
    network->classifier->weight.copy_(at::tensor({1.0F, -1.0F}).view({2, 1}));
    for (const at::Tensor& weight : {network->conv->weight, network->hidden->weight}) weight.fill_(1);
    for (const at::Tensor& bias : {network->conv->bias, network->hidden->bias, network->classifier->bias}) bias.zero_();
  }
  ModelInfo text = info("textcnn", {"awe", "fear"});
  text.config = "task: textcnn\ntext: {max_keywords: 3}\n";
  text.vocabulary = {"sun", "sea"};
  write_network(root() / "reader.safetensors", *network, text);
  write_dataset("lists", {"awe", "fear"},
                fmt::format("{{\"image\": \"{}\", \"labels\": [\"awe\"], \"keywords\": [\"sun\", \"sea\"]}}\n"
                            "{{\"image\": \"{}\", \"labels\": [\"fear\"], \"keywords\": [\"sun\"]}}\n",
                            image(0), image(1)));
  const auto probabilities = [](const Words& more) {
    output(joined(
        {"emotion_eval", "--checkpoint", "reader.safetensors", "--data", "lists", "--output", "read", "--bootstrap", "0"}, more));
    const auto found = by_image(metrics("read"));
    return std::pair(found.at(image(0))["probability"].get<double>(), found.at(image(1))["probability"].get<double>());
  };
  const auto usual = probabilities({});  // x = 4/3 and 1/3: two of the three places, and one
  EXPECT_NEAR(usual.first, 0.935031, 1e-4);
  EXPECT_NEAR(usual.second, 0.660757, 1e-4);
  const auto one = probabilities({"--set", "text.max_keywords=1"});  // x = 1
  EXPECT_NEAR(one.first, 0.880797, 1e-4);
  EXPECT_NEAR(one.second, 0.880797, 1e-4);
}

// Else every picture would be framed in black, without a word.
TEST_F(EvaluateCommandTest, PicturesThatAreSetMustGoWithThoseOfTheNetwork) {
  write_eight("eight");
  for (const Words& words : {Words{"emotion_eval"}, {"emotion_probe", "--no-cache"}}) {
    refuses(joined(words, {"--checkpoint", "net.safetensors", "--data", "eight", "--output", "out", "--set", "data.size=40"}), 2,
            "--set data.size=40: data.resize 32 is below data.size 40: validation would see pictures in a black frame; set "
            "data.resize to at least data.size");
  }
}

TEST_F(EvaluateCommandTest, TheDeviceMayBeSetAsFarAsNoFlagGivesIt) {
  write_eight("eight");
  const Words flags{"--checkpoint", "net.safetensors", "--set", "device=gpu"};
  for (const Words& words : {Words{"emotion_eval", "--data", "eight", "--output", "out"},
                             {"emotion_extract", "--data", "eight", "--out", "out"},
                             {"emotion_predict", "moods/" + image(0), "--report", "out"},
                             {"emotion_search", "index", "--data", "eight", "--out", "out"}})
    refuses(joined(words, flags), 2, "device 'gpu' is not known; auto, cpu, cuda or cuda:N");
  output(joined({"emotion_eval", "--data", "eight", "--bootstrap", "0", "--device", "cpu"}, flags));
}

TEST_F(EvaluateCommandTest, AWarningNamesBothListsOfClasses) {
  std::string lines;
  for (int i = 0; i < 4; ++i)
    lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"{}\"]}}\n", image(i), i % 2 ? "awe" : "fear");
  write_dataset("two", {"fear", "awe"}, lines);
  const auto result =
      run({"emotion_eval", "--checkpoint", "net.safetensors", "--data", "two", "--output", "out-two", "--bootstrap", "0"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.errors,
            fmt::format("warning: two/dataset.yaml: its 2 classes (fear, awe) are a part of the network's 8 ({}); 6 "
                        "have no sample and do not count in mAP\n",
                        fmt::join(kMoods, ", ")));
  write_dataset("eight", kMoods, lines);
  EXPECT_EQ(
      run({"emotion_eval", "--checkpoint", "net.safetensors", "--data", "eight", "--bootstrap", "0"}).errors,
      "warning: no sample of 6 of 8 classes: amusement, contentment, excitement, anger, disgust, sadness; they do not count "
      "in mAP\n");
}

}  // namespace
}  // namespace emotion
