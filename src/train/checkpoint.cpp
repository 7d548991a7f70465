#include "emotion/train/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/model/load_state.h"
#include "unfinished_save.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kOld = ".old-";

fs::path step_name(std::int64_t step) { return "step-" + std::to_string(step); }

std::vector<std::string> parse_list(const std::map<std::string, std::string>& metadata, const char* key,
                                    const std::string& where) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return {};
  try {
    return nlohmann::json::parse(found->second).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw WeightsError(fmt::format("{}: metadata {} is not a JSON list of names", where, key));
  }
}

/// What a kill has left of a save: of this step, or of one that will not come again.
void remove_unfinished(const fs::path& folder) {
  std::error_code none;
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (is_unfinished_save(entry)) unfinished.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) fs::remove_all(path);
}

/// Keeps the best and the newest `keep` of the steps, `last` among them.
void remove_old(const fs::path& folder, std::vector<std::int64_t> steps, std::int64_t last, std::int64_t best, int keep) {
  std::erase(steps, best);
  // Newer than `last`: a kill came before the link, and the run that went on from an older one has not reached them.
  for (const std::int64_t step : steps) {
    if (step > last) fs::remove_all(folder / step_name(step));
  }
  std::erase_if(steps, [&](std::int64_t step) { return step > last; });
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < steps.size(); ++i) fs::remove_all(folder / step_name(steps[i]));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw RunError(fmt::format("{}: cannot be renamed: {}", from.string(), std::strerror(errno)));
}

}  // namespace

void replace_folder(const fs::path& fresh, const fs::path& target, bool at_once) {
  // A resumed run may save a step again: the two folders change names in one move, `last` never points at nothing.
  if (!fs::exists(target)) return rename_folder(fresh, target);
  if (at_once && ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(fresh);
    return;
  }
  if (at_once && errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
    throw RunError(fmt::format("{}: cannot be renamed: {}", fresh.string(), std::strerror(errno)));
  const fs::path old = target.parent_path() / (std::string(kOld) + target.filename().string());
  fs::remove_all(old);
  rename_folder(target, old);
  try {
    rename_folder(fresh, target);
  } catch (const RunError&) {
    rename_folder(old, target);
    throw;
  }
  sync_path(target.parent_path());
  fs::remove_all(old);
}

void CheckpointFolder::put_back() const {
  std::error_code none;
  std::vector<fs::path> olds;  // first all: what is renamed may come again
  for (const auto& entry : fs::directory_iterator(folder_, none)) {
    if (entry.path().filename().string().starts_with(kOld)) olds.push_back(entry.path());
  }
  for (const fs::path& old : olds) {
    const fs::path target = folder_ / old.filename().string().substr(kOld.size());
    if (fs::exists(target)) {
      fs::remove_all(old);
    } else {
      rename_folder(old, target);
    }
  }
}

void CheckpointFolder::save(std::int64_t step, const StateDict& model, const StateDict& state, std::int64_t best_step,
                            int keep) const {
  const fs::path target = folder_ / step_name(step), temporary = folder_ / (std::string(kUnfinished) + step_name(step).string());
  try {
    remove_unfinished(folder_);
    fs::create_directories(temporary);
    write_safetensors(temporary / "model.safetensors", model);
    write_safetensors(temporary / "state.safetensors", state);
    sync_path(temporary);
    put_back();
    replace_folder(temporary, target);
    sync_path(folder_);
    if (best_step >= 0) {
      replace_link(step_name(best_step), folder_ / "best");
    } else {
      fs::remove(folder_ / "best");  // of a later step, left by a kill
    }
    replace_link(step_name(step), folder_ / "last");
    remove_old(folder_, steps(), step, best_step, keep);
  } catch (const fs::filesystem_error& error) {
    throw RunError(
        fmt::format("{}: cannot be written: {}; the last checkpoint is intact", target.string(), error.code().message()));
  } catch (const RunError& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);  // gives the space back
    throw RunError(fmt::format("{}; the last checkpoint is intact", error.what()));
  }
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    std::int64_t step = 0;
    if (name.starts_with("step-") && std::from_chars(name.data() + 5, name.data() + name.size(), step).ec == std::errc{})
      found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<fs::path> CheckpointFolder::last() const {
  put_back();
  const fs::path link = folder_ / "last";
  std::error_code error;
  if (!fs::exists(fs::symlink_status(link, error))) return std::nullopt;
  const fs::path folder = fs::canonical(link, error);
  if (error) {
    throw WeightsError(
        fmt::format("{}: points at {}, which is not there; make it point at another checkpoint, or remove it to "
                    "start from the beginning",
                    link.string(), fs::read_symlink(link, error).string()));
  }
  return folder;
}

fs::path find_model_file(const fs::path& checkpoint) {
  if (fs::is_regular_file(checkpoint)) return checkpoint;
  for (const char* place : {"model.safetensors", "checkpoints/best/model.safetensors", "checkpoints/last/model.safetensors"}) {
    if (fs::is_regular_file(checkpoint / place)) return checkpoint / place;
  }
  const char* what = fs::exists(checkpoint) ? "no model.safetensors and no checkpoints in it" : "no such file or run folder";
  throw WeightsError(
      fmt::format("{}: {}; give a run folder, a checkpoint's folder or a weights file", checkpoint.string(), what));
}

std::map<std::string, std::string> ModelInfo::to_metadata() const {
  std::map<std::string, std::string> metadata{{"task", task}, {"config", config}, {"classes", nlohmann::json(classes).dump()}};
  if (!extra_classes.empty()) metadata["extra_classes"] = nlohmann::json(extra_classes).dump();
  if (!vocabulary.empty()) metadata["vocabulary"] = nlohmann::json(vocabulary).dump();
  if (!class_words.empty()) metadata["class_words"] = nlohmann::json(class_words).dump();
  if (!faces.empty()) metadata["faces"] = faces;
  if (!regions.empty()) metadata["regions"] = regions;
  return metadata;
}

ModelInfo ModelInfo::from_metadata(const std::map<std::string, std::string>& metadata, const std::string& where) {
  ModelInfo info;
  if (const auto found = metadata.find("task"); found != metadata.end()) info.task = found->second;
  if (const auto found = metadata.find("config"); found != metadata.end()) info.config = found->second;
  if (const auto found = metadata.find("faces"); found != metadata.end()) info.faces = found->second;
  if (const auto found = metadata.find("regions"); found != metadata.end()) info.regions = found->second;
  info.classes = parse_list(metadata, "classes", where);
  info.extra_classes = parse_list(metadata, "extra_classes", where);
  info.vocabulary = parse_list(metadata, "vocabulary", where);
  info.class_words = parse_list(metadata, "class_words", where);
  return info;
}

RunConfig ModelInfo::run_config(const std::string& where, const std::vector<std::string>& settings) const {
  return parse_run_config(config.empty() ? "{}" : config, where + " (config)", settings);
}

namespace {

ModelInfo read_info(const fs::path& model_file) {
  if (model_file.extension() != ".safetensors") return {};
  return ModelInfo::from_metadata(read_safetensors_metadata(model_file), model_file.string());
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path, const std::vector<std::string>& settings) {
  Checkpoint checkpoint{find_model_file(path), {}, {}};
  checkpoint.info = read_info(checkpoint.file);
  checkpoint.config = checkpoint.info.run_config(checkpoint.file.string(), settings);
  return checkpoint;
}

std::string task_of(const fs::path& model_file) { return read_info(model_file).task; }

StateDict read_init(const fs::path& file, const std::vector<std::string>& classes,
                    const std::vector<std::string>& extra_classes) {
  StateDict state = read_weights(file);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, file.string());
  const auto others = [](const std::vector<std::string>& theirs, const std::vector<std::string>& ours) {
    return !theirs.empty() && theirs != ours;
  };
  const bool other = others(info.classes, classes), other_extra = others(info.extra_classes, extra_classes);
  std::erase_if(state.entries, [&](const StateDict::Entry& entry) {
    if (entry.name.starts_with("extra_classifier.")) return other_extra;
    return other && (entry.name.starts_with("classifier.") || entry.name.starts_with("roi_heads.box_predictor."));
  });
  return state;
}

std::int64_t textcnn_dimension(const StateDict& state, const std::string& where) {
  const std::int64_t d = size_weight(state, "embedding.weight", {-1, -1}, where).size(1);
  size_weight(state, "conv.weight", {d, d, 1}, where);
  return d;
}

std::vector<std::int64_t> TrainedTextCNN::columns_of(const std::vector<std::string>& others) const {
  if (others.size() != classes.size()) return {};
  std::vector<std::int64_t> columns;
  for (const auto& name : others) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end()) return {};
    columns.push_back(found - classes.begin());
  }
  return columns;
}

TrainedTextCNN load_textcnn(const fs::path& checkpoint, const std::vector<std::string>& settings) {
  const fs::path file = find_model_file(checkpoint);
  const StateDict state = read_safetensors(file);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, file.string());
  if (info.task != "textcnn")
    throw WeightsError(fmt::format("{}: a TextCNN is wanted, its metadata says task '{}'", file.string(), info.task));
  const std::int64_t dimension = textcnn_dimension(state, file.string());
  if (state.find("embedding.weight")->size(0) != static_cast<std::int64_t>(info.vocabulary.size()) + 2) {
    throw WeightsError(fmt::format("{}: embedding.weight does not have two rows more than the {} words of the vocabulary",
                                   file.string(), info.vocabulary.size()));
  }
  TrainedTextCNN trained;
  trained.vocabulary = Vocabulary(info.vocabulary);
  trained.classes = info.classes;
  const TextConfig text = info.run_config(file.string(), settings).text;
  trained.max_keywords = text.max_keywords;
  if (text.exclude_classes) trained.excluded = info.class_words.empty() ? info.classes : info.class_words;
  trained.network = TextCNN(TextCNNOptions{.vocabulary = static_cast<std::int64_t>(info.vocabulary.size()),
                                           .classes = static_cast<std::int64_t>(info.classes.size()),
                                           .dimension = dimension});
  load_module_state(*trained.network, state, file.string());
  trained.network->eval();
  return trained;
}

}  // namespace emotion
