#pragma once

#include <filesystem>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emotion/io/weights.h"

namespace emotion {

/// Renames the tensors of a file: the first rule whose pattern is the whole name decides; a name that fits none stays.
class NameMap {
 public:
  /// Lines of `pattern<TAB>replacement`: a regular expression (ECMAScript), and a text with $1 .. for its groups or `-` to leave
  /// the tensor out. Empty lines and lines that begin with # are ignored. @throws DataError with file:line
  static NameMap read(const std::filesystem::path& file);
  /// `emotionnet`: the released EmotionNet's names to this project's (fc -> classifier, proj -> projection, fc_aux ->
  /// extra_classifier, the rest below backbone.). `torchvision`: this project's names to torchvision's, or to the released
  /// EmotionNet's.
  /// @throws ConfigError listing the names
  static NameMap built_in(std::string_view name);

  /// The new name; nothing if the tensor is left out.
  std::optional<std::string> operator()(const std::string& name) const;
  /// @throws WeightsError if two tensors would have one name
  StateDict operator()(const StateDict& state, const std::string& where) const;

 private:
  void add(const std::string& pattern, std::string replacement);
  std::vector<std::pair<std::regex, std::string>> rules_;
};

/// What of `given` does not fit `wanted`, a line each: missing, misshapen and surplus tensors, every one with the nearest
/// candidate by name among those of its shape, else among all.
struct StateDifference {
  std::vector<std::string> missing, misshapen, surplus;
};
StateDifference compare_states(const StateDict& given, const StateDict& wanted);

}  // namespace emotion
