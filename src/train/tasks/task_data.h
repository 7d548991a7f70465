#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"
#include "emotion/data/targets.h"
#include "emotion/train/task.h"

namespace emotion {

/// A split with its classes: what every task reads.
struct LabelledSplit {
  Manifest manifest;
  SplitTargets targets;
};

/// Training and validation data of a config.
class TaskData {
 public:
  /// `single`: the task wants one class a sample.
  TaskData(const RunConfig& config, bool single);
  const LabelledSplit& operator[](Split split) const { return split == Split::kTrain ? *train_ : *validation_; }
  bool has_validation() const { return validation_ != nullptr; }
  const std::vector<std::string>& classes() const { return classes_.classes; }
  /// The keywords that stand for the classes: who reads them knows the answer.
  std::vector<std::string> class_words() const { return classes_.words(); }
  /// For a TextCNN that reads those: no class may be read from them. what: why it does; advice: what to do instead.
  /// @throws ConfigError at the first sample whose class is
  void check_classes_beside_keywords(const std::string& what, const std::string& advice) const;
  /// float [n, K]: 1 for every class of a sample, or 1 / their number.
  at::Tensor multi_hot(const std::vector<std::uint64_t>& samples, Split split, bool mean) const;

 private:
  TargetClasses classes_;
  std::unique_ptr<LabelledSplit> train_, validation_;
};

/// Opens a split and reads its classes; `single` as SplitTargets takes it. The result does not move: its targets look at its
/// manifest.
std::unique_ptr<LabelledSplit> open_split(const SplitConfig& split, const TargetClasses& classes, const std::string& spec,
                                          const std::string& single);

}  // namespace emotion
