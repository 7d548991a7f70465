#include "emotion/eval/mikels_wheel.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace emotion {

std::vector<std::size_t> mikels_order(const std::vector<std::string>& classes) {
  static const std::array<std::string, 8> wheel{"excitement", "amusement", "contentment", "awe",
                                                "sadness",    "fear",      "disgust",     "anger"};
  if (classes.size() != wheel.size()) return {};
  std::vector<std::size_t> order;
  for (const std::string& emotion : wheel) {
    const auto found = std::find_if(classes.begin(), classes.end(), [&](std::string name) {
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return (name == "sad" ? "sadness" : name) == emotion;
    });
    if (found == classes.end()) return {};
    order.push_back(static_cast<std::size_t>(found - classes.begin()));
  }
  return order;
}

std::vector<std::int8_t> mikels_polarity(const std::vector<std::string>& classes) {
  const std::vector<std::size_t> order = mikels_order(classes);
  std::vector<std::int8_t> polarity(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) polarity[order[i]] = i < order.size() / 2 ? 1 : -1;
  return polarity;
}

}  // namespace emotion
