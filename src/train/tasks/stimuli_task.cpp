#include <algorithm>
#include <array>

#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include "emotion/batch_norm.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/loss/hierarchical_cross_entropy.h"
#include "emotion/model/load_state.h"
#include "emotion/train/stimuli_check.h"
#include "emotion/train/stimuli_model.h"
#include "task_data.h"
#include "tasks.h"

namespace emotion {
namespace {

constexpr std::array kBranches{"global", "semantic", "expression"};

bool has_branch(const StateDict& state, const std::string& branch) {
  return std::any_of(state.entries.begin(), state.entries.end(),
                     [&](const auto& entry) { return entry.name.starts_with(branch + "."); });
}

/// Of a StimuliNet its expression branch under a backbone's own names; another file as it is.
StateDict expression_of(StateDict state) {
  constexpr std::string_view kPrefix = "expression.";
  if (!has_branch(state, "expression")) return state;
  StateDict branch;
  for (const auto& [name, tensor] : state.entries) {
    if (name.starts_with(kPrefix)) branch.add(name.substr(kPrefix.size()), tensor);
  }
  return branch;
}

/// Stimuli-aware VEA: images through the loader, regions and faces from the files the manifest names.
class StimuliTask final : public Task {
 public:
  StimuliTask(const RunConfig& config, const Device& device) : config_(config), device_(device), data_(config, /*single=*/true) {
    add_reader(Split::kTrain);
    if (data_.has_validation()) add_reader(Split::kValidation);
    const Dataset& dataset = data_[Split::kTrain].manifest.dataset();
    polarity_ = class_polarity(dataset, data_.classes());
    if (config.loss.polarity_weight > 0) {
      if (polarity_.empty()) {
        throw DataError(
            (dataset.root / "dataset.yaml").string() +
            ": not every class has a polarity; add polarity: {positive: [..], negative: [..]}, or set loss.polarity_weight to 0");
      }
    }
    network_ = StimuliNet(stimuli_net_options(config, static_cast<std::int64_t>(data_.classes().size()),
                                              std::max<std::int64_t>(readers_[0].width(), 1)));
    if (!config.model.init.empty()) init(find_model_file(config.model.init));
    if (!config.model.expression_init.empty()) init_expression();
    device_.place(*network_);
  }

  torch::nn::Module& network() override { return *network_; }
  const Manifest& manifest(Split split) const override { return data_[split].manifest; }
  bool has_validation() const override { return data_.has_validation(); }
  bool has_images() const override { return network_->options().global; }
  std::vector<std::uint32_t> labels(std::uint64_t sample) const override { return data_[Split::kValidation].targets(sample); }

  TaskOutput forward(const Batch& batch, const Batch*, Split split) override {
    StimuliInput input = readers_[split == Split::kTrain ? 0 : 1].read(batch.samples, device_, batch.upcoming);
    input.images = batch.images;
    if (split == Split::kTrain) check_statistics(batch, input);
    std::vector<std::int64_t> ids;
    for (const std::uint64_t sample : batch.samples) ids.push_back(data_[split].targets(sample)[0]);
    TaskOutput output;
    output.logits = network_->forward(input).logits;
    const HierarchicalLoss loss =
        hierarchical_cross_entropy(output.logits, device_.move(at::tensor(ids)), polarity_, config_.loss.polarity_weight);
    output.loss = loss.total;
    if (loss.polarity.defined()) output.parts = {{"loss_emotion", loss.emotion}, {"loss_polarity", loss.polarity}};
    return output;
  }

  ModelInfo info() const override { return {"stimuli", print_run_config(config_), data_.classes(), {}, {}, faces_, regions_}; }

 private:
  void add_reader(Split split) {
    const std::int64_t width = split == Split::kTrain ? 0 : readers_[0].width();
    const Manifest& manifest = data_[split].manifest;
    StimuliReader::Options options = stimuli_reader_options(config_, width);
    if (split == Split::kTrain) cache_ = options.cache;
    options.cache = cache_;
    readers_.emplace_back(manifest, options);
    if (split == Split::kValidation) {
      check_stimuli(config_, manifest);
      warn_of_other_regions(regions_, read_region_source(config_, manifest), manifest.file().string());
      warn_of_other_faces(faces_, read_face_source(config_, manifest), manifest.file().string());
    }
    if (split == Split::kTrain) {
      check_training_stimuli(config_, manifest);
      regions_ = read_region_source(config_, manifest);
      faces_ = read_face_source(config_, manifest);
      if (const std::int64_t top = readers_[0].cut_to(); top > 0) {
        log_warning(
            "{}: its region files have no more than {} regions, model.semantic.regions is {}: {} are used; emotion_data "
            "regions --top {} finds as many",
            manifest.file().string(), top, options.max_regions, top, options.max_regions);
      }
    }
    log_info("{}: {} of {} samples have regions, {} a face", manifest.file().string(), readers_.back().with_regions(),
             manifest.size(), readers_.back().with_face());
  }

  /// A face of up to 32 pixels is one place in a ResNet's last stage: two of them are the least a batch norm can train on.
  void check_statistics(const Batch& batch, const StimuliInput& input) const {
    if (!input.faces.defined() || input.faces.size(0) != 1 || statistics_exchange_of(*network_->expression)) return;
    const std::int64_t height = input.faces.size(2), width = input.faces.size(3);
    if (height > 32 || width > 32) return;
    const auto row = static_cast<std::size_t>(input.face_rows.item<std::int64_t>());
    throw DataError(
        fmt::format("{}: the only face of its batch, and {} x {} pixels are too few for batch statistics of one; "
                    "emotion_data faces --size 48 --anew makes larger ones, or set a larger train.batch",
                    data_[Split::kTrain].manifest.place(batch.samples[row]), width, height));
  }

  /// A StimuliNet with at least the branches of this one, or a backbone for the Global-Net.
  void init(const std::filesystem::path& file) {
    const StateDict state = read_init(file, data_.classes());
    const std::string where = file.string();
    if (std::any_of(kBranches.begin(), kBranches.end(), [&](const char* branch) { return has_branch(state, branch); })) {
      for (const std::string& branch : config_.model.branches) {
        if (!has_branch(state, branch))
          throw WeightsError(
              fmt::format("{}: it has no branch {}, which model.branches names{}", where, branch,
                          has_branch(state, "expression") ? "; model.expression_init takes expression alone" : ""));
      }
      init_module_state(*network_, state, where);
    } else if (network_->global) {
      init_backbone_state(*network_->global, state, where);
    } else {
      throw ConfigError("model.init: " + where + " is a backbone, and model.branches has no global");
    }
  }

  /// A network on faces, a backbone, or the expression branch of a StimuliNet.
  void init_expression() {
    if (!network_->expression) throw ConfigError("model.expression_init is set, and model.branches has no expression");
    const auto file = find_model_file(config_.model.expression_init);
    init_backbone_state(*network_->expression, expression_of(read_weights(file)), file.string());
  }

  RunConfig config_;
  Device device_;
  TaskData data_;
  std::vector<StimuliReader> readers_;
  std::shared_ptr<CacheBudget> cache_;  // of both readers
  std::string faces_, regions_;         // how those of the training samples were found
  std::vector<std::int8_t> polarity_;
  StimuliNet network_{nullptr};
};

}  // namespace

std::unique_ptr<Task> make_stimuli_task(const RunConfig& config, const Device& device) {
  return std::make_unique<StimuliTask>(config, device);
}

}  // namespace emotion
