#pragma once

#include <memory>

#include "emotion/train/task.h"

namespace emotion {

std::unique_ptr<Task> make_textcnn_task(const RunConfig& config, const Device& device);
std::unique_ptr<Task> make_emotion_net_task(const RunConfig& config, const Device& device);
/// task: classifier or expression
std::unique_ptr<Task> make_classifier_task(const RunConfig& config, const Device& device);
std::unique_ptr<Task> make_stimuli_task(const RunConfig& config, const Device& device);
std::unique_ptr<Task> make_detector_task(const RunConfig& config, const Device& device);

}  // namespace emotion
