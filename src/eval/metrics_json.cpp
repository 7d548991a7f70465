#include "emotion/eval/metrics_json.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace emotion {
namespace {

nlohmann::ordered_json number(double value) { return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value); }

}  // namespace

std::string metrics_json(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples) {
  nlohmann::ordered_json json{{"samples", samples},
                              {"top1", number(metrics.top1)},
                              {"top5", number(metrics.top5)},
                              {"balanced_accuracy", number(metrics.balanced_accuracy)},
                              {"mAP", number(metrics.mean_average_precision)},
                              {"classes", classes}};
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const ClassMetrics& m = metrics.per_class[k];
    json["per_class"][classes[k]] = {{"ap", number(m.average_precision)}, {"precision", number(m.precision)}, {"recall", number(m.recall)}, {"f1", number(m.f1)}, {"positives", m.positives}};
    auto& row = json["confusion"].emplace_back(nlohmann::ordered_json::array());
    for (std::size_t j = 0; j < classes.size(); ++j) row.push_back(metrics.confusion(k, j));
  }
  return json.dump(2) + "\n";
}

std::string metrics_text(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples) {
  std::string text = fmt::format("{} samples: top1 {:.4f}, top5 {:.4f}, balanced accuracy {:.4f}, mAP {:.4f}\n", samples, metrics.top1, metrics.top5,
                                 metrics.balanced_accuracy, metrics.mean_average_precision);
  text += fmt::format("{:<24} {:>9} {:>8} {:>9} {:>8}\n", "class", "positives", "AP", "precision", "recall");
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const ClassMetrics& m = metrics.per_class[k];
    text += fmt::format("{:<24} {:>9} {:>8.4f} {:>9.4f} {:>8.4f}\n", classes[k], m.positives, m.average_precision, m.precision, m.recall);
  }
  return text;
}

}  // namespace emotion
