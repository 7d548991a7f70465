#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/device.h"

namespace emotion {

class ProcessGroup;

/// Samples of one split, and their images where the task has any: float [n, 3, h, w] on the device.
struct Batch {
  std::vector<std::uint64_t> samples;
  at::Tensor images;
  /// Of the epoch's next batch, to be read ahead; with images that batch may be without some, whose pictures are broken.
  std::vector<std::uint64_t> upcoming;
  std::uint64_t epoch = 0;  ///< with sample and seed it names the draws of a sample
};

struct TaskOutput {
  at::Tensor loss;                                        ///< scalar: what is minimised, a mean over the batch
  at::Tensor extra_loss;                                  ///< scalar, a mean over the second batch; undefined without one
  double extra_weight = 1;                                ///< `loss + extra_weight extra_loss` is minimised
  std::vector<std::pair<std::string, at::Tensor>> parts;  ///< scalars it is made of, where there are several
  at::Tensor logits;                                      ///< [n, K]
  std::optional<double> weight;                           ///< Task::weight() of the batch
};

enum class Split { kTrain, kValidation };

/// What `task:` names: a network, its data and its loss.
class Task {
 public:
  virtual ~Task() = default;
  virtual torch::nn::Module& network() = 0;
  virtual const Manifest& manifest(Split split) const = 0;  ///< kValidation only if has_validation()
  virtual bool has_validation() const = 0;
  virtual bool has_images() const = 0;
  /// The samples of a split that are used; null = all of them.
  virtual const std::vector<std::uint64_t>* chosen(Split) const { return nullptr; }
  /// Which picture of a sample the loader decodes.
  virtual Picture picture() const { return Picture::kImage; }
  /// The second data set of a three-branch EmotionNet; null without one.
  virtual const Manifest* extra_manifest() const { return nullptr; }
  /// What the mean over these samples divides by, where they have weights; nothing: by their number.
  virtual std::optional<double> weight(const std::vector<std::uint64_t>&, Split) const { return std::nullopt; }
  /// Loss and logits of a batch. `extra` is a batch of extra_manifest(), in training only.
  virtual TaskOutput forward(const Batch& batch, const Batch* extra, Split split) = 0;
  /// Class ids that are right for a validation sample.
  virtual std::vector<std::uint32_t> labels(std::uint64_t sample) const = 0;
  /// True: the task is no classification and evaluates itself, below.
  virtual bool evaluates_itself() const { return false; }
  /// Metrics over the validation split, the network in evaluation mode. The processes share it: rank 0 gets the metrics of the
  /// whole, the others none. Nothing on all of them if any was asked to stop meanwhile.
  virtual std::optional<std::vector<std::pair<std::string, double>>> evaluate(ProcessGroup&) { return std::nullopt; }
  /// What goes into model.safetensors' metadata.
  virtual ModelInfo info() const = 0;
};

/// Reads the data and makes the network with its first values (from torch's generator, which the caller has seeded).
/// @throws ConfigError, DataError, WeightsError
std::unique_ptr<Task> make_task(const RunConfig& config, const Device& device);

}  // namespace emotion
