#include <algorithm>

#include <fmt/format.h>

#include "emotion/data/open_manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/detection_loss.h"
#include "emotion/model/load_state.h"
#include "emotion/train/detector_evaluation.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/detector_pictures.h"
#include "tasks.h"

namespace emotion {
namespace {

constexpr std::uint64_t kFlipStream = 0x666c70, kSampleStream = 0x736d70;

/// Faster R-CNN on boxes in COCO's format. Pictures keep their shapes, so that the task reads them itself.
class DetectorTask final : public Task {
 public:
  DetectorTask(const RunConfig& config, const Device& device) : config_(config), device_(device) {
    if (config.model.detector.norm == "frozen" && config.model.init.empty())
      throw ConfigError(
          "model.detector.norm is frozen and model.init is missing: norms without trained statistics normalise nothing; set "
          "model.detector.norm: batch, or model.init");
    open(config.data.train);
    if (config.data.val) {
      open(config.data.val);
      splits_[1].annotations.relabel(classes(), Annotations::file_of(splits_[1].manifest.dataset(), config.data.val.split));
    }
    reader_.emplace(splits_[0].manifest);
    network_ = FasterRCNN(faster_rcnn_options(config, static_cast<std::int64_t>(classes().size())));
    if (!config.model.init.empty()) init(config.model.init);
    device_.place(*network_);
  }

  torch::nn::Module& network() override { return *network_; }
  const Manifest& manifest(Split split) const override { return at(split).manifest; }
  bool has_validation() const override { return splits_.size() > 1; }
  bool has_images() const override { return false; }
  std::vector<std::uint32_t> labels(std::uint64_t) const override { return {}; }
  bool evaluates_itself() const override { return true; }

  TaskOutput forward(const Batch& batch, const Batch*, Split split) override {
    const auto pictures =
        split == Split::kTrain ? reader_->read(batch.samples, batch.upcoming) : load_pictures(at(split).manifest, batch.samples);
    std::vector<at::Tensor> transformed(pictures.size());
    std::vector<ImageSize> original;
    std::vector<DetectionTarget> targets;
    std::vector<Random> draws;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const std::uint64_t sample = batch.samples[i];
      const bool flip = config_.data.flip && Random{config_.seed, batch.epoch, sample, kFlipStream}.uniform() < 0.5;
      transformed[i] = detector_pixels(flip ? pictures[i].flip({1}) : pictures[i], network_->transform());
      original.push_back({pictures[i].size(0), pictures[i].size(1)});
      targets.push_back(target(at(split), sample, original.back(), {transformed[i].size(1), transformed[i].size(2)}, flip));
      draws.push_back(Random{config_.seed, batch.epoch, sample, kSampleStream});
    }
    const DetectorInput input =
        move_input(batch_pictures(transformed, original, network_->transform().divisible), device_, config_.train.channels_last);
    const DetectionLossOptions options{.proposal_samples = config_.model.detector.proposal_samples,
                                       .box_samples = config_.model.detector.box_samples};
    const DetectionLoss loss = detection_loss(*network_, input, targets, options, draws);
    TaskOutput output;
    output.loss = loss.total;
    output.parts = {{"loss_classifier", loss.classification},
                    {"loss_box_reg", loss.box},
                    {"loss_objectness", loss.objectness},
                    {"loss_rpn_box_reg", loss.proposal_box}};
    return output;
  }

  std::optional<std::vector<std::pair<std::string, double>>> evaluate(ProcessGroup& group) override {
    auto metrics = evaluate_detector(*network_, splits_[1].manifest, splits_[1].annotations, device_,
                                     static_cast<std::size_t>(config_.train.batch), group);
    if (!metrics) return std::nullopt;
    return std::move(metrics->values);
  }

  ModelInfo info() const override {
    ModelInfo info;
    info.task = "detector";
    info.config = print_run_config(config_);
    info.classes = classes();
    return info;
  }

 private:
  struct AnnotatedSplit {
    Manifest manifest;
    Annotations annotations;
  };

  const AnnotatedSplit& at(Split split) const { return splits_[split == Split::kTrain ? 0 : 1]; }
  const std::vector<std::string>& classes() const { return splits_[0].annotations.classes; }

  void open(const SplitConfig& split) {
    Manifest manifest = open_manifest(split);
    Annotations annotations = Annotations::read(manifest);
    std::size_t boxes = 0;
    for (const auto& sample : annotations.boxes) boxes += sample.size();
    if (splits_.empty() && boxes == 0)
      throw DataError(Annotations::file_of(manifest.dataset(), split.split).string() +
                      ": there is no box in any picture of the split; nothing can be learnt");
    log_info("{}: {} boxes of {} classes in {} pictures", manifest.file().string(), boxes, annotations.classes.size(),
             manifest.size());
    splits_.push_back({std::move(manifest), std::move(annotations)});
  }

  /// Crowds are left out, as torchvision's recipe does.
  DetectionTarget target(const AnnotatedSplit& split, std::uint64_t sample, const ImageSize& stored, const ImageSize& size,
                         bool flip) const {
    split.annotations.check_size(split.manifest, sample, stored.width, stored.height);
    std::vector<float> corners;
    std::vector<std::int64_t> labels;
    for (const AnnotatedBox& b : split.annotations.boxes[sample]) {
      if (b.crowd) continue;
      const auto w = static_cast<float>(stored.width);
      for (const float corner : {flip ? w - b.box[2] : b.box[0], b.box[1], flip ? w - b.box[0] : b.box[2], b.box[3]})
        corners.push_back(corner);
      labels.push_back(b.label);
    }
    const at::Tensor boxes = at::tensor(corners, at::kFloat).view({-1, 4});
    return {device_.move(resize_boxes(boxes, stored, size)), device_.move(at::tensor(labels, at::kLong))};
  }

  /// A whole detector, or a backbone under its own names or `backbone.`.
  void init(const std::string& file) {
    const auto path = find_model_file(file);
    StateDict state = read_init(path, classes());
    const bool old_names = has_old_names(state), saved_coco = may_be_saved_coco(state);
    state = with_current_names(std::move(state));
    const bool whole = std::any_of(state.entries.begin(), state.entries.end(),
                                   [](const auto& entry) { return entry.name.starts_with("backbone.body."); });
    // The names alone tell the published weights of 2019 from later ones.
    if (whole && old_names && config_.model.detector.norm_eps != 0) {
      log_warning(
          "{}: torchvision's weights of 2019 were made with norms that add nothing to the variance, model.detector.norm_eps is "
          "{}; set it to 0 to begin with the published network",
          path.string(), config_.model.detector.norm_eps);
    }
    if (saved_coco && config_.model.detector.norm_eps != 0) {
      log_warning(
          "{}: torchvision's COCO_V1 weights, saved again, want model.detector.norm_eps 0; nothing in the file tells whether it "
          "holds them, {} is used",
          path.string(), config_.model.detector.norm_eps);
    }
    if (whole) {
      init_module_state(*network_, state, path.string());
    } else {
      init_backbone_state(*network_->body, state, path.string());
    }
  }

  RunConfig config_;
  Device device_;
  std::vector<AnnotatedSplit> splits_;   // training, validation
  std::optional<PictureReader> reader_;  // of the training split
  FasterRCNN network_{nullptr};
};

}  // namespace

std::unique_ptr<Task> make_detector_task(const RunConfig& config, const Device& device) {
  return std::make_unique<DetectorTask>(config, device);
}

}  // namespace emotion
