#include "emotion/commands/eval.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "broken_pictures.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/evaluation_result.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/eval/predict_split.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/eval/zero_shot.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/report/evaluation_page.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/train/checkpoint.h"
#include "eval_detector.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

VisualModel open_model(const CheckpointOptions& options, const Device& device) {
  return VisualModel::open(options.checkpoint, options.settings, device);
}

/// The samples, in a batch's order, and what a network sees of them.
PictureView picture_view(const EvalOptions& o, const VisualModel& model, const Manifest& manifest) {
  PictureView view = evaluation_view(model, o.batch, o.workers);
  view.crop_box = o.crop_box;
  if (o.crop_box && view.faces) throw ConfigError("--crop-box: " + model.file().string() + " sees faces, not boxes");
  if (o.crop_box) check_boxes(manifest);
  return view;
}

/// TextCNN logits of samples' keywords.
void predict_text(const fs::path& file, const Manifest& manifest, const std::vector<std::uint64_t>& samples, int batch,
                  Predictions& predictions) {
  const at::NoGradGuard no_grad;
  TrainedTextCNN trained = load_textcnn(file);
  const KeywordEncoder encoder = trained.encoder(manifest);
  for (std::size_t begin = 0; begin < samples.size(); begin += static_cast<std::size_t>(batch)) {
    const auto part = std::span(samples).subspan(begin, std::min(static_cast<std::size_t>(batch), samples.size() - begin));
    append_scores(predictions, trained.network->forward(textcnn_input(encoder, part)));
  }
}

/// Classes by the network's own names.
SplitPredictions predict_split(const EvalOptions& o, const Checkpoint& named, const Manifest& manifest, const Device& device) {
  if (named.info.classes.empty())
    throw WeightsError(named.file.string() +
                       ": it names no classes; a plain backbone is measured by emotion_probe; if the file holds "
                       "classifier.*, emotion_convert IN OUT.safetensors --config C --classes FILE stores their names");
  SplitPredictions result;
  Predictions& predictions = result.predictions;
  predictions.classes = named.info.classes.size();
  predictions.labels = true_labels(manifest, named.info.classes, named.config.data.targets);
  predictions.polarity = class_polarity(manifest.dataset(), named.info.classes);
  const bool pictures = named.info.task != "textcnn" && named.info.task != "stimuli";
  if (o.crop_box && !pictures)
    throw ConfigError(fmt::format("--crop-box: {} is of task {}, which reads no box", named.file.string(), named.info.task));
  if (pictures) {
    const VisualModel model = open_model(o, device);
    return predict_pictures(model, device, manifest, picture_view(o, model, manifest), std::move(predictions),
                            [&](const at::Tensor& f) { return model.logits(f); });
  }
  result.samples = samples_in_view(manifest, {});
  if (named.info.task == "textcnn") {
    predict_text(named.file, manifest, result.samples, o.batch, predictions);
  } else {
    const TrainedStimuliNet model = load_stimuli_net(o.checkpoint, o.settings, device);
    check_stimuli(model, manifest);
    for_each_batch(model, device, manifest, o.batch, o.workers,
                   [&](const auto&, const StimuliNetOutput& output) { append_scores(predictions, output.logits); });
  }
  return result;
}

/// Of --compare. Classes that do not fit are told as that network's.
SplitPredictions predict_compared(const EvalOptions& o, const Checkpoint& named, const Manifest& manifest, const Device& device) {
  try {
    return predict_split(o, named, manifest, device);
  } catch (const DataError& error) {
    throw DataError(fmt::format("--compare {}: {}", named.file.string(), error.what()));
  }
}

/// The TextCNN's emotions in the order of the image network's classes. float [K, emotions]
at::Tensor emotions_as_network(const at::Tensor& emotions, const TrainedTextCNN& textcnn, const VisualModel& model) {
  const std::vector<std::int64_t> columns = textcnn.columns_of(model.classes());
  if (columns.empty() && !model.classes().empty()) {
    throw WeightsError(fmt::format("zero-shot: the TextCNN's classes ({}) are not those of the network ({})",
                                   fmt::join(textcnn.classes, ", "), fmt::join(model.classes(), ", ")));
  }
  return emotions.index_select(1, at::tensor(columns));
}

/// Table 6: cosine scores of the data set's classes, of which the network has seen no label.
SplitPredictions predict_zero_shot(const EvalOptions& o, const Manifest& manifest, const Device& device) {
  if (o.word2vec.empty() == o.textcnn.empty())
    throw ConfigError("--zero-shot wants --word2vec FILE or --textcnn RUN, one of them");
  const auto& classes = manifest.dataset().classes;
  const ClassWords words = read_class_words(o.synonyms, classes);
  const VisualModel model = open_model(o, device);
  at::Tensor points;
  if (!o.word2vec.empty()) {
    points = class_vectors(words, classes, WordVectors::open(o.word2vec));
    if (model.embedding_dimension() != 0 && points.size(1) != model.embedding_dimension()) {
      throw DataError(fmt::format("{}: its vectors have {} numbers, the network's projection has {}", o.word2vec, points.size(1),
                                  model.embedding_dimension()));
    }
  } else {
    TrainedTextCNN textcnn = load_textcnn(o.textcnn);
    points = emotions_as_network(class_emotions(words, classes, textcnn), textcnn, model);
  }
  Predictions predictions;
  predictions.classes = classes.size();
  predictions.labels = true_labels(manifest, classes, "labels");
  predictions.polarity = class_polarity(manifest.dataset(), classes);
  const auto scores = [&](const at::Tensor& features) {
    const at::Tensor images = o.word2vec.empty() ? at::softmax(model.logits(features), 1) : model.projection(features);
    return cosine_scores(images.cpu(), points);
  };
  return predict_pictures(model, device, manifest, picture_view(o, model, manifest), std::move(predictions), scores);
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
  const Device device = Device::open(o.device);
  const Checkpoint named = Checkpoint::open(o.checkpoint, o.settings);
  const SplitConfig& own = named.config.data.val;
  const std::string data = o.data.empty() ? own.dataset : o.data;
  const std::string split = !o.split.empty() ? o.split : o.data.empty() ? own.split : "test";
  if (data.empty()) {
    read_weights(named.file);  // what is no checkpoint is told as that
    throw ConfigError("--data is missing: the checkpoint names no validation data");
  }
  if (named.info.task == "detector") {
    check_detector_flags(o, named.file);
    return eval_detector(o, data, split);
  }
  if (o.zero_shot && !o.compare.empty()) throw ConfigError("--zero-shot and --compare do not go together");
  if (!o.zero_shot && !(o.word2vec + o.textcnn + o.synonyms).empty())
    throw ConfigError("--word2vec, --textcnn and --synonyms belong to --zero-shot");
  const Manifest manifest = Manifest::open(Dataset::open(data), split);
  EvaluationSummary result;
  result.title = fmt::format("{} on {}, split {}", named.file.string(), data, split);
  result.classes = o.zero_shot ? manifest.dataset().classes : named.info.classes;
  SplitPredictions predicted = o.zero_shot ? predict_zero_shot(o, manifest, device) : predict_split(o, named, manifest, device);
  result.predictions = std::move(predicted.predictions);
  const bool by_labels = o.zero_shot || named.config.data.targets == "labels";
  warn_of_missing_classes(result.predictions, result.classes, by_labels ? manifest.dataset().classes : std::vector<std::string>(),
                          manifest);
  result.metrics = classification_metrics(result.predictions);
  if (!o.zero_shot) result.calibration = calibration(result.predictions);  // a cosine is no probability
  if (o.bootstrap > 0) result.intervals = bootstrap_intervals(result.predictions, o.bootstrap, o.seed);
  if (!o.compare.empty()) {
    EvalOptions other = o;
    other.checkpoint = o.compare;
    const Checkpoint second = Checkpoint::open(other.checkpoint, other.settings);
    result.compared_with = second.file.string();
    result.comparison = compare_predictions(result.predictions, predict_compared(other, second, manifest, device).predictions);
  }
  result.examples = confident_examples(result.predictions, predicted.samples, manifest, result.classes, 12);
  if (!o.output.empty()) {
    write_evaluation(o.output, result);
    write_evaluation_page(fs::path(o.output) / "eval.html", result,
                          named.info.task == "textcnn" ? fs::path() : manifest.dataset().images());
  }
  print_text(evaluation_text(result));
}
