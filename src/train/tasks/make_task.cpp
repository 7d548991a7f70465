#include "emotion/error.h"
#include "tasks.h"

namespace emotion {

std::unique_ptr<Task> make_task(const RunConfig& config, const Device& device) {
  if (config.task == "textcnn") return make_textcnn_task(config, device);
  if (config.task == "emotionnet") return make_emotion_net_task(config, device);
  if (config.task == "classifier" || config.task == "expression") return make_classifier_task(config, device);
  if (config.task == "stimuli") return make_stimuli_task(config, device);
  if (config.task == "detector") return make_detector_task(config, device);
  throw ConfigError("task is '" + config.task + "'; textcnn, emotionnet, classifier, stimuli, expression or detector");
}

}  // namespace emotion
