#include "emotion/eval/predict_split.h"

#include <algorithm>
#include <span>
#include <utility>

#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/train/stimuli_check.h"
#include "emotion/train/stimuli_model.h"

namespace emotion {
namespace {

PictureView picture_view(const VisualModel& model, const Manifest& manifest, const SplitView& view) {
  PictureView pictures = evaluation_view(model, view.batch, view.workers);
  pictures.crop_box = view.crop_box;
  if (view.crop_box) check_boxes(manifest);
  return pictures;
}

/// TextCNN logits of samples' keywords.
void predict_text(const Checkpoint& checkpoint, const Manifest& manifest, const std::vector<std::uint64_t>& samples,
                  const SplitView& view, Predictions& predictions) {
  const at::NoGradGuard no_grad;
  TrainedTextCNN trained = load_textcnn(checkpoint.file, view.settings);
  const KeywordEncoder encoder = trained.encoder(manifest);
  const auto batch = static_cast<std::size_t>(view.batch);
  for (std::size_t begin = 0; begin < samples.size(); begin += batch) {
    const auto part = std::span(samples).subspan(begin, std::min(batch, samples.size() - begin));
    append_scores(predictions, trained.network->forward(textcnn_input(encoder, part)));
  }
}

/// Without scores yet; labels of the whole split.
Predictions unscored(const Manifest& manifest, const std::vector<std::string>& classes, const std::string& targets) {
  Predictions predictions;
  predictions.classes = classes.size();
  predictions.labels = true_labels(manifest, classes, targets);
  predictions.polarity = class_polarity(manifest.dataset(), classes);
  return predictions;
}

/// points: of the data set's classes, float [K, D]; images: an image's point, float [n, D], of its features
SplitPredictions predict_by_cosine(const VisualModel& model, const Manifest& manifest, const Device& device,
                                   const SplitView& view, const at::Tensor& points,
                                   const std::function<at::Tensor(const at::Tensor&)>& images) {
  return predict_pictures(model, device, manifest, picture_view(model, manifest, view),
                          unscored(manifest, manifest.dataset().classes, "labels"),
                          [&](const at::Tensor& features) { return cosine_scores(images(features).cpu(), points); });
}

}  // namespace

SplitPredictions predict_pictures(const VisualModel& model, const Device& device, const Manifest& manifest,
                                  const PictureView& view, Predictions predictions,
                                  const std::function<at::Tensor(const at::Tensor&)>& scores) {
  SplitPredictions result{std::move(predictions), {}};
  const auto labels = std::exchange(result.predictions.labels, {});
  for_each_batch(model, device, manifest, view, [&](const auto& samples, const at::Tensor& features) {
    append_scores(result.predictions, scores(features));
    for (const std::uint64_t i : samples) result.predictions.labels.push_back(labels[i]);
    result.samples.insert(result.samples.end(), samples.begin(), samples.end());
  });
  return result;
}

SplitPredictions predict_split(const Checkpoint& checkpoint, const Manifest& manifest, const Device& device,
                               const SplitView& view) {
  const ModelInfo& info = checkpoint.info;
  if (info.classes.empty())
    throw WeightsError(checkpoint.file.string() +
                       ": it names no classes; a plain backbone is measured by emotion_probe; if the file holds "
                       "classifier.*, emotion_convert IN OUT.safetensors --config C --classes FILE stores their names");
  Predictions predictions = unscored(manifest, info.classes, checkpoint.config.data.targets);
  if (info.task != "textcnn" && info.task != "stimuli") {
    const VisualModel model = VisualModel::open(checkpoint.file, view.settings, device);
    return predict_pictures(model, device, manifest, picture_view(model, manifest, view), std::move(predictions),
                            [&](const at::Tensor& f) { return model.logits(f); });
  }
  SplitPredictions result{std::move(predictions), samples_in_view(manifest, {})};
  if (info.task == "textcnn") {
    predict_text(checkpoint, manifest, result.samples, view, result.predictions);
  } else {
    const TrainedStimuliNet model = load_stimuli_net(checkpoint.file, view.settings, device);
    check_stimuli(model, manifest);
    for_each_batch(model, device, manifest, view.batch, view.workers,
                   [&](const auto&, const StimuliNetOutput& output) { append_scores(result.predictions, output.logits); });
  }
  return result;
}

SplitPredictions predict_zero_shot(const VisualModel& model, const Manifest& manifest, const Device& device,
                                   const SplitView& view, const ClassWords& words, const WordVectors& vectors,
                                   const std::string& where) {
  const at::Tensor points = class_vectors(words, manifest.dataset().classes, vectors);
  if (model.embedding_dimension() != 0 && points.size(1) != model.embedding_dimension()) {
    throw DataError(fmt::format("{}: its vectors have {} numbers, the network's projection has {}", where, points.size(1),
                                model.embedding_dimension()));
  }
  return predict_by_cosine(model, manifest, device, view, points,
                           [&](const at::Tensor& features) { return model.projection(features); });
}

SplitPredictions predict_zero_shot(const VisualModel& model, const Manifest& manifest, const Device& device,
                                   const SplitView& view, const ClassWords& words, TrainedTextCNN& textcnn) {
  const at::Tensor emotions = class_emotions(words, manifest.dataset().classes, textcnn);
  const std::vector<std::int64_t> columns = textcnn.columns_of(model.classes());
  if (columns.empty() && !model.classes().empty()) {
    throw WeightsError(fmt::format("zero-shot: the TextCNN's classes ({}) are not those of the network ({})",
                                   fmt::join(textcnn.classes, ", "), fmt::join(model.classes(), ", ")));
  }
  return predict_by_cosine(model, manifest, device, view, emotions.index_select(1, at::tensor(columns)),
                           [&](const at::Tensor& features) { return at::softmax(model.logits(features), 1); });
}

}  // namespace emotion
