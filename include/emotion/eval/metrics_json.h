#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emotion/loss/metrics.h"

namespace emotion {

/// metrics.json: top1, top5, balanced_accuracy, mAP, per_class.NAME.{ap, precision, recall, f1, positives}, confusion (rows = truth).
/// Values that do not exist (a class without a positive) are null.
std::string metrics_json(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples);
/// The same for a person: one line, then a line a class.
std::string metrics_text(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples);

}  // namespace emotion
