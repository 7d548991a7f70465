#include "emotion/eval/fine_tune.h"

#include <cmath>

#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/eval/labels.h"
#include "emotion/train/trainer.h"

namespace emotion {

RunConfig fine_tune_config(const RunConfig& config, const ProbeRequest& request, const std::filesystem::path& run) {
  const Manifest train = Manifest::open(Dataset::open(request.train.dataset), request.train.split);
  const auto labels = true_labels(train, TargetClasses::make(request.targets, train).classes, request.targets);
  RunConfig tuned = config;
  if (several_labels(labels)) {
    tuned.task = "emotionnet";
    tuned.model.head = "two_branch";
    tuned.loss.soft_label = false;
    tuned.loss.embedding_weight = 0;
    tuned.text = {};
  } else {
    tuned.task = "classifier";
  }
  tuned.data.train = request.train;
  tuned.data.val = request.validation;
  tuned.data.extra = {};
  tuned.data.targets = request.targets;
  tuned.output = run.string();
  if (request.checkpoint == "random") {
    tuned.model.init.clear();
    return tuned;
  }
  const VisualModel model = VisualModel::open(request.checkpoint, request.settings, Device::open("cpu"));
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
  train(tuned, /*resume=*/true);
  const Device device = Device::open(request.device);
  const VisualModel model = VisualModel::open(run, {}, device);
  const Manifest test = Manifest::open(Dataset::open(request.test.dataset), request.test.split);
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
  outcome.score_name = tuned.task == "emotionnet" ? "mAP" : "top1";
  outcome.mean = tuned.task == "emotionnet" ? outcome.metrics.mean_average_precision : outcome.metrics.top1;
  outcome.deviation = NAN;
  outcome.trials.push_back({tuned.seed, -1, tuned.optimizer.lr, NAN, outcome.mean, 0});
  return report;
}

}  // namespace emotion
