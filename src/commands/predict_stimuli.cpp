#include <memory>
#include <optional>

#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/eval/mikels_wheel.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/io/file.h"
#include "emotion/progress.h"
#include "emotion/report/explanation.h"
#include "emotion/signals.h"
#include "emotion/stimuli/faces.h"
#include "predict.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// Stimuli of a picture that no manifest knows: the face is looked for here and now.
Stimuli find_stimuli(const TrainedStimuliNet& model, const fs::path& file, std::optional<FaceFinder>& finder) {
  Stimuli stimuli;
  stimuli.name = file.string();
  stimuli.picture = decode_image(file);
  stimuli.input = load_image(file, make_transform(model.config.data).deterministic(), {});
  stimuli.no_regions = "regions come from a data set that emotion_data regions has been through";
  if (!model.network->options().expression) return stimuli;
  if (!finder) finder.emplace(FaceOptions{});
  if (const auto face = finder->largest(stimuli.picture)) {
    const int side = FaceOptions{}.size;
    stimuli.face = Image{side, side, {}};
    for (const std::uint8_t grey : face->pixels) stimuli.face->pixels.insert(stimuli.face->pixels.end(), {grey, grey, grey});
  } else {
    stimuli.no_face = "no face was found";
  }
  return stimuli;
}

/// What the command writes, picture by picture: the pictures themselves are not kept.
class Output {
 public:
  Output(const PredictOptions& options, const TrainedStimuliNet& model, const Device& device)
      : options_(options), model_(model), device_(device) {
    if (options.pictures.empty()) return;
    std::error_code error;
    fs::create_directories(options.pictures, error);
    if (error) throw RunError(fmt::format("{}: cannot be made: {}", options.pictures, error.message()));
  }

  void add(const Stimuli& stimuli) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    const StimuliExplanation seen = explain(model_, device_, stimuli);
    ++number_;
    if (!options_.json.empty() || !options_.pictures.empty()) {
      json_ += (json_.empty() ? "" : ",\n") +
               explanation_json(model_, stimuli, seen, options_.pictures, fmt::format("{:05}", number_));
    }
    if (!options_.report.empty()) sections_ += explanation_section(model_, stimuli, seen, number_);
    if (options_.json.empty() && options_.report.empty() && options_.pictures.empty()) print(stimuli, seen);
  }

  void close() {
    if (!options_.json.empty()) write_file_atomically(options_.json, "[" + json_ + "]\n");
    if (!options_.report.empty()) write_file_atomically(options_.report, explanation_page(model_, sections_));
  }

 private:
  void print(const Stimuli& stimuli, const StimuliExplanation& seen) const {
    fmt::print("{}{}\n", stimuli.name, seen.positive ? fmt::format("  (positive {:.4f})", *seen.positive) : "");
    for (std::size_t i = 0; i < std::min(seen.order.size(), static_cast<std::size_t>(std::max(options_.top, 1))); ++i)
      fmt::print("  {:<24} {:.4f}\n", model_.classes[seen.order[i]], seen.probabilities[seen.order[i]]);
    for (const auto& branch : seen.branches) {
      if (!branch.silent.empty()) fmt::print("  {} is silent: {}\n", branch.name, branch.silent);
    }
  }

  const PredictOptions& options_;
  const TrainedStimuliNet& model_;
  const Device& device_;
  std::size_t number_ = 0;
  std::string json_, sections_;
};

}  // namespace

void predict_stimuli(const PredictOptions& options, const Device& device) {
  TrainedStimuliNet model = load_stimuli_net(options.checkpoint, options.settings, device);
  if (model.polarity.empty()) model.polarity = mikels_polarity(model.classes);
  Output output(options, model, device);
  std::optional<FaceFinder> finder;
  for (const auto& input : options.inputs) {
    if (is_dataset(input)) {
      const Manifest manifest = open_input(input, options);
      const std::size_t count = input_count(manifest, options);
      Progress progress("predict " + manifest.split(), count);
      for (std::size_t i = 0; i < count; ++i) {
        output.add(read_stimuli(model, manifest, i));
        progress.update(i + 1);
      }
    } else {
      for (const auto& file : list_images({input})) output.add(find_stimuli(model, file, finder));
    }
  }
  output.close();
}

}  // namespace emotion
