#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "emotion/io/weights.h"
#include "emotion/model/emotion_net.h"
#include "emotion/model/stimuli_net.h"

namespace emotion {

/// Writes a network for inference as ONNX (opset 17): batch, and for ResNets height and width, are free; VGG-16 and AlexNet take
/// 224x224 pixels, where their pooling to a fixed map does nothing. `state` must be one that the network itself loads.
///
/// Inputs: `images` [batch, 3, h, w] float, normalised as in training. Outputs: `logits`, and what is named below.
/// `metadata` goes into the file's metadata_props. @throws RunError, WeightsError for a tensor that is missing
void write_onnx_classifier(const std::filesystem::path& file, const StateDict& state,
                           const std::map<std::string, std::string>& metadata);
/// Also `projection`, and `extra_logits` for three_branch.
void write_onnx_emotion_net(const std::filesystem::path& file, const StateDict& state, Head head,
                            const std::map<std::string, std::string>& metadata);
/// Input `ids` [batch, max_keywords] int64, as TextCNN::forward takes them: the network averages over all positions, padding
/// included, so that lists of another length are not what it was trained on.
void write_onnx_textcnn(const std::filesystem::path& file, const StateDict& state, std::int64_t max_keywords,
                        const std::map<std::string, std::string>& metadata);
/// Inputs by branch: `images`; `region_features` [batch, regions, F] and `region_counts` [batch] int64; `faces` [batch, 3, 48,
/// 48] (any size) and `has_face` [batch] float, 1 or 0. Output `attention` [batch, steps, regions] too, if the LSTM branch is on.
/// `regions`: N, the most an image has.
void write_onnx_stimuli_net(const std::filesystem::path& file, const StateDict& state, const StimuliNetOptions& options,
                            std::int64_t regions, const std::map<std::string, std::string>& metadata);

}  // namespace emotion
