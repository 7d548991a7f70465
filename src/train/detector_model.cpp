#include "emotion/train/detector_model.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coco_classes.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/stimuli/bottom_up.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace {

constexpr const char* kScores = "roi_heads.box_predictor.cls_score.weight";
constexpr const char* kPyramid = "backbone.fpn.layer_blocks.0.0.weight";

const at::Tensor& detector_weight(const StateDict& state, const std::string& name, at::IntArrayRef shape,
                                  const std::string& where) {
  if (!state.find(name)) {
    throw WeightsError(
        fmt::format("{}: {} is missing: this is no detector; a run of task detector or torchvision's "
                    "fasterrcnn_resnet50_fpn is wanted",
                    where, name));
  }
  return size_weight(state, name, shape, where);
}

/// The ResNet that has as many blocks of that kind.
std::string backbone_of(const StateDict& state) {
  const bool bottleneck = state.find("backbone.body.layer1.0.conv3.weight") != nullptr;
  int blocks = 0;
  while (state.find(fmt::format("backbone.body.layer3.{}.conv1.weight", blocks))) ++blocks;
  if (!bottleneck) return blocks <= 2 ? "resnet18" : "resnet34";
  return blocks <= 6 ? "resnet50" : "resnet101";
}

/// A state_dict of torchvision says nothing of itself but its shapes, which must agree before anything is made of them.
void describe_plain(const StateDict& state, bool old_names, const std::string& where, TrainedDetector& detector) {
  const auto weight = [&](const std::string& name, at::IntArrayRef shape) { return detector_weight(state, name, shape, where); };
  const at::Tensor scores = weight(kScores, {-1, -1});
  const std::int64_t classes = scores.size(0) - 1, head = scores.size(1);
  const std::int64_t channels = weight(kPyramid, {-1, -1, 3, 3}).size(0);
  weight(kPyramid, {channels, channels, 3, 3});
  weight("roi_heads.box_head.fc6.weight", {head, channels * 49});  // of regions of 7 x 7
  weight("roi_heads.box_head.fc7.weight", {head, head});
  ModelConfig& model = detector.config.model;
  detector.config.task = "detector";
  model.backbone = backbone_of(state);
  model.detector.channels = static_cast<int>(channels);
  model.detector.head = static_cast<int>(head);
  if (classes == 90) {
    detector.classes = coco_classes();
    // The published weights were made when frozen norms added nothing to the variance; torchvision sets it back to 0 for them.
    if (old_names) model.detector.norm_eps = 0;
    return;
  }
  for (std::int64_t k = 1; k <= classes; ++k) detector.classes.push_back(fmt::format("class {}", k));
}

/// The config that weights bring along, with the settings, and which of its values those have changed.
void read_config(const std::string& yaml, const std::string& name, const std::vector<std::string>& settings,
                 TrainedDetector& detector) {
  detector.config = parse_run_config(yaml, name, settings);
  const auto was = config_values(parse_run_config(yaml, name)), is = config_values(detector.config);
  for (std::size_t i = 0; i < is.size(); ++i) {
    if (is[i] != was[i]) detector.changed.push_back(is[i].first + "=" + is[i].second);
  }
}

/// The numbers of bottom-up attention under a detector's keys.
RunConfig bottom_up_config(const BottomUpOptions& options) {
  RunConfig config;
  config.task = "detector";
  DetectorConfig& d = config.model.detector;
  d.min_size = static_cast<int>(options.transform.min_size);
  d.max_size = static_cast<int>(options.transform.max_size);
  d.proposals = static_cast<int>(options.proposals);
  d.nms_threshold = options.nms;
  d.score_threshold = options.least_score;
  d.detections = static_cast<int>(options.most);
  return config;
}

/// The same way back. @throws ConfigError for a setting that this network has no use for
void apply_settings(const std::vector<std::string>& changed, const RunConfig& config, const std::string& where,
                    BottomUpOptions& options) {
  constexpr std::array kKeys{"min_size", "max_size", "proposals", "nms_threshold", "score_threshold", "detections"};
  for (const std::string& setting : changed) {
    const std::string key = setting.substr(0, setting.find('='));
    if (std::none_of(kKeys.begin(), kKeys.end(),
                     [&](const char* known) { return key == std::string("model.detector.") + known; }))
      throw ConfigError(
          fmt::format("--set {}: {} is bottom-up attention, whose weights decide that; model.detector.{{{}}} can be set", setting,
                      where, fmt::join(kKeys, ", ")));
  }
  const DetectorConfig& d = config.model.detector;
  options.transform.min_size = d.min_size;
  options.transform.max_size = d.max_size;
  options.proposals = d.proposals;
  options.nms = d.nms_threshold;
  options.least_score = d.score_threshold;
  options.most = d.detections;
  options.least = std::min(options.least, options.most);
}

/// Weights of bottom-up attention; names of classes are not in them.
TrainedDetector load_bottom_up(TrainedDetector detector, const StateDict& foreign, const std::vector<std::string>& settings,
                               const Device& device) {
  const std::string where = detector.file.string();
  const StateDict state = import_bottom_up(foreign, where);
  BottomUpOptions options = bottom_up_options(state, where);
  read_config(print_run_config(bottom_up_config(options)), where, settings, detector);
  apply_settings(detector.changed, detector.config, where, options);
  BottomUp network(options);
  load_module_state(*network, state, where);
  device.place(*network);
  network->eval();
  for (std::int64_t k = 0; k < network->options().classes; ++k) detector.classes.push_back(fmt::format("object {}", k));
  for (std::int64_t k = 0; k < network->options().attributes; ++k) detector.attributes.push_back(fmt::format("attribute {}", k));
  detector.network = network.ptr();
  return detector;
}

}  // namespace

FasterRCNNOptions faster_rcnn_options(const RunConfig& config, std::int64_t classes) {
  const DetectorConfig& d = config.model.detector;
  return {.backbone = config.model.backbone,
          .classes = classes,
          .channels = d.channels,
          .head = d.head,
          .anchor_size = static_cast<double>(d.anchor_size),
          .frozen_norms = d.norm == "frozen",
          .norm_eps = d.norm_eps,
          .trainable_layers = d.trainable_layers,
          .transform = {.min_size = d.min_size, .max_size = d.max_size},
          .train_proposals = d.train_proposals,
          .proposals = d.proposals,
          .score_threshold = d.score_threshold,
          .nms_threshold = d.nms_threshold,
          .detections = d.detections};
}

bool may_be_saved_coco(const StateDict& state) {
  const std::string norm = "backbone.body.bn1.";
  const at::Tensor* scores = state.find(kScores);
  const bool frozen = state.find(norm + "running_var") && !state.find(norm + "num_batches_tracked");
  return !state.metadata.contains("task") && !has_old_names(state) && frozen && scores && scores->dim() > 0 &&
         scores->size(0) == 91;
}

TrainedDetector load_detector(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                              const Device& device) {
  TrainedDetector detector;
  detector.file = find_model_file(checkpoint);
  const std::string where = detector.file.string();
  StateDict state = read_weights(detector.file);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, where);
  if (!info.task.empty() && info.task != "detector")
    throw WeightsError(fmt::format("{}: task {} finds no regions; a detector is wanted", where, info.task));
  if (is_bottom_up(state)) return load_bottom_up(std::move(detector), state, settings, device);
  const bool old_names = has_old_names(state), saved_coco = may_be_saved_coco(state);
  state = with_current_names(std::move(state));
  if (info.task.empty()) {
    describe_plain(state, old_names, where, detector);
    read_config(print_run_config(detector.config), where, settings, detector);
    const bool chosen = std::any_of(settings.begin(), settings.end(),
                                    [](const std::string& setting) { return setting.starts_with("model.detector.norm_eps="); });
    if (saved_coco && !chosen) {
      log_warning(
          "{}: torchvision's COCO_V1 weights, saved again, want --set model.detector.norm_eps=0; nothing in the file tells "
          "whether it holds them, {} is used",
          where, detector.config.model.detector.norm_eps);
    }
  } else {
    read_config(info.config.empty() ? "{}" : info.config, where + " (config)", settings, detector);
    detector.classes = info.classes;
  }
  FasterRCNN network(faster_rcnn_options(detector.config, static_cast<std::int64_t>(detector.classes.size())));
  load_module_state(*network, state, where);
  device.place(*network);
  network->eval();
  detector.network = network.ptr();
  return detector;
}

}  // namespace emotion
