#include "emotion/stimuli/face_settings.h"

#include <algorithm>
#include <fstream>
#include <unordered_set>
#include <utility>
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

/// Where the faces of a set may lie, its own folder first.
std::vector<fs::path> face_folders(const Dataset& dataset) {
  std::vector<fs::path> folders{dataset.root / "faces"};
  for (const fs::path& folder : dataset.stimuli_roots) folders.push_back(dataset.root / folder / "faces");
  folders.push_back(dataset.images() / "faces");
  return folders;
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

std::string face_path(const SampleView& sample) {
  std::string path = fmt::format("faces/{}", sample.image);
  std::replace(path.begin(), path.end(), '#', '/');  // shard.tar#member
  if (sample.box)
    path += fmt::format("@{:.0f},{:.0f},{:.0f},{:.0f}", (*sample.box)[0], (*sample.box)[1], (*sample.box)[2], (*sample.box)[3]);
  return path + ".png";
}

std::optional<FaceNote> parse_face_note(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("face") || !json.contains("found")) return std::nullopt;
  if (!json["face"].is_string() || !json["found"].is_boolean()) return std::nullopt;
  return FaceNote{json["face"].get<std::string>(), json["found"].get<bool>()};
}

bool is_known_without_faces(const Manifest& manifest) {
  std::unordered_set<std::string> without;
  for (const fs::path& folder : face_folders(manifest.dataset())) {
    for (const fs::path& file : notes_in(folder, manifest.split())) {
      std::ifstream in(file, std::ios::binary);
      for (std::string line; std::getline(in, line);) {
        if (auto note = parse_face_note(line); note && !note->found) without.insert(std::move(note->face));
      }
    }
  }
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (!without.contains(face_path(manifest[i]))) return false;
  }
  return true;
}

std::string read_face_settings(const Dataset& dataset, const std::string& split) {
  for (const fs::path& folder : face_folders(dataset)) {
    for (const fs::path& file : notes_in(folder, split)) {
      std::ifstream in(file, std::ios::binary);
      std::string line;
      if (std::getline(in, line) && line.starts_with("{\"detector\"")) return line;
    }
  }
  return {};
}

}  // namespace emotion
