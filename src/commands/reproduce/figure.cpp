#include "figure.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {

using Json = nlohmann::ordered_json;

double read_metric(const std::filesystem::path& file, const Measurement& measurement) {
  try {
    Json json = Json::parse(read_file(file));
    std::string path = "/" + measurement.metric;
    std::replace(path.begin(), path.end(), '.', '/');
    const Json& value = json.at(Json::json_pointer(path));
    if (value.is_number()) return value.get<double>() * measurement.factor;
  } catch (const Json::exception&) {
  }
  throw DataError(fmt::format("{}: it has no figure '{}'", file.string(), measurement.metric));
}

bool has_metric(const std::filesystem::path& file, const Measurement& measurement) {
  try {
    read_metric(file, measurement);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace emotion
