#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emotion/eval/metrics_json.h"
#include "emotion/eval/uncertainty.h"
#include "emotion/loss/metrics.h"

namespace emotion {

/// What emotion_eval found of one network on one split.
struct EvaluationSummary {
  std::string title;
  std::vector<std::string> classes;
  Predictions predictions;
  ClassificationMetrics metrics;
  std::optional<Calibration> calibration;    ///< none where scores are no logits
  std::optional<MetricIntervals> intervals;  ///< 95 %
  std::string compared_with;
  std::optional<McNemar> comparison;  ///< the network first, `compared_with` second
  std::vector<Example> examples;
};

/// For a person.
std::string evaluation_text(const EvaluationSummary& result);

/// DIR/metrics.json (metrics_json, and `calibration`, `intervals`, `comparison` where there are any), per_class.csv and
/// confusion.csv (rows = truth; above kConfusionClasses left out, which is logged). @throws RunError
void write_evaluation(const std::filesystem::path& folder, const EvaluationSummary& result);

}  // namespace emotion
