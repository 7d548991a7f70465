#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "emotion/report/html.h"
#include "emotion/report/plot.h"

namespace emotion {

using Json = nlohmann::ordered_json;

/// metrics.jsonl: the lines of each split, in order.
struct MetricLines {
  std::vector<Json> train, val;
};
/// Empty where there is no file yet. @throws DataError for a line that is none
MetricLines read_metric_lines(const std::filesystem::path& run);
/// The same of TensorBoard's event files, such as another framework's run leaves. A tag is SPLIT/NAME or NAME/SPLIT (train; val,
/// valid, validation, eval, test), else of the training; names in small letters, `accuracy` and `acc` as top1.
/// @throws DataError
MetricLines read_event_lines(const std::filesystem::path& run);

/// A JSON file of the run; an empty object where it is not there. @throws DataError
Json read_run_json(const std::filesystem::path& file);

/// NaN for what is no number.
double number_of(const Json& json);
/// A number as a table shows it; a dash for none.
std::string cell_text(const Json& json);
/// One key of the lines over the step.
Curve curve_of(const std::string& name, const std::vector<Json>& lines, const std::string& key);
/// The keys of the lines that begin with `prefix`, in the order they are met.
std::vector<std::string> keys_with(const std::vector<Json>& lines, const std::string& prefix);

}  // namespace emotion
