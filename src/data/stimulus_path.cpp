#include "emotion/data/stimulus_path.h"

#include <system_error>

#include "emotion/io/file.h"

namespace emotion {
namespace {

/// Also where that cannot be found out (a failing disk): reading the file tells why, and of which one. A name that no file can
/// have may be a shard's with its member.
bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  const auto type = std::filesystem::status(file, error).type();
  return type != std::filesystem::file_type::not_found && error != std::errc::filename_too_long;
}

}  // namespace

std::filesystem::path stimulus_path(const Dataset& dataset, std::string_view relative) {
  std::filesystem::path own = path_below(dataset.root, relative);
  if (is_there(own)) return own;
  for (const std::filesystem::path& folder : dataset.stimuli_roots) {
    std::filesystem::path taken_over = path_below(dataset.root / folder, relative);
    if (is_there(taken_over)) return taken_over;
  }
  return path_below(dataset.images(), relative);  // and a member of a shard, shard.tar#name
}

}  // namespace emotion
