#include "emotion/eval/fine_tune.h"

#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/open_manifest.h"
#include "emotion/data/sampler.h"
#include "emotion/data/split_content.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/predict_split.h"
#include "emotion/io/content_hash.h"
#include "emotion/train/trainer.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// At the first sample of several labels. @throws DataError
void check_one_label(const SplitConfig& split, const std::string& targets) {
  if (!split) return;
  const Manifest manifest = open_manifest(split);
  const auto labels = true_labels(manifest, TargetClasses::make(targets, manifest).classes, targets);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].size() < 2) continue;
    throw DataError(fmt::format("{}: {} labels; probe.method fine_tune trains on one label a sample: use linear or knn",
                                manifest.place(i), labels[i].size()));
  }
}

/// What decides a picture's pixels.
void take_pictures(const DataConfig& from, DataConfig& to) {
  to.resize = from.resize;
  to.size = from.size;
  to.augment = from.augment;
  to.scale = from.scale;
  to.ratio = from.ratio;
  to.flip = from.flip;
  to.picture = from.picture;
}

/// How many samples an epoch trains on.
std::uint64_t training_samples(const RunConfig& config) {
  const Manifest manifest = open_manifest(config.data.train);
  const PictureView view{.transform = {}, .faces = config.data.picture == "face"};
  return Sampler{.size = samples_in_view(manifest, view).size(), .fraction = config.data.fraction}.epoch_size();
}

/// What a training goes on with is what it began with: its config names files, not what they hold.
/// @throws ConfigError naming what has changed
void check_inputs(const RunConfig& config, const fs::path& note) {
  Contents now;
  if (!config.model.init.empty()) now[config.model.init] = file_hash(config.model.init);
  const SplitParts parts = config.data.picture == "face" ? SplitParts::kStimuli : SplitParts::kSamples;
  for (const SplitConfig& split : {config.data.train, config.data.val}) {
    if (split) add_split(now, Dataset::open(split.dataset), split.split, parts);
  }
  const fs::path run = config.output;
  if (!fs::exists(run / "checkpoints" / "last")) return write_contents(note, now);
  const auto changed = changed_contents(note, now);
  if (changed.empty()) return;
  throw ConfigError(
      fmt::format("{}: {} changed since its training began; remove the folder to train anew, or give another --output",
                  run.string(), fmt::join(changed, ", ")));
}

/// Trains, or goes on with what an earlier call has begun.
void train_once(const RunConfig& config) {
  const fs::path run = config.output, note = run / "inputs.json";
  std::error_code error;
  fs::create_directories(run, error);
  if (error) throw RunError(run.string() + ": cannot be made: " + error.message());
  check_inputs(config, note);
  try {
    train(config, /*resume=*/true);
  } catch (const Error&) {
    std::error_code ignored;
    if (!fs::exists(run / "config.yaml") && fs::remove(note, ignored)) fs::remove(run, ignored);  // a failed start leaves nothing
    throw;
  }
}

}  // namespace

RunConfig fine_tune_config(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run) {
  for (const SplitConfig& split : {request.train, request.validation, request.test}) check_one_label(split, request.targets);
  RunConfig tuned = config;
  tuned.task = "classifier";
  tuned.data.train = request.train;
  tuned.data.val = request.validation;
  tuned.data.extra = {};
  tuned.data.targets = request.targets;
  tuned.output = run.string();
  if (request.pictures) take_pictures(*request.pictures, tuned.data);
  tuned.model.init.clear();
  if (request.checkpoint == "random") {
    if (!request.pictures) take_pictures(parse_run_config("{}", "--checkpoint random", request.settings).data, tuned.data);
    return tuned;
  }
  const VisualModel model = open_probed_network(request, Device::open("cpu"));
  if (model.task() == "expression") tuned.task = model.task();
  if (!request.pictures) take_pictures(model.config().data, tuned.data);
  tuned.model.init = model.file().string();
  tuned.model.backbone = model.config().model.backbone;
  tuned.model.channels = model.config().model.channels;
  return tuned;
}

ProbeReport fine_tune(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run) {
  const ProbePlan& plan = request.plan;
  if (plan.folds > 0 || plan.seeds > 1 || !plan.sweep.empty() || plan.one_vs_all || request.views > 0 || request.crop_box) {
    throw ConfigError(
        "probe.method fine_tune trains once on whole pictures: folds, seeds, sweep, one_vs_all, views and crop_box belong to the "
        "other methods");
  }
  const RunConfig tuned = fine_tune_config(config, request, run);
  train_once(tuned);
  const Device device = Device::open(request.device);
  const VisualModel model = VisualModel::open(run, {}, device);
  const Manifest test = open_manifest(request.test);
  ProbeReport report;
  report.classes = model.classes();
  report.dimension = model.dimension();
  report.weights = model.file();
  report.polarity = class_polarity(test.dataset(), report.classes);
  ProbeOutcome& outcome = report.outcome;
  Predictions predictions;
  predictions.classes = report.classes.size();
  predictions.labels = true_labels(test, report.classes, request.targets);
  predictions.polarity = report.polarity;
  const PictureView view = evaluation_view(model, request.batch, request.workers);
  outcome.predictions = predict_pictures(model, device, test, view, std::move(predictions), [&](const at::Tensor& features) {
                          return model.logits(features);
                        }).predictions;
  outcome.metrics = classification_metrics(outcome.predictions);
  outcome.score_name = "top1";
  outcome.mean = outcome.metrics.top1;
  outcome.deviation = NAN;
  outcome.trials.push_back({tuned.seed, -1, tuned.optimizer.lr, NAN, outcome.mean, training_samples(tuned)});
  return report;
}

}  // namespace emotion
