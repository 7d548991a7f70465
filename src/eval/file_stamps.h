#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace emotion {

/// By what a change of a file shows without reading it.
struct FileStamp {
  std::int64_t size = -1;  ///< bytes; -1 if it is no file
  std::int64_t time = 0;   ///< of the last change: nanoseconds of std::filesystem's clock; 0 if it is no file
};

/// The state of files 0 .. count - 1, an empty name's as of one that is not there. Several threads call `name` and look, once at
/// each file: on a disk over the network every look is a way there and back.
std::vector<FileStamp> file_stamps(std::size_t count, const std::function<std::string(std::size_t)>& name);

}  // namespace emotion
