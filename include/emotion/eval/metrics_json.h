#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/loss/metrics.h"

namespace emotion {

/// One sample of an evaluation that is worth a look.
struct Example {
  std::string image;                ///< path below the data set's image root
  std::vector<std::string> labels;  ///< what is right
  std::string prediction;           ///< the class scored best
  double probability = 0;           ///< softmax probability of the prediction
  bool right = false;
  std::string error;  ///< of a wrong one: easy (a label has the prediction's polarity) or hard; empty without a polarity
  std::optional<double> cosine{};  ///< the prediction's, where scores are cosines: it has no probability then
};

/// The `count` right and the `count` wrong predictions of highest probability (cosine), right ones first.
/// `samples[i]` is the manifest's number of predictions' row i. cosines: what the scores are in place of logits.
std::vector<Example> confident_examples(const Predictions& predictions, const std::vector<std::uint64_t>& samples,
                                        const Manifest& manifest, const std::vector<std::string>& classes, std::size_t count,
                                        bool cosines = false);

/// A confusion of more classes is not written: its cells are their square.
inline constexpr std::size_t kConfusionClasses = 1000;

/// What confusion and balanced accuracy mean where samples have several labels.
inline constexpr const char* kSeveralLabels =
    "Some samples have several labels: precision and recall count every label; confusion and balanced accuracy hold each sample "
    "against one, the predicted class where it is a label, else the first label of its polarity, else the first.";

/// metrics.json: top1, top2, top5, balanced_accuracy, mAP, per_class.NAME.{ap, precision, recall, f1, positives}, confusion (rows
/// = truth; up to kConfusionClasses); with a polarity also polarity_accuracy, easy_errors and hard_errors. Values that do not
/// exist (a class without a positive) are null. Classes that are Mikels' eight have the confusion a second time, as
/// confusion_wheel.{classes, counts} in the order of the wheel. `examples`, where there are any, are listed with image, labels,
/// prediction, probability (or cosine) and right. With kSeveralLabels as `note` where it applies.
std::string metrics_json(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples,
                         const std::vector<Example>& examples = {});
/// The same for a person: one line, then a line a class; - where a value does not exist.
std::string metrics_text(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples);

}  // namespace emotion
