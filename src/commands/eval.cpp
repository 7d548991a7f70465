#include "emotion/commands/eval.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "broken_pictures.h"
#include "emotion/error.h"
#include "emotion/eval/evaluation_summary.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/eval/predict_split.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/report/evaluation_page.h"
#include "emotion/train/checkpoint.h"
#include "eval_detector.h"
#include "host_settings.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

SplitView split_view(const EvalOptions& o) {
  return {.batch = o.batch, .workers = chosen_workers(o), .crop_box = o.crop_box, .settings = o.settings};
}

/// What has no box to crop.
void check_crop_box(const EvalOptions& o, const Checkpoint& checkpoint) {
  if (!o.crop_box) return;
  const std::string& task = checkpoint.info.task;
  if (!o.zero_shot && (task == "textcnn" || task == "stimuli"))
    throw ConfigError(fmt::format("--crop-box: {} is of task {}, which reads no box", checkpoint.file.string(), task));
  if (checkpoint.config.data.picture == "face")
    throw ConfigError("--crop-box: " + checkpoint.file.string() + " sees faces, not boxes");
}

/// Of --compare. Classes that do not fit are told as that network's.
SplitPredictions predict_compared(const EvalOptions& o, const Checkpoint& compared, const Manifest& manifest,
                                  const Device& device) {
  check_crop_box(o, compared);
  try {
    return predict_split(compared, manifest, device, split_view(o));
  } catch (const DataError& error) {
    throw DataError(fmt::format("--compare {}: {}", compared.file.string(), error.what()));
  }
}

/// By whichever words the flags name.
SplitPredictions run_zero_shot(const EvalOptions& o, const Checkpoint& checkpoint, const Manifest& manifest,
                               const Device& device) {
  if (o.word2vec.empty() == o.textcnn.empty())
    throw ConfigError("--zero-shot wants --word2vec FILE or --textcnn RUN, one of them");
  const ClassWords words = read_class_words(o.synonyms, manifest.dataset().classes);
  const VisualModel model = VisualModel::open(checkpoint.file, o.settings, device);
  if (!o.word2vec.empty())
    return predict_zero_shot(model, manifest, device, split_view(o), words, WordVectors::open(o.word2vec), o.word2vec);
  TrainedTextCNN textcnn = load_textcnn(o.textcnn);
  return predict_zero_shot(model, manifest, device, split_view(o), words, textcnn);
}

/// What only a network with classes is asked.
void check_detector_flags(const EvalOptions& o, const fs::path& file) {
  const EvalOptions usual;
  if (o.crop_box) throw ConfigError("--crop-box: " + file.string() + " is of task detector, which reads no box");
  for (const auto& [given, name] : {std::pair{!o.compare.empty(), "--compare"},
                                    {o.zero_shot, "--zero-shot"},
                                    {!o.word2vec.empty(), "--word2vec"},
                                    {!o.textcnn.empty(), "--textcnn"},
                                    {!o.synonyms.empty(), "--synonyms"},
                                    {o.bootstrap != usual.bootstrap && o.bootstrap > 0, "--bootstrap"},
                                    {o.seed != usual.seed, "--seed"},
                                    {o.workers != usual.workers, "--workers"}}) {
    if (given)
      throw ConfigError(fmt::format("{}: {} is of task detector, which does without; leave it out", name, file.string()));
  }
}

/// At most 20 names.
std::string short_list(const std::vector<std::string>& names) {
  const std::size_t shown = std::min<std::size_t>(names.size(), 20);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     shown < names.size() ? ", .." : "");
}

/// own: the classes the data set names, where samples are labelled by them
void warn_of_missing_classes(const Predictions& predictions, const std::vector<std::string>& classes,
                             const std::vector<std::string>& own, const Manifest& manifest) {
  std::vector<bool> present(classes.size());
  for (const auto& labels : predictions.labels) {
    for (const std::uint32_t k : labels) present[k] = true;
  }
  std::vector<std::string> missing;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    if (!present[k]) missing.push_back(classes[k]);
  }
  if (missing.size() == classes.size() || missing.empty()) return;
  if (!own.empty() && own.size() < classes.size()) {
    log_warning("{}: its {} classes ({}) are a part of the network's {} ({}); {} have no sample and do not count in mAP",
                (manifest.dataset().root / "dataset.yaml").string(), own.size(), short_list(own), classes.size(),
                short_list(classes), missing.size());
    return;
  }
  log_warning("no sample of {} of {} classes: {}; they do not count in mAP", missing.size(), classes.size(), short_list(missing));
}

}  // namespace
}  // namespace emotion

void emotion_eval(const emotion::EvalOptions& o) {
  using namespace emotion;
  refuse_skipping(o.settings);
  if (!o.output.empty()) check_writable_folder(o.output);
  check_utf8_name(o.compare);  // metrics.json names it
  const Device device = Device::open(chosen_device(o));
  const Checkpoint checkpoint = Checkpoint::open(o.checkpoint, o.settings);
  const SplitConfig& own = checkpoint.config.data.val;
  const std::string data = o.data.empty() ? own.dataset : o.data;
  const std::string split = !o.split.empty() ? o.split : o.data.empty() ? own.split : "test";
  if (data.empty()) {
    read_weights(checkpoint.file);  // what is no checkpoint is told as that
    throw ConfigError("--data is missing: the checkpoint names no validation data");
  }
  if (checkpoint.info.task == "detector") {
    check_detector_flags(o, checkpoint.file);
    return eval_detector(o, device, data, split);
  }
  if (o.zero_shot && !o.compare.empty()) throw ConfigError("--zero-shot and --compare do not go together");
  if (!o.zero_shot && !(o.word2vec + o.textcnn + o.synonyms).empty())
    throw ConfigError("--word2vec, --textcnn and --synonyms belong to --zero-shot");
  const Manifest manifest = Manifest::open(Dataset::open(data), split);
  EvaluationSummary result;
  result.title = fmt::format("{} on {}, split {}", checkpoint.file.string(), data, split);
  result.classes = o.zero_shot ? manifest.dataset().classes : checkpoint.info.classes;
  check_crop_box(o, checkpoint);
  SplitPredictions predicted =
      o.zero_shot ? run_zero_shot(o, checkpoint, manifest, device) : predict_split(checkpoint, manifest, device, split_view(o));
  result.predictions = std::move(predicted.predictions);
  const bool by_labels = o.zero_shot || checkpoint.config.data.targets == "labels";
  warn_of_missing_classes(result.predictions, result.classes, by_labels ? manifest.dataset().classes : std::vector<std::string>(),
                          manifest);
  result.metrics = classification_metrics(result.predictions);
  if (!o.zero_shot) result.calibration = calibration(result.predictions);  // a cosine is no probability
  if (o.bootstrap > 0) result.intervals = bootstrap_intervals(result.predictions, o.bootstrap, o.seed);
  if (!o.compare.empty()) {
    const Checkpoint second = Checkpoint::open(o.compare, o.settings);
    result.compared_with = second.file.string();
    result.comparison = compare_predictions(result.predictions, predict_compared(o, second, manifest, device).predictions);
  }
  result.examples = confident_examples(result.predictions, predicted.samples, manifest, result.classes, 12, o.zero_shot);
  if (!o.output.empty()) {
    write_evaluation(o.output, result);
    write_evaluation_page(fs::path(o.output) / "eval.html", result,
                          checkpoint.info.task == "textcnn" ? fs::path() : manifest.dataset().images());
  }
  print_text(evaluation_text(result));
}
