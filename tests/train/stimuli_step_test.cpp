#include "../support/formula_weights.h"
#include "emotion/model/stimuli_net.h"
#include "step_support.h"

// The three-branch network, step for step as tests/reference/make_stimuli_goldens.py writes it in PyTorch.
namespace emotion {
namespace {

class StimuliStepTest : public StepTest {
 protected:
  void follow_stimuli(const std::string& name, StimuliNetOptions options, const std::string& model, const std::string& loss) {
    options.backbone = "resnet18";
    options.classes = 4;
    options.semantic_net.feature = 24;
    options.semantic_net.attention = 16;
    options.semantic_net.steps = 3;
    StimuliNet network(options);
    fill_by_noise(*network);
    follow("stimuli_steps.json", name, "stimuli", *network,
           fmt::format("model: {{backbone: resnet18, {}}}\nloss: {{{}}}\noptimizer: {{name: sgd, lr: 2.0e-5, momentum: 0.9, "
                       "weight_decay: 1.0e-4}}\ntrain: {{channels_last: false}}",
                       model, loss));
  }
};

TEST_F(StimuliStepTest, AsThePaperPrintsIt) {
  follow_stimuli("printed", {}, "semantic: {regions: 4, steps: 3, attention: 16}", "polarity_weight: 1");
}

TEST_F(StimuliStepTest, UpDownFormWithoutBias) {
  StimuliNetOptions options{.classifier_bias = false};
  options.semantic_net.lag = false;
  follow_stimuli("up_down", options, "classifier_bias: false, semantic: {regions: 4, steps: 3, attention: 16, lag: false}",
                 "polarity_weight: 0.5");
}

TEST_F(StimuliStepTest, FullyConnectedLayersAndLuminance) {
  StimuliNetOptions options{.luminance = true};
  options.semantic_net.fc = true;
  follow_stimuli("fc_luminance", options, "color: y, semantic: {regions: 4, variant: fc}", "polarity_weight: 0");
}

}  // namespace
}  // namespace emotion
