#include "emotion/train/detector_model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <type_traits>

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coco_classes.h"
#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/detection_metrics.h"
#include "emotion/model/load_state.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
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

std::vector<FoundBox> found_boxes(const Detections& found) {
  const at::Tensor boxes = found.boxes.to(at::kCPU, at::kDouble).contiguous(), scores = found.scores.to(at::kCPU, at::kDouble);
  const at::Tensor labels = found.labels.cpu();
  std::vector<FoundBox> list;
  for (std::int64_t i = 0; i < boxes.size(0); ++i) {
    const double* b = boxes.const_data_ptr<double>() + 4 * i;
    list.push_back({{b[0], b[1], b[2], b[3]}, labels.const_data_ptr<std::int64_t>()[i], scores.const_data_ptr<double>()[i]});
  }
  return list;
}

std::vector<TruthBox> truth_boxes(const std::vector<AnnotatedBox>& boxes) {
  std::vector<TruthBox> list;
  for (const AnnotatedBox& b : boxes) list.push_back({{b.box[0], b.box[1], b.box[2], b.box[3]}, b.label, b.area, b.crowd});
  return list;
}

/// What every process has found in its batches, in the order of the samples, on rank 0; the others get nothing.
std::vector<std::vector<FoundBox>> gather_found(std::vector<std::vector<FoundBox>> own, std::size_t samples, std::size_t batch,
                                                ProcessGroup& group) {
  if (group.size() == 1) return own;
  static_assert(std::is_trivially_copyable_v<FoundBox>);
  std::vector<std::uint64_t> counts;  // of each sample
  std::vector<FoundBox> boxes;
  for (const auto& sample : own) {
    counts.push_back(sample.size());
    boxes.insert(boxes.end(), sample.begin(), sample.end());
  }
  const auto bytes = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  const auto all_counts = group.gather_to_root(bytes(counts)), all_boxes = group.gather_to_root(bytes(boxes));
  if (!group.is_root()) return {};
  std::vector<std::vector<FoundBox>> all(samples);
  struct Place {
    std::size_t count = 0, box = 0;  // bytes that are behind
  };
  std::vector<Place> places(all_counts.size());
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t rank = i / batch % all_counts.size();
    Place& place = places[rank];
    std::uint64_t count = 0;
    std::memcpy(&count, all_counts[rank].data() + place.count, sizeof(count));
    place.count += sizeof(count);
    all[i].resize(count);
    if (count > 0) std::memcpy(all[i].data(), all_boxes[rank].data() + place.box, count * sizeof(FoundBox));
    place.box += count * sizeof(FoundBox);
  }
  return all;
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
  const bool old_names = has_old_names(state);
  state = with_current_names(std::move(state));
  if (info.task.empty()) {
    describe_plain(state, old_names, where, detector);
    read_config(print_run_config(detector.config), where, settings, detector);
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

std::vector<at::Tensor> load_pictures(const Manifest& manifest, const std::vector<std::uint64_t>& samples) {
  std::vector<at::Tensor> pictures(samples.size());
  at::parallel_for(0, static_cast<std::int64_t>(samples.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t sample = samples[static_cast<std::size_t>(i)];
      try {
        const Transform as_stored{.resize = 0, .crop = Crop::kNone, .flip = false};
        pictures[static_cast<std::size_t>(i)] = picture_tensor(load_image(manifest.image_path(sample), as_stored, {}));
      } catch (const Error& error) {
        throw DataError(manifest.place(sample) + ": " + error.what());
      }
    }
  });
  return pictures;
}

std::vector<at::Tensor> PictureReader::read(const std::vector<std::uint64_t>& samples, std::vector<std::uint64_t> next) {
  const bool known = pictures_.valid() && ahead_ == samples;
  auto pictures = known ? pictures_.get() : load_pictures(manifest_, samples);
  pictures_ = {};
  if (!next.empty()) pictures_ = std::async(std::launch::async, load_pictures, std::cref(manifest_), next);
  ahead_ = std::move(next);
  return pictures;
}

DetectorInput move_input(DetectorInput input, const Device& device, bool channels_last) {
  if (channels_last) input.images = input.images.contiguous(at::MemoryFormat::ChannelsLast);
  input.images = device.move(input.images);
  return input;
}

std::optional<std::vector<std::pair<std::string, double>>> evaluate_detector(RegionDetector& network, const Manifest& manifest,
                                                                             const Annotations& annotations, const Device& device,
                                                                             std::size_t batch, ProcessGroup& group,
                                                                             bool per_class) {
  // Whole batches: what a picture is computed with decides the last bits of its boxes.
  const std::size_t stride = batch * static_cast<std::size_t>(group.size());
  const auto batch_at = [&](std::size_t begin) {
    std::vector<std::uint64_t> samples;
    for (std::size_t i = begin; i < std::min(begin + batch, manifest.size()); ++i) samples.push_back(i);
    return samples;
  };
  std::vector<std::vector<FoundBox>> found;  // of this process's samples
  {
    PictureReader reader(manifest);
    Progress progress("evaluation", manifest.size());
    const ProcessGroup::Steps steps(group);
    for (std::size_t begin = batch * static_cast<std::size_t>(group.rank()); begin < manifest.size() && !group.stop_asked();
         begin += stride) {
      const AutocastScope autocast(device);
      const DetectorInput input = detector_input(reader.read(batch_at(begin), batch_at(begin + stride)), network.transform());
      for (const Detections& one : network.detect(move_input(input, device, true), /*with_features=*/false))
        found.push_back(found_boxes(one));
      steps.step();
      progress.update(std::min(begin + stride, manifest.size()));
    }
  }
  // One that was asked to stop, or has less to do, is here before the others: an exchange would give them up.
  group.wait_for_all();
  if (group.any(stop_requested())) return std::nullopt;
  found = gather_found(std::move(found), manifest.size(), batch, group);
  std::vector<std::pair<std::string, double>> values;
  if (!group.is_root()) return values;
  DetectionEvaluation evaluation(static_cast<std::int64_t>(annotations.classes.size()));
  for (std::size_t i = 0; i < manifest.size(); ++i) evaluation.add(found[i], truth_boxes(annotations.boxes[i]));
  const DetectionMetrics m = evaluation.metrics();
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, double>>{{"AP", m.ap},
                                                                                         {"AP50", m.ap50},
                                                                                         {"AP75", m.ap75},
                                                                                         {"AP_small", m.ap_small},
                                                                                         {"AP_medium", m.ap_medium},
                                                                                         {"AP_large", m.ap_large},
                                                                                         {"AR1", m.ar1},
                                                                                         {"AR10", m.ar10},
                                                                                         {"AR100", m.ar100}}) {
    if (value >= 0) values.emplace_back(name, value);
  }
  for (std::size_t k = 0; per_class && k < m.class_ap.size(); ++k) {
    if (m.class_ap[k] >= 0) values.emplace_back("class " + annotations.classes[k], m.class_ap[k]);
  }
  return values;
}

}  // namespace emotion
