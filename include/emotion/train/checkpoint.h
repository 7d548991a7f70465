#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/io/weights.h"
#include "emotion/text/keywords.h"
#include "emotion/text/textcnn.h"
#include "emotion/text/vocabulary.h"

namespace emotion {

/// The folder `fresh` takes the place of `target`, which goes if it is there. In one move, or where the file system has none
/// (NFS; `at_once` false) in two, between which `target` is called `.old-NAME`: CheckpointFolder puts that back. @throws RunError
void replace_folder(const std::filesystem::path& fresh, const std::filesystem::path& target, bool at_once = true);

/// The checkpoints of a run: RUN/checkpoints/step-N/{model,state}.safetensors, and the links `last` and `best`.
///
/// A checkpoint appears whole or not at all: it is written under another name, synced and renamed; then the links move.
class CheckpointFolder {
 public:
  explicit CheckpointFolder(const std::filesystem::path& run) : folder_(run / "checkpoints") {}

  /// Saves step N, makes it `last`, makes `best_step` `best` (where there is one), and removes all but the newest `keep` and the
  /// best; steps after N, which a kill has left, go first.
  /// @throws RunError; every older checkpoint is then intact
  void save(std::int64_t step, const StateDict& model, const StateDict& state, std::int64_t best_step, int keep) const;
  /// Folder of the last whole checkpoint, put back where a kill came while it was replaced; none where none was saved. @throws
  /// WeightsError if `last` points at nothing
  std::optional<std::filesystem::path> last() const;

 private:
  std::vector<std::int64_t> steps() const;
  void put_back() const;
  std::filesystem::path folder_;
};

/// model.safetensors of a run folder (best, else last), a checkpoint's folder, or a weights file itself.
/// @throws WeightsError naming what was looked for
std::filesystem::path find_model_file(const std::filesystem::path& checkpoint);

/// What model.safetensors says of itself.
struct ModelInfo {
  std::string task;
  std::string config;  ///< YAML
  std::vector<std::string> classes, extra_classes, vocabulary;
  std::string faces{};    ///< how the faces it was trained on were found: face_settings(); empty = it saw none, or not known
  std::string regions{};  ///< what the regions it was trained on were found by: RegionFile::source; empty likewise
  /// TextCNN: the keywords that stood for its classes and were not read (text.exclude_classes); empty = the classes' names.
  std::vector<std::string> class_words{};

  std::map<std::string, std::string> to_metadata() const;
  /// `where` is for errors. An absent field stays empty. @throws WeightsError
  static ModelInfo from_metadata(const std::map<std::string, std::string>& metadata, const std::string& where);
  /// The stored config, the defaults where there is none, with `settings` over it. @throws ConfigError
  RunConfig run_config(const std::string& where, const std::vector<std::string>& settings = {}) const;
};

/// A model's file and what it says of itself; of a .pth, which has no place for it, nothing. No tensor is read.
struct Checkpoint {
  std::filesystem::path file;
  ModelInfo info;
  RunConfig config;  ///< with the settings

  /// path: as find_model_file() takes it. @throws WeightsError, ConfigError
  static Checkpoint open(const std::filesystem::path& path, const std::vector<std::string>& settings);
};

/// The task that a weights file was trained for; empty for .pth and for files that do not say. @throws WeightsError
std::string task_of(const std::filesystem::path& model_file);

/// Weights that a training begins with (`model.init`). Of a file that names its classes, those of another list or order are of no
/// use: its classifier is left out (also a detector's box predictor; extra_classifier by `extra_classes`), so that
/// init_module_state() leaves the network's own at its first values. @throws WeightsError
StateDict read_init(const std::filesystem::path& file, const std::vector<std::string>& classes,
                    const std::vector<std::string>& extra_classes = {});

/// A TextCNN ready to predict.
struct TrainedTextCNN {
  TextCNN network{nullptr};
  Vocabulary vocabulary;
  std::vector<std::string> classes;
  std::vector<std::string> excluded;  ///< keywords that it does not read
  int max_keywords = 100;

  /// A split's keywords as its training read them. The manifest must outlive the encoder.
  KeywordEncoder encoder(const Manifest& manifest) const { return {manifest, vocabulary, excluded, max_keywords}; }
  /// Where each of a network's classes, which are named (docs/formats.md), stands among these; empty if they are not the same.
  std::vector<std::int64_t> columns_of(const std::vector<std::string>& others) const;
};
/// D of a TextCNN's weights, which nothing else tells. @throws WeightsError naming `where` and the weight
std::int64_t textcnn_dimension(const StateDict& state, const std::string& where);
/// With `settings` over its config, which say what it reads: text.max_keywords, text.exclude_classes.
/// @throws WeightsError, ConfigError
TrainedTextCNN load_textcnn(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings = {});

}  // namespace emotion
