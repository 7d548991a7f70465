#include "emotions.h"

#include <algorithm>

#include "files.h"

namespace emotion {

const std::vector<std::string>& mikels_classes() {
  static const std::vector<std::string> classes{"amusement", "anger",      "awe",  "contentment",
                                                "disgust",   "excitement", "fear", "sadness"};
  return classes;
}
const std::vector<std::string>& mikels_positive() {
  static const std::vector<std::string> classes{"amusement", "awe", "contentment", "excitement"};
  return classes;
}
const std::vector<std::string>& mikels_negative() {
  static const std::vector<std::string> classes{"anger", "disgust", "fear", "sadness"};
  return classes;
}
const std::vector<std::string>& six_classes() {
  static const std::vector<std::string> classes{"anger", "disgust", "fear", "joy", "sadness", "surprise"};
  return classes;
}
const std::vector<std::string>& six_positive() {
  static const std::vector<std::string> classes{"joy", "surprise"};
  return classes;
}
const std::vector<std::string>& six_negative() {
  static const std::vector<std::string> classes{"anger", "disgust", "fear", "sadness"};
  return classes;
}

std::optional<std::string> class_called(std::string_view text, const std::vector<std::string>& classes) {
  const std::string name = lower_case(trimmed(text));
  for (const auto& cls : classes) {
    if (lower_case(cls) == name) return cls;
  }
  // One word in several forms; whichever of a row's words the data set has as a class is meant.
  static const std::vector<std::vector<std::string>> forms{
      {"sad", "sadness"},      {"content", "contentment"}, {"digust", "disgust"},     {"angry", "anger"},
      {"happy", "happiness"},  {"fearful", "fear"},        {"surprised", "surprise"}, {"excited", "excitement"},
      {"amused", "amusement"}, {"disgusted", "disgust"}};
  for (const auto& form : forms) {
    if (std::find(form.begin(), form.end(), name) == form.end()) continue;
    for (const auto& other : form) {
      if (std::find(classes.begin(), classes.end(), other) != classes.end()) return other;
    }
  }
  return std::nullopt;
}

}  // namespace emotion
