#pragma once

#include <filesystem>

#include "emotion/eval/evaluation_summary.h"

namespace emotion {

/// An evaluation as a page of its own: figures with intervals, classes, confusion, reliability plot, the most confident right
/// and wrong predictions; wrong ones are called easy or hard where there is a polarity. `images` is the folder that example
/// paths are relative to; empty = no thumbnails. @throws RunError
void write_evaluation_page(const std::filesystem::path& file, const EvaluationSummary& result,
                           const std::filesystem::path& images);

}  // namespace emotion
