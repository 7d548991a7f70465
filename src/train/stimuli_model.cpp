#include "emotion/train/stimuli_model.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"
#include "emotion/model/load_state.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace {

bool has_branch(const RunConfig& config, const char* name) {
  const auto& branches = config.model.branches;
  return std::find(branches.begin(), branches.end(), name) != branches.end();
}

/// F: the width of the regions' features is nowhere but in the weights.
std::int64_t feature_width(const StateDict& state, const SemanticNetOptions& options, const std::string& where) {
  const std::int64_t h = options.hidden;
  if (options.fc) return size_weight(state, "semantic.fc.0.weight", {h, -1}, where).size(1);
  const std::int64_t f = size_weight(state, "semantic.attention.feature.weight", {options.attention, -1}, where).size(1);
  size_weight(state, "semantic.attention_lstm.weight_ih", {4 * h, h + f}, where);
  return f;
}

}  // namespace

StimuliReader::Options stimuli_reader_options(const RunConfig& config, std::int64_t width) {
  return {.regions = has_branch(config, "semantic"),
          .faces = has_branch(config, "expression"),
          .max_regions = config.model.semantic.regions,
          .width = width,
          .cache = std::make_shared<CacheBudget>(std::int64_t{config.data.cache_mb} << 20)};
}

StimuliNetOptions stimuli_net_options(const RunConfig& config, std::int64_t classes, std::int64_t width) {
  const SemanticConfig& semantic = config.model.semantic;
  return {.global = has_branch(config, "global"),
          .semantic = has_branch(config, "semantic"),
          .expression = has_branch(config, "expression"),
          .backbone = config.model.backbone,
          .expression_backbone = config.model.expression_backbone,
          .semantic_net = {.feature = width,
                           .attention = semantic.attention,
                           .steps = semantic.steps,
                           .lag = semantic.lag,
                           .fc = semantic.variant == "fc"},
          .face_channels = config.model.channels,
          .classes = classes,
          .classifier_bias = config.model.classifier_bias,
          .luminance = config.model.color == "y"};
}

TrainedStimuliNet load_stimuli_net(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                                   const Device& device) {
  TrainedStimuliNet trained;
  trained.file = find_model_file(checkpoint);
  const std::string where = trained.file.string();
  const StateDict state = read_weights(trained.file);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, where);
  if (info.task != "stimuli") throw WeightsError(fmt::format("{}: task {} is no stimuli network", where, info.task));
  trained.config = info.run_config(where, settings);
  trained.classes = info.classes;
  trained.faces = info.faces;
  trained.regions = info.regions;
  try {
    const Dataset dataset = Dataset::open(trained.config.data.train.dataset);
    if (trained.faces.empty()) trained.faces = read_face_settings(dataset, trained.config.data.train.split);
    trained.polarity = class_polarity(dataset, trained.classes);
  } catch (const DataError&) {  // the training data is elsewhere: a network is complete without it
  }
  StimuliNetOptions options = stimuli_net_options(trained.config, static_cast<std::int64_t>(info.classes.size()), 1);
  if (options.semantic) options.semantic_net.feature = feature_width(state, options.semantic_net, where);
  trained.network = StimuliNet(options);
  load_module_state(*trained.network, state, where);
  device.place(*trained.network);
  trained.network->eval();
  return trained;
}

}  // namespace emotion
