#include "emotion/data/stimulus_path.h"

#include "emotion/io/file.h"

namespace emotion {

std::filesystem::path stimulus_path(const Dataset& dataset, std::string_view relative) {
  std::filesystem::path file = path_below(dataset.images(), relative);
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return file;
  std::filesystem::path own = path_below(dataset.root, relative);
  if (std::filesystem::exists(own, ignored)) return own;
  if (dataset.stimuli_root.empty()) return file;
  std::filesystem::path taken_over = path_below(dataset.root / dataset.stimuli_root, relative);
  return std::filesystem::exists(taken_over, ignored) ? taken_over : file;
}

}  // namespace emotion
