#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emotion/eval/picture_view.h"
#include "emotion/eval/zero_shot.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

/// What a network predicts of a split, and the manifest's number of each row: not every sample has the picture it reads.
struct SplitPredictions {
  Predictions predictions;
  std::vector<std::uint64_t> samples;
};

/// The scores that `scores` makes of the features of what a view shows, and the labels of those samples. `predictions`: without
/// scores yet, with the labels of the whole split.
SplitPredictions predict_pictures(const VisualModel& model, const Device& device, const Manifest& manifest,
                                  const PictureView& view, Predictions predictions,
                                  const std::function<at::Tensor(const at::Tensor&)>& scores);

/// How a split is predicted.
struct SplitView {
  int batch = 64, workers = 0;
  bool crop_box = false;                ///< of networks that see whole pictures: the sample's box is the picture (EMOTIC-B)
  std::vector<std::string> settings{};  ///< key=value over the stored config, as Checkpoint::open had them
};

/// Logits of a network of any task with classes, which the labels are told by as data.targets of its config says.
/// @throws WeightsError for a file that names no classes; DataError for classes, boxes, pictures or stimuli that do not fit
SplitPredictions predict_split(const Checkpoint& checkpoint, const Manifest& manifest, const Device& device,
                               const SplitView& view);

/// Zero-shot (EmotionNet, Sec 5.4): cosines of the data set's classes, of which the network has seen no label, each a mean of
/// word vectors, with the network's projection. words: of each class; where: the vectors' file, for errors.
/// @throws DataError, WeightsError
SplitPredictions predict_zero_shot(const VisualModel& model, const Manifest& manifest, const Device& device,
                                   const SplitView& view, const ClassWords& words, const WordVectors& vectors,
                                   const std::string& where);

/// The same in the space of emotions: what a TextCNN of the network's classes says of the words, with the network's softmax.
/// @throws DataError, WeightsError
SplitPredictions predict_zero_shot(const VisualModel& model, const Manifest& manifest, const Device& device,
                                   const SplitView& view, const ClassWords& words, TrainedTextCNN& textcnn);

}  // namespace emotion
