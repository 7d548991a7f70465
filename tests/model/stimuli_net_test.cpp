#include "emotion/model/stimuli_net.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/batch_norm.h"
#include "emotion/error.h"

namespace emotion {
namespace {

SemanticNet semantic(bool fc = false, bool lag = true) {
  at::manual_seed(3);
  return SemanticNet(SemanticNetOptions{.feature = 6, .hidden = 8, .attention = 5, .steps = 4, .lag = lag, .fc = fc});
}

at::Tensor counts(std::vector<std::int64_t> values) { return at::tensor(values, at::kLong); }

TEST(SemanticNet, AttentionIsADistributionOverTheRegionsThereAre) {
  const at::NoGradGuard no_grad;
  const SemanticNetOutput out = semantic()->forward({at::randn({3, 5, 6}), counts({5, 2, 1})});
  EXPECT_EQ(out.features.sizes(), at::IntArrayRef({3, 8}));
  EXPECT_EQ(out.attention.sizes(), at::IntArrayRef({3, 4, 5}));
  EXPECT_TRUE(at::allclose(out.attention.sum(2), at::ones({3, 4})));
  EXPECT_EQ(out.attention[1].narrow(1, 2, 3).abs().sum().item<float>(), 0);
  EXPECT_TRUE(at::allclose(out.attention[2].select(1, 0), at::ones({4})));  // a single region has all of it
}

TEST(SemanticNet, RowsPastTheCountDoNotMatter) {
  const at::NoGradGuard no_grad;
  for (const bool fc : {false, true}) {
    SemanticNet net = semantic(fc);
    const at::Tensor regions = at::randn({1, 3, 6});
    const at::Tensor padded = at::cat({regions, 100 * at::ones({1, 4, 6})}, 1);
    EXPECT_TRUE(at::allclose(net->forward({regions, counts({3})}).features, net->forward({padded, counts({3})}).features));
  }
}

TEST(SemanticNet, WithoutRegionsIsZeroAndFinite) {
  for (const bool fc : {false, true}) {
    SemanticNet net = semantic(fc);
    const SemanticNetOutput out = net->forward({at::zeros({2, 3, 6}), counts({0, 2})});
    EXPECT_EQ(out.features[0].abs().sum().item<float>(), 0);
    EXPECT_GT(out.features[1].abs().sum().item<float>(), 0);
    out.features.sum().backward();
    for (const auto& parameter : net->parameters()) EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>());
  }
}

TEST(SemanticNet, FullyConnectedLayersAverageTheRegions) {
  const at::NoGradGuard no_grad;
  SemanticNet net = semantic(/*fc=*/true);
  const at::Tensor a = at::randn({1, 1, 6}), b = at::randn({1, 1, 6});
  const auto one = [&](const at::Tensor& r) { return net->forward({r, counts({1})}).features; };
  const SemanticNetOutput both = net->forward({at::cat({a, b}, 1), counts({2})});
  EXPECT_TRUE(at::allclose(both.features, (one(a) + one(b)) / 2));
  EXPECT_FALSE(both.attention.defined());
}

TEST(SemanticNet, LagChangesTheSecondInputAlone) {
  const at::NoGradGuard no_grad;
  const RegionBatch regions{at::randn({2, 3, 6}), counts({3, 3})};
  const SemanticNetOutput lagged = semantic()->forward(regions), usual = semantic(false, /*lag=*/false)->forward(regions);
  // The first step's attention comes before the correlation LSTM: the same; what is gathered differs.
  EXPECT_TRUE(at::allclose(lagged.attention.select(1, 0), usual.attention.select(1, 0)));
  EXPECT_FALSE(at::allclose(lagged.features, usual.features));
}

StimuliNetOptions small() {
  return {.backbone = "resnet18",
          .semantic_net = {.feature = 6, .hidden = 8, .attention = 5, .steps = 2},
          .classes = 4,
          .classifier_bias = false};
}

StimuliInput input(std::vector<std::int64_t> face_rows) {
  at::manual_seed(5);
  return {.images = at::randn({3, 3, 64, 64}),
          .regions = {at::randn({3, 2, 6}), counts({2, 0, 1})},
          .faces = at::randn({static_cast<std::int64_t>(face_rows.size()), 3, 48, 48}),
          .face_rows = counts(face_rows)};
}

TEST(StimuliNet, ConcatenatesBranchesAndLeavesZerosForTheMissing) {
  const at::NoGradGuard no_grad;
  StimuliNet net(small());
  net->eval();
  const StimuliNetOutput out = net->forward(input({0, 2}));
  ASSERT_EQ(out.features.sizes(), at::IntArrayRef({3, 512 + 8 + 512}));
  EXPECT_EQ(out.logits.sizes(), at::IntArrayRef({3, 4}));
  EXPECT_EQ(out.features[1].narrow(0, 512, 8).abs().sum().item<float>(), 0);    // no region
  EXPECT_EQ(out.features[1].narrow(0, 520, 512).abs().sum().item<float>(), 0);  // no face
  EXPECT_GT(out.features[2].narrow(0, 520, 512).abs().sum().item<float>(), 0);
  StimuliInput none = input({});
  none.faces = at::Tensor();
  EXPECT_EQ(net->forward(none).features.narrow(1, 520, 512).abs().sum().item<float>(), 0);
  EXPECT_FALSE(net->classifier->bias.defined());
}

TEST(StimuliNet, BatchStatisticsOfTheFacesAreThoseOfTheFaces) {
  StimuliNet net(small());
  at::Tensor tracked;
  for (const auto& buffer : net->expression->named_buffers()) {
    if (buffer.key() == "bn1.num_batches_tracked") tracked = buffer.value();
  }
  ASSERT_TRUE(tracked.defined());
  StimuliInput none = input({});
  none.faces = at::Tensor();
  net->forward(none);  // a batch without a face leaves the branch as it was
  EXPECT_EQ(tracked.item<std::int64_t>(), 0);
  net->forward(input({0, 2}));
  EXPECT_EQ(tracked.item<std::int64_t>(), 1);
}

/// This process and another one, whose faces are known by their number alone.
class WithAnother final : public StatisticsExchange {
 public:
  explicit WithAnother(double faces) : faces_(faces) {}
  at::Tensor gather(const at::Tensor& values) override {
    ++gathered;
    at::Tensor theirs = at::ones_like(values);
    theirs[-1].fill_(faces_);  // as many values a channel as faces: the number does not matter here
    return at::stack({values, theirs});
  }
  void sum(at::Tensor& values) override {
    if (values.numel() == 1) values.add_(faces_);
  }
  int gathered = 0;

 private:
  double faces_;
};

// As in one process: no gradient, so that neither momentum nor weight decay moves the branch.
TEST(StimuliNet, AStepInWhichNoProcessHasAFaceLeavesTheExpressionBranchOut) {
  StimuliNet net(small());
  StimuliInput none = input({});
  none.faces = at::Tensor();
  const auto exchange = [&](double faces) {
    const auto made = std::make_shared<WithAnother>(faces);
    share_batch_statistics(*net->expression, made);
    net->forward(none).logits.sum().backward();
    return made;
  };
  const at::Tensor weight = net->expression->named_parameters()["conv1.weight"];
  EXPECT_EQ(exchange(0)->gathered, 0);
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_EQ(exchange(4)->gathered, 20) << "the norms of a ResNet-18 take the others' statistics";
  EXPECT_TRUE(weight.grad().defined());
}

TEST(StimuliNet, ActivationMapAveragesToTheGlobalBranchsShareOfTheScore) {
  const at::NoGradGuard no_grad;
  StimuliNet net(small());
  net->eval();
  const StimuliInput in = input({0});
  const at::Tensor map = net->activation_map(in.images, 3);  // [3, 2, 2]
  const at::Tensor share = net->forward(in).features.narrow(1, 0, 512).matmul(net->classifier->weight[3].narrow(0, 0, 512));
  EXPECT_TRUE(at::allclose(map.mean({1, 2}), share, 1e-4, 1e-4));
}

TEST(StimuliNet, LuminanceSeesNoColour) {
  // Normalised pixels of a grey picture: its luminance is itself; and green weighs 0.587.
  const auto normalised = [](double r, double g, double b) {
    const at::Tensor c = at::tensor({(r - 0.485) / 0.229, (g - 0.456) / 0.224, (b - 0.406) / 0.225}, at::kFloat);
    return c.view({1, 3, 1, 1}).expand({1, 3, 2, 2}).contiguous();
  };
  EXPECT_TRUE(at::allclose(to_luminance(normalised(0.3, 0.3, 0.3)), normalised(0.3, 0.3, 0.3), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(to_luminance(normalised(0, 1, 0)), normalised(0.587, 0.587, 0.587), 1e-4, 1e-5));
}

TEST(StimuliNet, ExpressionAloneSeesTheImagesThatHaveAFace) {
  StimuliNetOptions options;
  options.global = options.semantic = false;
  options.classes = 4;
  StimuliNet net(options);
  net->eval();
  const at::Tensor faces = at::rand({2, 3, 48, 48});
  const StimuliNetOutput output = net->forward({.faces = faces, .face_rows = at::tensor({0, 3}, at::kLong), .size = 5});
  ASSERT_EQ(output.logits.sizes(), (std::vector<std::int64_t>{5, 4}));
  EXPECT_TRUE(at::allclose(output.features[3], net->expression->forward(faces)[1], 1e-4, 1e-5));
  for (const int row : {1, 2, 4}) EXPECT_EQ(output.features[row].abs().max().item<float>(), 0) << "v_e = 0 without a face";
  const StimuliNetOutput none = net->forward({.face_rows = at::empty({0}, at::kLong), .size = 2});
  EXPECT_EQ(none.features.abs().max().item<float>(), 0);
  EXPECT_EQ(none.logits.size(0), 2);
}

TEST(StimuliNet, NeedsABranch) {
  StimuliNetOptions options = small();
  options.global = options.semantic = options.expression = false;
  EXPECT_EQ(error_of<ConfigError>([&] { StimuliNet net(options); }),
            "model.branches is empty; global, semantic and expression are there to choose from");
}

}  // namespace
}  // namespace emotion
