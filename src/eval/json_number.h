#pragma once

#include <cmath>

#include <nlohmann/json.hpp>

namespace emotion {

/// null where there is no number.
inline nlohmann::ordered_json json_number(double value) {
  return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

}  // namespace emotion
