#pragma once

#include <filesystem>
#include <string>

#include "run_files.h"

namespace emotion {

/// Parts of a page that come from metrics_json of eval/; empty where it does not have them.
///
/// A line a class, and its average precision as a bar.
std::string classes_html(const Json& metrics);
/// The confusion matrix, of many classes the most frequent confusions, of Mikels' eight in the order of the wheel.
std::string confusion_html(const Json& metrics);
/// Thumbnails of right and wrong predictions.
std::string examples_html(const Json& metrics, const std::filesystem::path& images);

}  // namespace emotion
