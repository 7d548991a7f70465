#pragma once

#include <filesystem>
#include <string_view>

#include "emotion/io/weights.h"
#include "emotion/model/load_state.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

/// A network's file with what the commands must know of it.
inline void write_network(const std::filesystem::path& file, const torch::nn::Module& network, const ModelInfo& info) {
  StateDict state = module_state(network);
  state.metadata = info.to_metadata();
  write_safetensors(file, state);
}

/// The backbone of an ImageClassifier or EmotionNet alone, under torchvision's names.
inline StateDict plain_backbone(const StateDict& state) {
  constexpr std::string_view kPrefix = "backbone.";
  StateDict plain;
  for (const auto& [name, tensor] : state.entries) {
    if (name.starts_with(kPrefix)) plain.add(name.substr(kPrefix.size()), tensor);
  }
  return plain;
}

}  // namespace emotion
