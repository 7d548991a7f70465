#include <cmath>

#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/error.h"
#include "emotion/eval/mikels_wheel.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/report/explanation.h"
#include "emotion/report/heat_map.h"
#include "emotion/report/wheel.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kMikels{"amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sad"};

TEST(MikelsWheel, OrdersTheEightWhateverTheirOrder) {
  EXPECT_THAT(mikels_order(kMikels), ElementsAre(5, 0, 3, 2, 7, 6, 4, 1));
  EXPECT_THAT(mikels_polarity(kMikels), ElementsAre(1, -1, 1, 1, -1, 1, -1, -1));
  EXPECT_THAT(mikels_order({"Sadness", "Fear", "Disgust", "Anger", "Awe", "Contentment", "Amusement", "Excitement"}),
              ElementsAre(7, 6, 5, 4, 0, 1, 2, 3));
  EXPECT_TRUE(mikels_order({"anger", "joy"}).empty());
  EXPECT_TRUE(mikels_polarity({"amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "joy"}).empty());
}

TEST(Wheel, AreaIsProbability) {
  const std::string svg = svg_wheel({"a", "b", "c", "d"}, {0.64, 0.16, 0.2, 0}, {});
  EXPECT_THAT(svg, HasSubstr("A96.0 96.0"));  // the largest reaches the rim
  EXPECT_THAT(svg, HasSubstr("A48.0 48.0"));  // a quarter of its area
  EXPECT_THAT(svg_wheel({"yes", "no"}, {0.7, 0.3}, {}), HasSubstr("<table class=\"bars\">"));
  EXPECT_THAT(svg_wheel({"<b>", "b", "c"}, {0.5, 0.3, 0.2}, {}), Not(HasSubstr("<b>")));
}

TEST(HeatMap, PaintsWhatWasSeenAndPalesTheRest) {
  const Image grey{40, 20, std::vector<std::uint8_t>(40 * 20 * 3, 100)};
  const Image shown = heat_map(grey, at::tensor({0.0F, 1.0F, 0.0F, 1.0F}).view({2, 2}), {10, 0, 20, 20});
  const auto pixel = [&](int x) { return std::vector<int>(shown.row(10) + 3 * x, shown.row(10) + 3 * x + 3); };
  EXPECT_EQ(pixel(2), pixel(38));
  EXPECT_NEAR(pixel(2)[0], 177, 2);       // half way to white
  EXPECT_GT(pixel(28)[0], pixel(28)[2]);  // red where the map is high
  EXPECT_LT(pixel(11)[0], pixel(28)[0]);
}

class ExplanationTest : public testing::Test {
 protected:
  ExplanationTest() {
    at::manual_seed(1);
    model_.config.model.backbone = "resnet18";
    model_.config.data.resize = 72;
    model_.config.data.size = 64;
    model_.config.model.semantic.regions = 2;
    model_.classes = kMikels;
    model_.polarity = mikels_polarity(kMikels);
    model_.file = "runs/x/model.safetensors";
    model_.network = StimuliNet(stimuli_net_options(model_.config, 8, 6));
    model_.network->eval();
    stimuli_.name = "people <1>.png";
    stimuli_.picture = decode_image(fs::path(EMOTION_TEST_DATA) / "fixtures/faces.png");
    stimuli_.input =
        load_image(fs::path(EMOTION_TEST_DATA) / "fixtures/faces.png", make_transform(model_.config.data).deterministic(), {});
    stimuli_.regions =
        RegionFile{.features = at::randn({3, 6}),
                   .boxes = at::tensor({10.F, 20.F, 100.F, 150.F, 10.F, 20.F, 90.F, 80.F, 0.F, 0.F, 5.F, 5.F}).view({3, 4}),
                   .scores = at::tensor({0.9F, 0.8F, 0.7F}),
                   .labels = at::tensor(std::vector<std::int64_t>{1, 0, 0}, at::kLong),
                   .classes = {"sun", "cat & dog"}};
    stimuli_.face = Image{48, 48, std::vector<std::uint8_t>(48 * 48 * 3, 90)};
    stimuli_.labels = {"fear"};
    stimuli_.truth = {6};
  }
  StimuliExplanation seen() { return explain(model_, Device::open("cpu"), stimuli_); }

  TrainedStimuliNet model_;
  Stimuli stimuli_;
};

TEST_F(ExplanationTest, BranchesAddUpToTheScore) {
  // Scores x, -x and six zeros, without a bias: p = e^x / (e^x + e^-x + 6), where x is what the branches say together.
  {
    const at::NoGradGuard no_grad;
    const at::Tensor weight = model_.network->classifier->weight;
    const at::Tensor row = weight[2].clone();
    weight.zero_();
    weight[2].copy_(row);
    weight[5].copy_(-row);
    model_.network->classifier->bias.zero_();
  }
  const StimuliExplanation e = seen();
  ASSERT_EQ(e.branches.size(), 3U);
  double x = 0;
  for (const auto& branch : e.branches) {
    EXPECT_NE(branch.evidence, 0) << branch.name;
    x += branch.evidence;
  }
  EXPECT_NEAR(e.probabilities[e.order[0]], std::exp(x) / (std::exp(x) + std::exp(-x) + 6), 1e-5);
  EXPECT_EQ(e.regions.features.size(0), 2);  // N = 2 of three
  EXPECT_EQ(e.attention.sizes(), at::IntArrayRef({10, 2}));
  EXPECT_NEAR(attention_sum(e).sum().item<double>(), 1, 1e-5);
  // 300 x 200, shorter side to 72 (108 x 72), the middle 64: 22 and 4 pixels are cut off on either side.
  EXPECT_THAT(e.view, ElementsAre(testing::DoubleNear(22 * 200 / 72., 1e-9), testing::DoubleNear(4 * 200 / 72., 1e-9),
                                  testing::DoubleNear(64 * 200 / 72., 1e-9), testing::DoubleNear(64 * 200 / 72., 1e-9)));
  double positive = 0;
  for (const std::size_t k : {0, 2, 3, 5}) positive += e.probabilities[k];
  EXPECT_NEAR(*e.positive, positive, 1e-9);
}

TEST_F(ExplanationTest, SaysWhyABranchIsSilent) {
  stimuli_.face.reset();
  stimuli_.no_face = "no face was found";
  stimuli_.regions.reset();
  stimuli_.no_regions = "the manifest names no region file";
  StimuliExplanation e = seen();
  EXPECT_EQ(e.branches[0].silent, "");
  EXPECT_EQ(e.branches[1].silent, "the manifest names no region file");
  EXPECT_EQ(e.branches[2].silent, "no face was found");
  EXPECT_EQ(e.branches[1].evidence, 0);
  const std::string html = explanation_section(model_, stimuli_, e, 1);
  EXPECT_THAT(html, HasSubstr("<strong>Semantic-Net</strong> is silent: the manifest names no region file."));
  EXPECT_THAT(html, HasSubstr("<strong>Expression-Net</strong> is silent: no face was found."));

  model_.config.model.branches = {"global"};
  model_.network = StimuliNet(stimuli_net_options(model_.config, 8, 1));
  model_.network->eval();
  e = seen();
  EXPECT_EQ(e.branches[1].silent, "switched off (model.branches)");
  EXPECT_EQ(e.branches[2].silent, "switched off (model.branches)");
}

// It has its share in the score; what is missing is a picture of it.
TEST_F(ExplanationTest, ANetworkWithoutMapsIsNotSilent) {
  StimuliExplanation e = seen();
  model_.config.model.backbone = "vgg16";
  e.map.reset();
  const std::string html = explanation_section(model_, stimuli_, e, 1);
  EXPECT_THAT(html, HasSubstr("<strong>Global-Net</strong>: vgg16 gives no class activation map.</div>"));
  EXPECT_THAT(html, Not(HasSubstr("is silent")));
}

TEST_F(ExplanationTest, RefusesRegionsOfAnotherDetector) {
  stimuli_.regions->features = at::randn({3, 9});
  EXPECT_EQ(error_of<DataError>([&] { seen(); }),
            "people <1>.png: the regions are 9 wide, the network's were 6; use the detector it was trained with");
}

TEST_F(ExplanationTest, PageHoldsEverythingItself) {
  const StimuliExplanation e = seen();
  const std::string page = explanation_page(model_, explanation_section(model_, stimuli_, e, 1));
  EXPECT_THAT(page, HasSubstr("people &lt;1&gt;.png"));
  EXPECT_THAT(page, HasSubstr("cat &amp; dog"));
  EXPECT_THAT(page, HasSubstr("truth: fear"));
  EXPECT_THAT(page, HasSubstr("step 10"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
}

// Of several labels the one of the prediction's polarity counts, as in emotion_eval.
TEST_F(ExplanationTest, AnErrorIsEasyWhereOneOfTheLabelsHasThePolarity) {
  const StimuliExplanation e = seen();
  const auto best = static_cast<std::uint32_t>(e.order[0]);
  std::uint32_t same = 0, other = 0;  // emotions of the prediction's polarity and of the other one
  for (std::uint32_t k = 0; k < kMikels.size(); ++k) {
    if (k != best) (model_.polarity[k] == model_.polarity[best] ? same : other) = k;
  }
  const auto page = [&](std::vector<std::uint32_t> truth) {
    stimuli_.truth = std::move(truth);
    return explanation_section(model_, stimuli_, e, 1);
  };
  EXPECT_THAT(page({other, same}), HasSubstr("an easy false prediction"));
  EXPECT_THAT(page({other}), HasSubstr("a hard false prediction"));
  EXPECT_THAT(page({other, best}), HasSubstr("(right)"));
}

// A network of other classes than the data set's: its own are what is right or wrong, not the names of the labels.
TEST_F(ExplanationTest, TheTruthIsToldInTheNetworksClasses) {
  const StimuliExplanation e = seen();
  model_.classes[e.order[0]] = "not amusement";
  stimuli_.labels = {"fear"};
  stimuli_.truth = {static_cast<std::uint32_t>(e.order[0])};
  EXPECT_THAT(explanation_section(model_, stimuli_, e, 1), HasSubstr("; truth: not amusement (right)"));
  stimuli_.truth.clear();
  EXPECT_THAT(explanation_section(model_, stimuli_, e, 1), Not(HasSubstr("; truth:")));
}

TEST_F(ExplanationTest, JsonAndPicturesSayTheSame) {
  const StimuliExplanation e = seen();
  const ScratchFolder folder;
  const auto json = nlohmann::json::parse(explanation_json(model_, stimuli_, e, folder.path(), "00001"));
  EXPECT_EQ(json["prediction"], kMikels[e.order[0]]);
  EXPECT_EQ(json["labels"][0], "fear");
  EXPECT_NEAR(json["polarity"]["positive"].get<double>() + json["polarity"]["negative"].get<double>(), 1, 1e-9);
  ASSERT_EQ(json["regions"].size(), 2U);
  EXPECT_EQ(json["regions"][0]["name"], "cat & dog");
  EXPECT_EQ(json["regions"][0]["attention_by_step"].size(), 10U);
  EXPECT_TRUE(json["branches"]["global"]["silent"].is_null());
  for (const char* what : {"picture", "map", "regions", "face"}) {
    const Image image = decode_image(folder.path() / json["pictures"][what].get<std::string>());
    EXPECT_EQ(image.width, std::string(what) == "face" ? 48 : 300) << what;
  }
}

}  // namespace
}  // namespace emotion
