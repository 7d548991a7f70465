#include "validation.h"

#include <algorithm>
#include <cstring>

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

void add_metrics(ValidationResult& result) {
  const ClassificationMetrics& metrics = result.metrics;
  result.values.insert(result.values.end(), {{"top1", metrics.top1},
                                             {"top2", metrics.top2},
                                             {"top5", metrics.top5},
                                             {"balanced_accuracy", metrics.balanced_accuracy},
                                             {"mAP", metrics.mean_average_precision}});
  if (result.predictions.polarity.empty()) return;
  result.values.insert(result.values.end(), {{"polarity_accuracy", metrics.polarity_accuracy},
                                             {"easy_errors", metrics.easy_errors},
                                             {"hard_errors", metrics.hard_errors}});
}

/// The rows of every process's part, in the manifest's order, on rank 0.
void gather_rows(ValidationResult& result, const Task& task, ProcessGroup& group) {
  if (group.size() == 1) return;
  const auto bytes = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  Predictions& predictions = result.predictions;
  const auto samples = group.gather_to_root(bytes(result.samples));
  auto scores = group.gather_to_root(bytes(predictions.scores));
  struct Row {
    std::uint64_t sample;
    std::size_t rank, place;  // whose, and where among its own
  };
  std::vector<Row> rows;
  for (std::size_t r = 0; r < samples.size(); ++r) {
    for (std::size_t i = 0; i < samples[r].size() / sizeof(std::uint64_t); ++i) {
      rows.push_back({0, r, i});
      std::memcpy(&rows.back().sample, samples[r].data() + i * sizeof(std::uint64_t), sizeof(std::uint64_t));
    }
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.sample < b.sample; });
  result.samples.clear();
  predictions.labels.clear();
  for (const Row& row : rows) {
    result.samples.push_back(row.sample);
    predictions.labels.push_back(task.labels(row.sample));
  }
  // Gigabytes where keywords are the classes: each process's scores go as they are copied.
  std::vector<float>().swap(predictions.scores);
  predictions.scores.resize(rows.size() * predictions.classes);
  const std::size_t width = predictions.classes * sizeof(float);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].rank != r) continue;
      std::memcpy(predictions.scores.data() + i * predictions.classes, scores[r].data() + rows[i].place * width, width);
    }
    std::string().swap(scores[r]);
  }
}

}  // namespace

std::optional<ValidationResult> validate(Task& task, BatchStream::Options options, const Device& device, std::int64_t step,
                                         ProcessGroup& group, std::vector<std::string>& skipped) {
  const EvaluationScope scope(task.network());
  ValidationResult result;
  if (task.evaluates_itself()) {
    auto values = task.evaluate(group);
    if (!values) return std::nullopt;
    result.values = std::move(*values);
    return result;
  }
  const Manifest& manifest = task.manifest(Split::kValidation);
  const auto* chosen = task.chosen(Split::kValidation);
  const std::size_t size = chosen ? chosen->size() : manifest.size();
  options.loader.transform = options.loader.transform.deterministic();
  options.least = 0;  // every sample counts
  BatchStream stream(manifest, chosen, {.size = size, .shuffle = false}, options, device);
  LossWindow losses(true, "the validation's ");
  Predictions& predictions = result.predictions;
  predictions.classes = task.info().classes.size();
  predictions.polarity = class_polarity(manifest.dataset(), task.info().classes);
  {
    Progress progress("evaluation", size);
    const ProcessGroup::Steps steps(group);
    for (std::int64_t b = 0; b < stream.batches_per_epoch() && !group.stop_asked(); ++b) {
      const Batch batch = stream.next();
      steps.step();
      if (batch.samples.empty()) continue;
      const AutocastScope autocast(device);
      const TaskOutput output = task.forward(batch, nullptr, Split::kValidation);
      losses.add(step, output, static_cast<std::int64_t>(batch.samples.size()));
      append_scores(predictions, output.logits);
      for (const std::uint64_t sample : batch.samples) predictions.labels.push_back(task.labels(sample));
      result.samples.insert(result.samples.end(), batch.samples.begin(), batch.samples.end());
      progress.update(predictions.size() * static_cast<std::size_t>(group.size()));
    }
  }
  for (auto& image : stream.skipped()) skipped.push_back(std::move(image));
  // One that was asked to stop is here long before the others: an exchange would give them up.
  group.wait_for_all();
  if (group.any(stop_requested())) return std::nullopt;
  gather_rows(result, task, group);
  result.values = losses.take(group);
  if (!group.is_root()) return result;
  result.metrics = classification_metrics(predictions);
  add_metrics(result);
  return result;
}

}  // namespace emotion
