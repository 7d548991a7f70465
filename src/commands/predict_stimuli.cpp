#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "broken_pictures.h"
#include "emotion/data/decode.h"
#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/eval/extract_regions.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/eval/mikels_wheel.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/progress.h"
#include "emotion/report/explanation.h"
#include "emotion/signals.h"
#include "emotion/stimuli/detector_input.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/stimuli/faces.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/stimuli_check.h"
#include "predict.h"
#include "result_file.h"

namespace emotion {
namespace fs = std::filesystem;

bool has_face_flags(const PredictOptions& o) {
  return o.face_size || o.face_padding || o.face_upsample || o.face_max_side || o.face_threshold || !o.face_landmarks.empty() ||
         !o.face_cnn.empty();
}

namespace {

/// How faces are found: as those that the network was trained on, but for what the flags say. A difference is told.
FaceOptions face_options(const PredictOptions& o, const TrainedStimuliNet& model) {
  const std::string where = model.file.string();
  FaceOptions options = model.faces.empty() ? FaceOptions{} : parse_face_settings(model.faces, where);
  options.size = o.face_size.value_or(options.size);
  options.padding = o.face_padding.value_or(options.padding);
  options.upsample = o.face_upsample.value_or(options.upsample);
  options.max_side = o.face_max_side.value_or(options.max_side);
  options.threshold = o.face_threshold.value_or(options.threshold);
  options.landmarks = o.face_landmarks;
  options.cnn = o.face_cnn;
  const std::string now = face_settings(options);
  if (model.faces.empty()) {
    log_warning("{}: how its training faces were found is not known; --face-size, --face-padding .. say it, these are used: {}",
                where, now);
  } else if (now != model.faces) {
    log_warning("{}: faces are found with other options ({}) than those it was trained on ({})", where, now, model.faces);
  }
  return options;
}

/// Finds the stimuli of pictures that no manifest knows. What only one kind of network needs is loaded when first wanted.
class StimuliFinder {
 public:
  StimuliFinder(const PredictOptions& options, const TrainedStimuliNet& model, const Device& device)
      : options_(options), model_(model), device_(device) {
    const bool datasets_alone = std::all_of(options.inputs.begin(), options.inputs.end(), is_dataset);
    if (has_face_flags(options)) {
      if (!model.network->options().expression)
        throw ConfigError("--face-..: this network looks at no faces (model.branches has no expression); leave it out");
      if (datasets_alone)
        throw ConfigError(
            "--face-..: a data set's manifest names its faces (emotion_data faces finds them); leave it out, or name pictures");
    }
    if (options.detector.empty()) {
      if (!options.detector_settings.empty()) throw ConfigError("--detector-set: it says how --detector finds regions; name one");
      return;
    }
    const auto refuse = [](const char* why) { throw ConfigError(std::string("--detector: ") + why); };
    if (!model.network->options().semantic)
      refuse("this network looks at no regions (model.branches has no semantic); leave it out");
    if (model.config.model.semantic.regions == 0)
      refuse("this network looks at no regions (model.semantic.regions is 0); leave it out");
    if (datasets_alone)
      refuse("a data set's manifest names its regions (emotion_data regions finds them); leave it out, or name pictures");
    detector_ = load_detector(options.detector, options.detector_settings, device);
    warn_of_other_regions(model.regions, region_source(*detector_), options.detector);
  }

  /// Nothing for a picture that is broken and left out.
  std::optional<Stimuli> find(const fs::path& file, BrokenPictures& broken) {
    Stimuli stimuli;
    stimuli.name = file.string();
    const bool whole = broken.read([&] {
      stimuli.picture = decode_image(file);
      stimuli.input = load_image(file, make_transform(model_.config.data).deterministic(), {});
    });
    if (!whole) return std::nullopt;
    if (model_.network->options().semantic) find_regions_of(stimuli);
    if (model_.network->options().expression) find_face(stimuli);
    return stimuli;
  }

 private:
  void find_regions_of(Stimuli& stimuli) const {
    stimuli.no_regions = "no detector was given: --detector, or a data set that emotion_data regions has been through";
    if (!detector_) return;
    stimuli.regions = find_regions(picture_tensor(stimuli.picture), *detector_, device_, model_.config.model.semantic.regions);
  }

  void find_face(Stimuli& stimuli) {
    if (!faces_) faces_.emplace(face_options(options_, model_));
    stimuli.face = largest_face(*faces_, stimuli.picture);
    if (!stimuli.face) stimuli.no_face = "no face was found";
  }

  const PredictOptions& options_;
  const TrainedStimuliNet& model_;
  const Device& device_;
  std::optional<TrainedDetector> detector_;
  std::optional<FaceFinder> faces_;
};

/// A sample's stimuli; nothing for one whose picture is broken and left out. A region or face file that is broken ends the
/// command.
std::optional<Stimuli> read_sample(const TrainedStimuliNet& model, const Manifest& manifest, std::size_t sample,
                                   BrokenPictures& broken) {
  // Decoded twice, but only where it matters: what is read below throws the same for a broken picture as for other files.
  if (broken.are_skipped() && !broken.read([&] { decode_image(manifest.image_path(sample)); })) return std::nullopt;
  return read_stimuli(model, manifest, sample);
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
    if (stop_requested()) throw Interrupted(interrupted());
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
    if (!options_.json.empty()) write_json_result(options_.json, "[" + json_ + "]\n");
    if (!options_.report.empty()) write_file_atomically(options_.report, explanation_page(model_, sections_));
  }

 private:
  /// Pictures are written one by one, the rest at the end.
  std::string interrupted() const {
    if (options_.pictures.empty() || number_ == 0) return "interrupted; nothing was written";
    return fmt::format("interrupted; the pictures so far are in {}, no JSON or page was written", options_.pictures);
  }

  void print(const Stimuli& stimuli, const StimuliExplanation& seen) const {
    print_out("{}{}\n", stimuli.name, seen.positive ? fmt::format("  (positive {:.4f})", *seen.positive) : "");
    for (std::size_t i = 0; i < std::min(seen.order.size(), static_cast<std::size_t>(std::max(options_.top, 1))); ++i)
      print_out("  {:<24} {:.4f}\n", model_.classes[seen.order[i]], seen.probabilities[seen.order[i]]);
    for (const auto& branch : seen.branches) {
      if (!branch.silent.empty()) print_out("  {} is silent: {}\n", branch.name, branch.silent);
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
  StimuliFinder finder(options, model, device);
  BrokenPictures broken(model.config);
  const auto add_each = [&](const std::string& title, std::size_t count, const auto& stimuli_of) {
    Progress progress(title, count);
    for (std::size_t i = 0; i < count; ++i) {
      if (const std::optional<Stimuli> stimuli = stimuli_of(i)) output.add(*stimuli);
      progress.update(i + 1);
    }
  };
  for (const auto& input : options.inputs) {
    if (is_dataset(input)) {
      const Manifest manifest = open_input(input, options);
      warn_of_other_stimuli(model, manifest);
      const auto labels = known_labels(manifest, model.classes, model.config.data.targets);
      add_each("predict " + manifest.split(), input_count(manifest, options), [&](std::size_t i) {
        std::optional<Stimuli> stimuli = read_sample(model, manifest, i, broken);
        if (stimuli) stimuli->truth = labels[i];
        return stimuli;
      });
    } else {
      const auto files = list_images({input});
      add_each("predict", files.size(), [&](std::size_t i) { return finder.find(files[i], broken); });
    }
  }
  broken.close();
  output.close();
}

}  // namespace emotion
