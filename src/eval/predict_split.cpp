#include "emotion/eval/predict_split.h"

#include <utility>

namespace emotion {

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

}  // namespace emotion
