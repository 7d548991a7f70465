#include "emotion/loss/detection_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/detector_weights.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {

// Candidates 0 .. 3 against two truths: 0.8 with the first; 0.4; 0.1; 0.2 is all the second truth ever gets.
TEST(MatchBoxes, ByThresholdsAndTheBestOfEachTruth) {
  const at::Tensor overlaps = at::tensor({0.8F, 0.4F, 0.1F, 0.0F, 0.0F, 0.1F, 0.0F, 0.2F}).view({2, 4});
  EXPECT_TRUE(match_boxes(overlaps, 0.7, 0.3, false).equal(at::tensor({0, -2, -1, -1}, at::kLong)));
  EXPECT_TRUE(match_boxes(overlaps, 0.7, 0.3, true).equal(at::tensor({0, -2, -1, 1}, at::kLong)));
}

TEST(SampleCandidates, TakesAShareOfObjectsAndFillsWithBackground) {
  std::vector<std::int64_t> labels(100, 0);
  for (std::size_t i = 0; i < 30; ++i) labels[3 * i] = 1 + static_cast<std::int64_t>(i % 4);
  for (std::size_t i = 0; i < 10; ++i) labels[3 * i + 1] = -1;
  const at::Tensor all = at::tensor(labels);
  Random random{7}, same{7};
  const at::Tensor rows = sample_candidates(all, 40, 0.25, random);
  EXPECT_TRUE(rows.equal(sample_candidates(all, 40, 0.25, same)));
  EXPECT_EQ(rows.size(0), 40);
  const at::Tensor chosen = all.index_select(0, rows);
  EXPECT_EQ(chosen.gt(0).sum().item<std::int64_t>(), 10);
  EXPECT_EQ(chosen.lt(0).sum().item<std::int64_t>(), 0);
  EXPECT_TRUE(std::get<0>(rows.sort()).equal(rows));
  EXPECT_EQ(sample_candidates(all, 1000, 0.5, random).size(0), 90);  // everything there is
}

// Every candidate counts, so that nothing is drawn: three steps of SGD as torchvision's model takes them.
TEST(DetectionLoss, LossesAndGradientsAreTorchvisions) {
  const auto golden = nlohmann::json::parse(read_file(std::string(EMOTION_TEST_DATA) + "/../stimuli/fixtures/detector.json"));
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18",
                                       .classes = 5,
                                       .channels = 32,
                                       .head = 64,
                                       .anchor_size = 8,
                                       .transform = {.min_size = 96, .max_size = 128},
                                       .train_proposals = 100});
  fill_detector(*network);
  network->train();
  const DetectorInput input = detector_input({detector_picture(75, 100, 0), detector_picture(96, 64, 1)}, network->transform());
  const at::Tensor boxes =
      at::tensor({10.0F, 12.0F, 40.0F, 50.0F, 55.0F, 20.0F, 90.0F, 60.0F, 0.0F, 0.0F, 99.0F, 74.0F}).view({3, 4});
  const std::vector<DetectionTarget> targets{
      {resize_boxes(boxes, input.original[0], input.sizes[0]), at::tensor({0, 2, 4}, at::kLong)},
      {at::zeros({0, 4}), at::zeros({0}, at::kLong)}};
  const DetectionLossOptions everything{.proposal_samples = 1'000'000, .box_samples = 1'000'000};
  std::vector<at::Tensor> momentum;
  auto parameters = network->named_parameters();
  for (std::size_t step = 0; step < 3; ++step) {
    std::vector<Random> draws{Random{1}, Random{2}};
    const DetectionLoss loss = detection_loss(*network, input, targets, everything, draws);
    const auto& expected = golden["losses"][step];
    const auto near = [](const nlohmann::json& value) { return 2e-4 * std::max(0.05, value.get<double>()); };
    for (const auto& [name, value] :
         {std::pair{"loss_classifier", loss.classification}, std::pair{"loss_box_reg", loss.box},
          std::pair{"loss_objectness", loss.objectness}, std::pair{"loss_rpn_box_reg", loss.proposal_box}})
      EXPECT_NEAR(value.item<double>(), expected[name].get<double>(), near(expected[name])) << name << " in step " << step;
    for (auto& item : parameters) item.value().mutable_grad().reset();
    loss.total.backward();
    for (const auto& [name, norm] : expected["gradient_norms"].items())
      EXPECT_NEAR(parameters[name].grad().norm().item<double>(), norm.get<double>(), 1e-3 * std::max(0.1, norm.get<double>()))
          << name << " in step " << step;
    const at::NoGradGuard no_grad;
    std::size_t i = 0;
    for (auto& item : parameters) {
      if (!item.value().grad().defined()) continue;
      if (step == 0) momentum.push_back(at::zeros_like(item.value()));
      momentum[i].mul_(0.9).add_(item.value().grad());
      item.value().sub_(momentum[i++], 1e-4);
    }
  }
}

}  // namespace
}  // namespace emotion
