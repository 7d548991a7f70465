#include "emotion/eval/evaluation_summary.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"

namespace emotion {
namespace {

using Json = nlohmann::ordered_json;

Json interval(const Interval& i) { return Json::array({i.low, i.high}); }
std::string interval_text(const Interval& i) { return std::isnan(i.low) ? "-" : fmt::format("{:.4f} to {:.4f}", i.low, i.high); }
std::string cell(double value) { return std::isnan(value) ? "" : fmt::format("{:.6f}", value); }

/// RFC 4180.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

Json calibration_json(const Calibration& calibration) {
  Json json{{"ece", calibration.expected_error}, {"mce", calibration.largest_error}};
  for (const auto& bin : calibration.bins) {
    json["bins"].push_back(
        {{"low", bin.low}, {"high", bin.high}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}, {"count", bin.count}});
  }
  return json;
}

std::string per_class_csv(const EvaluationSummary& r) {
  std::string csv = "class,positives,ap,precision,recall,f1\n";
  for (std::size_t k = 0; k < r.classes.size(); ++k) {
    const ClassMetrics& m = r.metrics.per_class[k];
    csv += fmt::format("{},{},{},{},{},{}\n", field(r.classes[k]), m.positives, cell(m.average_precision), cell(m.precision),
                       cell(m.recall), cell(m.f1));
  }
  return csv;
}

std::string confusion_csv(const EvaluationSummary& r) {
  std::string csv = "truth";
  for (const auto& name : r.classes) csv += "," + field(name);
  for (std::size_t i = 0; i < r.classes.size(); ++i) {
    csv += "\n" + field(r.classes[i]);
    for (std::size_t j = 0; j < r.classes.size(); ++j) csv += fmt::format(",{}", r.metrics.confusion(i, j));
  }
  return csv + "\n";
}

}  // namespace

std::string evaluation_text(const EvaluationSummary& r) {
  std::string text = metrics_text(r.metrics, r.classes, r.predictions.size());
  if (r.intervals) {
    const MetricIntervals& i = *r.intervals;
    text += fmt::format("95 % intervals: top1 {}, top2 {}, top5 {}, balanced accuracy {}, mAP {}", interval_text(i.top1),
                        interval_text(i.top2), interval_text(i.top5), interval_text(i.balanced_accuracy),
                        interval_text(i.mean_average_precision));
    if (!r.predictions.polarity.empty()) {
      text += fmt::format(", polarity {}, easy errors {}, hard errors {}", interval_text(i.polarity_accuracy),
                          interval_text(i.easy_errors), interval_text(i.hard_errors));
    }
    if (r.calibration) text += fmt::format(", calibration error {}", interval_text(i.expected_error));
    text += "\n";
  }
  if (r.calibration) {
    text += fmt::format("calibration: expected error {:.4f}, largest {:.4f}\n", r.calibration->expected_error,
                        r.calibration->largest_error);
  }
  if (r.comparison) {
    const McNemar& m = *r.comparison;
    text += fmt::format("against {}: right both {}, this alone {}, the other alone {}, neither {}; McNemar {} p = {:.4g}\n",
                        r.compared_with, m.both, m.only_first, m.only_second, m.neither, m.exact ? "exact" : "chi-square", m.p);
  }
  return text;
}

void write_evaluation(const std::filesystem::path& folder, const EvaluationSummary& r) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(folder.string() + ": cannot be made: " + error.message());
  Json json = Json::parse(metrics_json(r.metrics, r.classes, r.predictions.size(), r.examples));
  if (r.intervals) {
    json["intervals"] = {{"top1", interval(r.intervals->top1)},
                         {"top2", interval(r.intervals->top2)},
                         {"top5", interval(r.intervals->top5)},
                         {"balanced_accuracy", interval(r.intervals->balanced_accuracy)},
                         {"mAP", interval(r.intervals->mean_average_precision)}};
    if (!r.predictions.polarity.empty()) {
      json["intervals"]["polarity_accuracy"] = interval(r.intervals->polarity_accuracy);
      json["intervals"]["easy_errors"] = interval(r.intervals->easy_errors);
      json["intervals"]["hard_errors"] = interval(r.intervals->hard_errors);
    }
    if (r.calibration) json["intervals"]["ece"] = interval(r.intervals->expected_error);
  }
  if (r.calibration) json["calibration"] = calibration_json(*r.calibration);
  if (r.comparison) {
    const McNemar& m = *r.comparison;
    json["comparison"] = {{"checkpoint", r.compared_with}, {"both", m.both},
                          {"only_first", m.only_first},    {"only_second", m.only_second},
                          {"neither", m.neither},          {"test", m.exact ? "exact" : "chi-square"},
                          {"statistic", m.statistic},      {"p", m.p}};
  }
  write_file_atomically(folder / "per_class.csv", per_class_csv(r));
  if (r.classes.size() <= kConfusionClasses) {
    write_file_atomically(folder / "confusion.csv", confusion_csv(r));
  } else {
    std::filesystem::remove(folder / "confusion.csv", error);  // an earlier evaluation's
    log_info("{}: no confusion.csv, and no confusion in metrics.json: {} classes; up to {} have one", folder.string(),
             r.classes.size(), kConfusionClasses);
  }
  write_file_atomically(folder / "metrics.json", json.dump(2) + "\n");
}

}  // namespace emotion
