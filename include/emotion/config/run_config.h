#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace emotion {

/// `{dataset: DIR, split: NAME}`
struct SplitConfig {
  std::string dataset, split;
  explicit operator bool() const { return !dataset.empty(); }
  bool operator==(const SplitConfig&) const = default;
};

struct DataConfig {
  SplitConfig train, val;
  std::string targets = "labels";                 ///< labels | keywords | FILE (keyword -> coarser class)
  SplitConfig extra;                              ///< three_branch only
  double fraction = 1.0;                          ///< part of the training set, seeded
  int resize = 256;                               ///< shorter side, pixels; 0 = as stored
  int size = 224;                                 ///< crop, pixels
  std::string augment = "random_resized_crop";    ///< random_resized_crop | random_crop | center_crop | none
  std::array<double, 2> scale{0.08, 1.0};         ///< random_resized_crop: part of the area
  std::array<double, 2> ratio{3.0 / 4, 4.0 / 3};  ///< random_resized_crop: width / height
  bool flip = true;
  bool shuffle = true;
  int shuffle_window = 0;         ///< samples; 0 = the whole split
  std::string picture = "image";  ///< classifier, expression: image | face
  int cache_mb = 1024;            ///< stimuli
  int picture_cache_mb = 0;       ///< of decoded training pictures
  int workers = 0;                ///< threads; 0 = one per core
  std::string on_error = "stop";  ///< stop | skip
  bool operator==(const DataConfig&) const = default;
};

struct TextConfig {
  std::string word2vec, textcnn, vocabulary;
  int max_keywords = 100;
  bool exclude_classes = true;  ///< textcnn: keywords that stand for its classes are not read
  bool operator==(const TextConfig&) const = default;
};

/// stimuli: the Semantic-Net
struct SemanticConfig {
  int regions = 10, steps = 10;
  bool lag = true;
  int attention = 512;
  std::string variant = "lstm";  ///< lstm | fc
  bool operator==(const SemanticConfig&) const = default;
};

/// detector: Faster R-CNN with a feature pyramid; the defaults are those of torchvision's
/// fasterrcnn_resnet50_fpn with weights, but for the layers that are trained: there the last 3. Without weights torchvision's
/// norms are trained, as with norm: batch, and all 5 layers.
struct DetectorConfig {
  int min_size = 800, max_size = 1333;
  int anchor_size = 32;
  int channels = 256, head = 1024;
  std::string norm = "frozen";  ///< frozen | batch
  double norm_eps = 1e-5;
  int trainable_layers = 5;
  int proposal_samples = 256, box_samples = 512;
  int train_proposals = 2000, proposals = 1000;
  double score_threshold = 0.05, nms_threshold = 0.5;
  int detections = 100;
  bool operator==(const DetectorConfig&) const = default;
};

struct ModelConfig {
  std::string backbone = "resnet50";
  std::string init;
  std::string head = "two_branch";                                        ///< two_branch | joint | three_branch
  double dropout = 0.5;                                                   ///< textcnn
  double word_dropout = 0.0;                                              ///< textcnn
  bool static_embedding = false;                                          ///< textcnn
  std::vector<std::string> branches{"global", "semantic", "expression"};  ///< stimuli
  std::string color = "rgb";                                              ///< stimuli: rgb | y
  bool classifier_bias = true;                                            ///< stimuli
  SemanticConfig semantic;                                                ///< stimuli
  std::string expression_backbone = "resnet18", expression_init;          ///< stimuli
  int channels = 3;                                                       ///< stimuli, expression: 3 | 1
  DetectorConfig detector;
  bool operator==(const ModelConfig&) const = default;
};

struct LossConfig {
  bool soft_label = true;
  double soft_threshold = 0.01;
  std::string hard_target = "indicator";  ///< indicator | mean
  double embedding_weight = 1.0;
  double extra_weight = 1.0;           ///< three_branch
  double polarity_weight = 1.0;        ///< stimuli: lambda of Eq 18
  double label_smoothing = 0.0;        ///< classifier
  std::string class_weights = "none";  ///< classifier: none | balanced
  bool operator==(const LossConfig&) const = default;
};

struct OptimizerConfig {
  std::string name = "sgd";  ///< sgd | adam | adamw | adagrad | adadelta
  double lr = 1e-3;
  double momentum = 0.9;  ///< sgd
  bool nesterov = false;  ///< sgd
  double weight_decay = 1e-5;
  std::array<double, 2> betas{0.9, 0.999};  ///< adam, adamw
  std::optional<double> eps;                ///< default as PyTorch's: adam 1e-8, adagrad 1e-10, adadelta 1e-6
  double rho = 0.9;                         ///< adadelta
  double lr_decay = 0.0;                    ///< adagrad
  double clip_norm = 0.0;                   ///< 0 = off
  bool operator==(const OptimizerConfig&) const = default;
};

struct ScheduleConfig {
  std::string name = "step";  ///< step | multistep | cosine | constant
  int every = 10;             ///< step: epochs
  double gamma = 0.1;
  std::vector<int> milestones;  ///< multistep: epochs
  double warmup = 0.0;          ///< epochs of linear warm-up from 0
  double min_lr = 0.0;          ///< cosine
  bool operator==(const ScheduleConfig&) const = default;
};

struct TrainConfig {
  int epochs = 30;
  int batch = 256;
  int accumulate = 1;
  std::string amp = "off";  ///< off | bf16 | fp16
  double loss_scale = 0;    ///< the first; 0 = LossScale::kFirst with fp16, none otherwise
  bool channels_last = true;
  bool deterministic = true;   ///< GPU
  bool tf32 = false;           ///< GPU
  std::int64_t max_steps = 0;  ///< 0 = by epochs
  int log_every = 50;          ///< steps
  double ema = 0.0;            ///< decay of the averaged weights; 0 = off
  bool sync_batch_norm = false;
  double distributed_timeout = 300;  ///< seconds
  bool operator==(const TrainConfig&) const = default;
};

/// emotion_probe
struct ProbeConfig {
  std::string method = "linear";  ///< linear | knn | fine_tune
  std::string checkpoint;         ///< default: the run that `output` names
  SplitConfig test;               ///< default: split `test` of the training data set
  std::string solver = "sgd";     ///< sgd | lbfgs
  double C = 1.0;
  double lr = 0.1;
  int batch = 256;
  int epochs = 30;
  int every = 10;
  double momentum = 0.9;
  double weight_decay = 1e-5;
  int epoch_samples = 0;
  std::vector<double> sweep;
  int k = 20;
  int seeds = 1;
  int folds = 0;
  bool one_vs_all = false;
  int views = 0;
  bool crop_box = false;
  std::string cache;
  bool operator==(const ProbeConfig&) const = default;
};

struct CheckpointConfig {
  double every_minutes = 10;
  int keep = 3;
  std::string best = "top1";  ///< name of a validation metric
  bool operator==(const CheckpointConfig&) const = default;
};

/// One training run, as read from a YAML file: what each key means stands in the schema (`emotion_train --schema`).
struct RunConfig {
  std::string task = "emotionnet";
  std::uint64_t seed = 1;
  std::string device = "auto";  ///< auto | cpu | cuda | cuda:N
  std::string output = "runs/emotionnet";
  DataConfig data;
  TextConfig text;
  ModelConfig model;
  LossConfig loss;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
  ProbeConfig probe;
  CheckpointConfig checkpoint;
  bool operator==(const RunConfig&) const = default;
};

/// Reads FILE, follows `extends:`, applies `key.path=value` settings in order, checks every key and value. `flags` are over the
/// settings: a key and what its flag `--key` says, which is not YAML but its value as it stands.
///
/// @throws ConfigError `file:line:col: ...` (for a setting: `--set key=value: ...`) with the nearest valid key
RunConfig load_run_config(const std::filesystem::path& file, const std::vector<std::string>& settings,
                          const std::vector<std::pair<std::string, std::string>>& flags = {});
/// A config stored in a checkpoint (YAML or JSON text), perhaps by another version or program: values are checked, keys that are
/// not known are passed over and none is required. `name` stands in for the file in errors. Settings of the pictures must go
/// together with what is stored. @throws ConfigError
RunConfig parse_run_config(const std::string& yaml, const std::string& name, const std::vector<std::string>& settings = {});
/// The defaults with the settings over them, each checked by itself: what a command takes of them that has no other config, or
/// asks no other. @throws ConfigError
RunConfig parse_settings(const std::vector<std::string>& settings);
/// True if a setting says something to a task: each of its keys is one of that task's. @throws ConfigError for a key that there
/// is not
bool has_effect(const std::string& setting, const std::string& task);
/// The checks of load_run_config() on a config that was filled in C++, by its print: a value that no key takes, values that
/// cannot go together. `name` stands in for the file in errors.
/// @throws ConfigError `NAME:line:col: ...`, the line and column those of print_run_config()
void check_run_config(const RunConfig& config, const std::string& name = "config");
/// The resolved config as YAML: parse_run_config(print_run_config(c)) equals c.
std::string print_run_config(const RunConfig& config);
/// Every key with its value as text, in the order of print_run_config.
std::vector<std::pair<std::string, std::string>> config_values(const RunConfig& config);
/// Every key, one line each: name, type, default, unit, meaning.
std::string run_config_schema();

}  // namespace emotion
