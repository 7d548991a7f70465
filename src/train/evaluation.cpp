#include "evaluation.h"

#include "emotion/data/targets.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "loss_window.h"

namespace emotion {
namespace {

/// In evaluation mode, without gradients, until the end of the scope.
class EvaluationScope {
 public:
  explicit EvaluationScope(torch::nn::Module& network) : network_(network) { network_.eval(); }
  ~EvaluationScope() { network_.train(); }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  const at::NoGradGuard no_grad_;
  torch::nn::Module& network_;
};

void add_metrics(EvaluationResult& result) {
  const ClassificationMetrics& metrics = result.metrics;
  result.values.insert(result.values.end(), {{"top1", metrics.top1},
                                             {"top5", metrics.top5},
                                             {"balanced_accuracy", metrics.balanced_accuracy},
                                             {"mAP", metrics.mean_average_precision}});
  if (result.predictions.polarity.empty()) return;
  result.values.insert(result.values.end(), {{"polarity_accuracy", metrics.polarity_accuracy},
                                             {"easy_errors", metrics.easy_errors},
                                             {"hard_errors", metrics.hard_errors}});
}

}  // namespace

std::optional<EvaluationResult> evaluate_task(Task& task, BatchStream::Options options, const Device& device, std::int64_t step) {
  const EvaluationScope scope(task.network());
  EvaluationResult result;
  if (task.evaluates_itself()) {
    result.values = task.evaluate();
    return stop_requested() ? std::nullopt : std::optional(std::move(result));
  }
  const Manifest& manifest = task.manifest(Split::kValidation);
  const auto* chosen = task.chosen(Split::kValidation);
  const std::size_t size = chosen ? chosen->size() : manifest.size();
  options.loader.transform = options.loader.transform.deterministic();
  BatchStream stream(manifest, chosen, {.size = size, .shuffle = false}, options, device);
  LossWindow losses(true);
  Predictions& predictions = result.predictions;
  predictions.classes = task.info().classes.size();
  predictions.polarity = class_polarity(manifest.dataset(), task.info().classes);
  Progress progress("evaluation", size);
  for (std::int64_t b = 0; b < stream.batches_per_epoch() && !stop_requested(); ++b) {
    const Batch batch = stream.next();
    if (batch.samples.empty()) continue;
    const AutocastScope autocast(device);
    const TaskOutput output = task.forward(batch, nullptr, Split::kValidation);
    losses.add(step, output, static_cast<std::int64_t>(batch.samples.size()));
    const at::Tensor logits = output.logits.to(at::kFloat).cpu().contiguous();
    const float* scores = logits.const_data_ptr<float>();
    predictions.scores.insert(predictions.scores.end(), scores, scores + logits.numel());
    for (const std::uint64_t sample : batch.samples) predictions.labels.push_back(task.labels(sample));
    result.samples.insert(result.samples.end(), batch.samples.begin(), batch.samples.end());
    progress.update(predictions.size());
  }
  if (stop_requested()) return std::nullopt;
  result.metrics = classification_metrics(predictions);
  result.values = losses.take();
  add_metrics(result);
  return result;
}

}  // namespace emotion
