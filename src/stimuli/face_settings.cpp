#include "emotion/stimuli/face_settings.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

/// FOLDER/SPLIT.found.jsonl and those of other splits, the wanted one first.
std::vector<fs::path> notes_in(const fs::path& folder, const std::string& split) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().ends_with(".found.jsonl")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::stable_partition(files.begin(), files.end(),
                        [&](const fs::path& file) { return file.filename() == split + ".found.jsonl"; });
  return files;
}

}  // namespace

std::string face_settings(const FaceOptions& o) {
  return Json{{"detector", o.cnn.empty() ? "hog" : o.cnn.filename().string()},
              {"landmarks", find_landmark_model(o.landmarks).filename().string()},
              {"size", o.size},
              {"padding", o.padding},
              {"upsample", o.upsample},
              {"max_side", o.max_side},
              {"threshold", o.threshold}}
      .dump();
}

FaceOptions parse_face_settings(const std::string& line, const std::string& where) {
  FaceOptions options;
  try {
    const Json json = Json::parse(line);
    json.at("size").get_to(options.size);
    json.at("padding").get_to(options.padding);
    json.at("upsample").get_to(options.upsample);
    json.at("max_side").get_to(options.max_side);
    json.at("threshold").get_to(options.threshold);
  } catch (const nlohmann::json::exception&) {
    throw DataError(fmt::format("{}: '{}' does not say how faces were found", where, line));
  }
  return options;
}

std::string read_face_settings(const Dataset& dataset, const std::string& split) {
  std::vector<fs::path> roots{dataset.root};
  if (!dataset.stimuli_root.empty()) roots.push_back(dataset.root / dataset.stimuli_root);
  roots.push_back(dataset.images());
  for (const fs::path& root : roots) {
    for (const fs::path& file : notes_in(root / "faces", split)) {
      std::ifstream in(file, std::ios::binary);
      std::string line;
      if (std::getline(in, line) && line.starts_with("{\"detector\"")) return line;
    }
  }
  return {};
}

}  // namespace emotion
