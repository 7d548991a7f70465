#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emotion/commands/eval.h"
#include "emotion/data/manifest.h"
#include "emotion/train/device.h"

namespace emotion {

/// The pictures named on the command line, folders entered, in order.
std::vector<std::filesystem::path> list_images(const std::vector<std::string>& inputs);
bool is_dataset(const std::string& input);
/// The split of a data set that pictures are taken from: --split, else test, val or the first there is; its first --count
/// samples.
Manifest open_input(const std::string& dataset, const PredictOptions& options);
std::size_t input_count(const Manifest& manifest, const PredictOptions& options);

/// Whether a flag says how the faces of loose pictures are found: --face-size and its like.
bool has_face_flags(const PredictOptions& options);

/// emotion_predict for a checkpoint of task stimuli.
void predict_stimuli(const PredictOptions& options, const Device& device);

}  // namespace emotion
