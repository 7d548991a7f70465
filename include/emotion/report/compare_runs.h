#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace emotion {

/// Run folders side by side: a page with their curves over one another, the last evaluation of each, and the keys of their
/// configs that differ. Gives the last two as Markdown. A folder without a config.yaml is another framework's run: its numbers
/// are read from TensorBoard's event files (tags train/loss, val/top1 or val/accuracy, and the like).
/// @throws ConfigError for fewer than two runs or a folder that is none, DataError if a file of a run cannot be read
std::string compare_runs(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& page);

}  // namespace emotion
