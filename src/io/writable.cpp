#include "emotion/io/writable.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "emotion/error.h"
#include "link_target.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// errno of a folder in which nothing can be made; 0 if it can.
int refusal(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) return ENOENT;
  if (!fs::is_directory(status)) return ENOTDIR;
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

}  // namespace

void check_writable_file(const fs::path& file) {
  std::error_code error;
  int why = 0;
  if (fs::is_other(file, error)) {  // a terminal or a pipe
    why = ::access(file.c_str(), W_OK) == 0 ? 0 : errno;
  } else if (fs::is_directory(file, error)) {
    why = EISDIR;
  } else {
    const fs::path target = link_target(file);
    why = refusal(target.has_parent_path() ? target.parent_path() : fs::path("."));
  }
  if (why != 0) throw RunError(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(why)));
}

void check_writable_folder(const fs::path& folder) {
  std::error_code error;
  fs::path there = fs::absolute(folder).lexically_normal();
  while (!fs::exists(fs::status(there, error)) && there.has_relative_path()) there = there.parent_path();
  if (const int why = refusal(there); why != 0)
    throw RunError(fmt::format("{}: cannot be made: {}", folder.string(), std::strerror(why)));
}

}  // namespace emotion
