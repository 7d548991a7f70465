#include "emotion/data/stimulus_path.h"

#include "emotion/io/file.h"

namespace emotion {

std::filesystem::path stimulus_path(const Dataset& dataset, std::string_view relative) {
  std::error_code ignored;
  std::filesystem::path own = path_below(dataset.root, relative);
  if (std::filesystem::exists(own, ignored)) return own;
  for (const std::filesystem::path& folder : dataset.stimuli_roots) {
    std::filesystem::path taken_over = path_below(dataset.root / folder, relative);
    if (std::filesystem::exists(taken_over, ignored)) return taken_over;
  }
  return path_below(dataset.images(), relative);  // and a member of a shard, shard.tar#name
}

}  // namespace emotion
