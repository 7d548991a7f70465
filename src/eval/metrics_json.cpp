#include "emotion/eval/metrics_json.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/eval/mikels_wheel.h"

namespace emotion {

std::vector<Example> confident_examples(const Predictions& predictions, const std::vector<std::uint64_t>& samples,
                                        const Manifest& manifest, const std::vector<std::string>& classes, std::size_t count,
                                        bool cosines) {
  std::vector<Example> right, wrong;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const float* scores = predictions.scores.data() + i * predictions.classes;
    const std::size_t best = static_cast<std::size_t>(std::max_element(scores, scores + predictions.classes) - scores);
    Example example{.image = std::string(manifest[samples[i]].image), .labels = {}, .prediction = classes[best], .error = {}};
    if (cosines) {
      example.cosine = scores[best];
    } else {
      double sum = 0;
      for (std::size_t k = 0; k < predictions.classes; ++k) sum += std::exp(static_cast<double>(scores[k]) - scores[best]);
      example.probability = 1 / sum;
    }
    const auto& labels = predictions.labels[i];
    const auto& polarity = predictions.polarity;
    for (const std::uint32_t label : labels) example.labels.push_back(classes[label]);
    std::optional<std::uint32_t> truth;
    if (!labels.empty()) truth = truth_of(labels, static_cast<std::uint32_t>(best), polarity);
    example.right = truth == best;
    if (!example.right && !polarity.empty()) example.error = truth && polarity[*truth] == polarity[best] ? "easy" : "hard";
    (example.right ? right : wrong).push_back(std::move(example));
  }
  for (auto* group : {&right, &wrong}) {
    std::stable_sort(group->begin(), group->end(), [](const Example& a, const Example& b) {
      return a.cosine.value_or(a.probability) > b.cosine.value_or(b.probability);
    });
    if (group->size() > count) group->resize(count);
  }
  right.insert(right.end(), wrong.begin(), wrong.end());
  return right;
}

std::string metrics_json(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples,
                         const std::vector<Example>& examples) {
  nlohmann::ordered_json json{{"samples", samples},
                              {"top1", metrics.top1},
                              {"top2", metrics.top2},
                              {"top5", metrics.top5},
                              {"balanced_accuracy", metrics.balanced_accuracy},
                              {"mAP", metrics.mean_average_precision},
                              {"classes", classes}};
  if (!std::isnan(metrics.polarity_accuracy)) {
    json["polarity_accuracy"] = metrics.polarity_accuracy;
    json["easy_errors"] = metrics.easy_errors;
    json["hard_errors"] = metrics.hard_errors;
  }
  if (has_several_labels(metrics)) json["note"] = kSeveralLabels;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const ClassMetrics& m = metrics.per_class[k];
    json["per_class"][classes[k]] = {
        {"ap", m.average_precision}, {"precision", m.precision}, {"recall", m.recall}, {"f1", m.f1}, {"positives", m.positives}};
    if (classes.size() > kConfusionClasses) continue;
    auto& row = json["confusion"].emplace_back(nlohmann::ordered_json::array());
    for (std::size_t j = 0; j < classes.size(); ++j) row.push_back(metrics.confusion(k, j));
  }
  if (const auto wheel = mikels_order(classes); !wheel.empty()) {
    for (const std::size_t k : wheel) {
      json["confusion_wheel"]["classes"].push_back(classes[k]);
      auto& row = json["confusion_wheel"]["counts"].emplace_back(nlohmann::ordered_json::array());
      for (const std::size_t j : wheel) row.push_back(metrics.confusion(k, j));
    }
  }
  for (const Example& e : examples) {
    nlohmann::ordered_json entry{{"image", e.image}, {"labels", e.labels}, {"prediction", e.prediction}};
    entry[e.cosine ? "cosine" : "probability"] = e.cosine.value_or(e.probability);
    entry["right"] = e.right;
    if (!e.error.empty()) entry["error"] = e.error;
    json["examples"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

std::string metrics_text(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples) {
  std::string text = fmt::format("{} samples: top1 {}, top2 {}, top5 {}, balanced accuracy {}, mAP {}\n", samples,
                                 metric_text(metrics.top1), metric_text(metrics.top2), metric_text(metrics.top5),
                                 metric_text(metrics.balanced_accuracy), metric_text(metrics.mean_average_precision));
  if (!std::isnan(metrics.polarity_accuracy)) {
    text += fmt::format(
        "polarity {:.4f}; of all samples {:.4f} are wrong with the right polarity (easy), {:.4f} with the wrong one (hard)\n",
        metrics.polarity_accuracy, metrics.easy_errors, metrics.hard_errors);
  }
  if (has_several_labels(metrics)) text += std::string(kSeveralLabels) + "\n";
  text += fmt::format("{:<24} {:>9} {:>8} {:>9} {:>8}\n", "class", "positives", "AP", "precision", "recall");
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const ClassMetrics& m = metrics.per_class[k];
    text += fmt::format("{:<24} {:>9} {:>8} {:>9} {:>8}\n", classes[k], m.positives, metric_text(m.average_precision),
                        metric_text(m.precision), metric_text(m.recall));
  }
  return text;
}

}  // namespace emotion
