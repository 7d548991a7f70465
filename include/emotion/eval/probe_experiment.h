#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/config/run_config.h"
#include "emotion/eval/probe.h"
#include "emotion/loss/metrics.h"
#include "emotion/train/visual_model.h"

namespace emotion {

/// Features of a split and what is right for each row.
struct ProbeSplit {
  at::Tensor features;  ///< float [V, n, D]; V > 1 for augmented views in training
  at::Tensor
      scored;  ///< float [n, D]: without augmentation, what samples of augmented views are scored on; undefined: features[0]
  std::vector<std::vector<std::uint32_t>> labels;  ///< [n], one or more class ids each
  /// [n], the number of the picture that a row shows: folds and what is held out do not part rows of one. Empty: each its own.
  std::vector<std::uint32_t> pictures;
  std::function<std::string(std::size_t)> place;  ///< names a row in errors; empty: by its number
};

/// How representations are measured.
struct ProbePlan {
  std::string method = "linear";  ///< linear | knn
  ProbeOptions fit;               ///< linear; fit.multi_label: binary cross-entropy, and mAP is the score
  int k = 20;                     ///< knn
  std::vector<double> sweep;  ///< values of lr (sgd), C (lbfgs) or k (knn), of which validation chooses one; empty = no choice
  int seeds = 1;              ///< repetitions with seed, seed + 1, ..
  int folds = 0;              ///< above 1: cross-validation over the training split, stratified by a sample's rarest label
  double fraction = 1.0;      ///< part of the training samples used, drawn by seed
  bool one_vs_all = false;    ///< a binary problem a class, whose probabilities are compared
  std::uint64_t seed = 1;
};

/// One fit, measured.
struct ProbeTrial {
  std::uint64_t seed = 0;
  int fold = -1;          ///< -1 without folds
  double setting = 0;     ///< lr, C or k
  double validation = 0;  ///< score there; NaN without a sweep
  double score = 0;       ///< on the test samples
  std::uint64_t trained_on = 0;
};

struct ProbeOutcome {
  std::string score_name;                        ///< top1, or mAP with several labels
  std::vector<ProbeTrial> trials;                ///< seeds x folds
  double mean = 0, deviation = 0;                ///< of the trials' scores; the deviation with n - 1, NaN for one
  Predictions predictions;                       ///< first seed: of the test split; with folds, of every training sample, unseen
  ClassificationMetrics metrics;                 ///< of `predictions`
  std::vector<double> binary_accuracy;           ///< one_vs_all: of each class against the rest, threshold 1/2
  std::vector<std::pair<double, double>> tried;  ///< first trial: setting and validation score
  LinearModel model;                             ///< of the first trial; undefined for knn
};

/// What run_probe refuses without looking at a feature, for `views` augmented ones of each training sample (0: as it is): asked
/// before features are computed.
/// @throws ConfigError for settings that do not go together; DataError: no training sample, more folds than the smallest class
///         has samples (pictures, where several are of one)
void check_plan(const ProbePlan& plan, std::int64_t views, const std::vector<std::string>& classes, const ProbeSplit& train);

/// Fits and measures as the plan says. `validation` chooses from the sweep; where it is null a fifth of the training samples is
/// held out for that, and all of them are used for the fit that is measured. `test` is null with folds.
///
/// Classes without a training or a test sample, of any fold where there are folds, are named in a warning; they do not count in
/// mAP and balanced accuracy.
/// @throws DataError: a NaN feature (with its sample's place), a single class, more folds than the smallest class has samples, k
///         above the number of training samples; ConfigError for settings that do not go together; Interrupted
ProbeOutcome run_probe(const ProbePlan& plan, const std::vector<std::string>& classes, const ProbeSplit& train,
                       const ProbeSplit* validation, const ProbeSplit* test);

/// Everything a probe of a trained network needs.
struct ProbeRequest {
  std::string checkpoint;               ///< as VisualModel::open; `random`: the backbone of `settings`, untrained
  std::vector<std::string> settings;    ///< for the checkpoint's stored config
  std::string backbone;                 ///< of a plain state_dict, and of `random`; empty: as `settings` say
  std::optional<DataConfig> pictures;   ///< transform of the pictures; none: the checkpoint's own
  SplitConfig train, validation, test;  ///< validation may be empty; test is not read with folds
  std::string targets = "labels";       ///< as data.targets
  ProbePlan plan;
  int views = 0;
  bool crop_box = false;
  std::filesystem::path cache;  ///< empty: nothing is kept
  std::string device = "auto";
  int batch = 64, workers = 0;
};

struct ProbeReport {
  std::vector<std::string> classes;
  std::vector<std::int8_t> polarity;
  std::int64_t dimension = 0;
  std::filesystem::path weights;
  ProbeOutcome outcome;
};

/// The network that a request names. A plain state_dict, and `random`, have its `backbone`. @throws ConfigError, WeightsError
VisualModel open_probed_network(const ProbeRequest& request, const Device& device);

/// Features once (split_features), then run_probe. The data decide between one label and several: see ProbePlan::fit.
ProbeReport probe_checkpoint(const ProbeRequest& request);

/// The probe section of a config. The checkpoint is probe.checkpoint, else the run the config writes (output).
ProbeRequest probe_request(const RunConfig& config);

}  // namespace emotion
