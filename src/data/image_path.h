#pragma once

#include <string>
#include <string_view>

namespace emotion {

/// A manifest's path without `.`, `..` and doubled slashes, by its letters alone: `./a.jpg`, `x/../a.jpg` and `a.jpg` are one.
std::string plain_path(std::string_view path);

}  // namespace emotion
