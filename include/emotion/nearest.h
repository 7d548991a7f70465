#pragma once

#include <span>
#include <string>
#include <string_view>

namespace emotion {

/// The candidate of smallest edit distance to `word`, for "did you mean"; empty if none is near (a third of the letters, at least
/// 2).
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// `; did you mean NAME?`, or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace emotion
