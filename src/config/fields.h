#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/config/run_config.h"

namespace emotion {

/// Tasks a key has an effect on, as bits.
enum TaskBits : unsigned {
  kTextCNN = 1,
  kEmotionNet = 2,
  kClassifier = 4,
  kStimuli = 8,
  kExpression = 16,
  kDetector = 32,
  kImages = kEmotionNet | kClassifier | kStimuli | kExpression,  ///< through the image loader
  kAllTasks = 63
};

constexpr std::array<std::pair<const char*, unsigned>, 6> kTasks{{{"textcnn", kTextCNN},
                                                                  {"emotionnet", kEmotionNet},
                                                                  {"classifier", kClassifier},
                                                                  {"stimuli", kStimuli},
                                                                  {"expression", kExpression},
                                                                  {"detector", kDetector}}};

/// The bit of a task; of a name that is none, all of them.
inline unsigned task_bit(const std::string& task) {
  for (const auto& [name, bit] : kTasks) {
    if (task == name) return bit;
  }
  return kAllTasks;
}

/// `all`, or the tasks' names.
inline std::string task_names(unsigned tasks) {
  if (tasks == kAllTasks) return "all";
  std::vector<std::string> names;
  for (const auto& [name, bit] : kTasks) {
    if (tasks & bit) names.emplace_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Numbers that a value may be.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool above_low = false;   ///< low itself is not allowed
  bool below_high = false;  ///< nor high

  bool contains(double x) const {
    return std::isfinite(x) && x >= low && x <= high && !(above_low && x <= low) && !(below_high && x >= high);
  }
};

/// [low, high]
constexpr Range within(double low, double high) { return {low, high, false, false}; }
/// [low, high)
constexpr Range below(double low, double high) { return {low, high, false, true}; }
/// (low, high]
constexpr Range above(double low, double high) { return {low, high, true, false}; }

/// `WHAT in [0, 1)`; high ends that are there to catch slips of the keyboard are not named.
inline std::string range_text(const Range& range, const char* what) {
  const bool low = std::isfinite(range.low), high = std::isfinite(range.high);
  if (low && high && range.high < 1e5) {
    return fmt::format("{} in {}{}, {}{}", what, range.above_low ? "(" : "[", range.low, range.high,
                       range.below_high ? ")" : "]");
  }
  if (low) return fmt::format("{} {} {}", what, range.above_low ? ">" : ">=", range.low);
  return what;
}

/// True if the text of config_values() is that of a value: an empty one is not printed.
inline bool is_set(std::string_view text) { return !text.empty() && text != "\"\""; }

/// What stands in the schema about a key, and what its value is checked against.
struct Field {
  Field(const char* name, unsigned task_bits, const char* text, std::vector<std::string> allowed = {})
      : key(name), tasks(task_bits), meaning(text), choices(std::move(allowed)) {}
  Field(const char* name, unsigned task_bits, const char* text, const Range& allowed)
      : key(name), tasks(task_bits), meaning(text), range(allowed) {}

  const char* key;
  unsigned tasks;
  const char* meaning;               ///< with the unit where there is one
  std::vector<std::string> choices;  ///< strings: the values allowed; empty = any
  Range range;                       ///< numbers
};

constexpr double kMany = 1 << 20;  ///< epochs, samples of a batch: more is a slip

template <class Section, class Visit>
void visit_data(Section& data, Visit& visit) {
  visit(Field{"data.train", kAllTasks, "training data: {dataset: DIR, split: NAME}"}, data.train);
  visit(Field{"data.val", kAllTasks, "validation data, evaluated after every epoch"}, data.val);
  visit(Field{"data.targets", kAllTasks & ~kDetector,
              "labels; keywords (every keyword of the training split a class); one_vs_all:CLASS (that class against the rest); "
              "or a file with `keyword<TAB>class` lines"},
        data.targets);
  visit(Field{"data.extra", kEmotionNet, "three_branch: data of the second classifier"}, data.extra);
  visit(Field{"data.fraction", kAllTasks, "part of the training set used, drawn by seed", above(0, 1)}, data.fraction);
  visit(Field{"data.resize", kImages, "shorter side before cropping, pixels; 0 = as stored", within(0, 8192)}, data.resize);
  visit(Field{"data.size", kImages, "side of the crop, pixels", within(1, 8192)}, data.size);
  visit(Field{"data.augment",
              kImages,
              "crop in training; validation takes the centre",
              {"random_resized_crop", "random_crop", "center_crop", "none"}},
        data.augment);
  visit(Field{"data.scale", kImages, "random_resized_crop: least and greatest part of the area", above(0, 1)}, data.scale);
  visit(Field{"data.ratio", kImages, "random_resized_crop: least and greatest width / height", above(0, 100)}, data.ratio);
  visit(Field{"data.flip", kImages | kDetector, "mirror half of the training images"}, data.flip);
  visit(Field{"data.shuffle", kAllTasks, "a new order every epoch"}, data.shuffle);
  visit(Field{"data.shuffle_window", kAllTasks,
              "samples; 0 = any order of the whole split; else near samples stay near in time: for shards on slow disks",
              within(0, 1e9)},
        data.shuffle_window);
  visit(Field{"data.picture",
              kClassifier | kExpression,
              "which picture of a sample: the image, or its face (samples without one are left out)",
              {"image", "face"}},
        data.picture);
  visit(Field{"data.cache_mb", kStimuli, "region features and faces kept in memory, MB", within(0, 1e7)}, data.cache_mb);
  visit(Field{"data.picture_cache_mb", kImages, "decoded training pictures kept in memory between epochs, MB; 0 = none",
              within(0, 1e9)},
        data.picture_cache_mb);
  visit(Field{"data.workers", kImages, "decoding threads; 0 = one per core", within(0, 1024)}, data.workers);
  visit(Field{"data.on_error",
              kImages | kTextCNN,
              "a broken image stops the run, or is skipped and listed; so does a sample without a keyword for the TextCNN",
              {"stop", "skip"}},
        data.on_error);
}

template <class Section, class Visit>
void visit_text(Section& text, Visit& visit) {
  visit(Field{"text.word2vec", kTextCNN | kEmotionNet, "word vectors, Google's .bin or .txt"}, text.word2vec);
  visit(Field{"text.textcnn", kEmotionNet, "trained TextCNN: run folder or model.safetensors"}, text.textcnn);
  visit(Field{"text.vocabulary", kTextCNN, "words the TextCNN knows, one a line = embedding row; default: the training split's"},
        text.vocabulary);
  visit(Field{"text.max_keywords", kTextCNN | kEmotionNet, "keywords of an image the TextCNN reads", within(1, 10000)},
        text.max_keywords);
  visit(Field{"text.exclude_classes", kTextCNN,
              "the TextCNN does not read the keywords that stand for its classes; false: it does, for labels that come from "
              "elsewhere"},
        text.exclude_classes);
}

template <class Section, class Visit>
void visit_model(Section& model, Visit& visit) {
  visit(Field{"model.backbone",
              kImages | kDetector,
              "image network; stimuli: of the Global-Net; detector: a ResNet",
              {"resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "alexnet"}},
        model.backbone);
  visit(Field{"model.init", kAllTasks, "initial weights of the model or its backbone: .safetensors, .pth or a run folder"},
        model.init);
  visit(Field{"model.head", kEmotionNet, "classifier and projection", {"two_branch", "joint", "three_branch"}}, model.head);
  visit(Field{"model.dropout", kTextCNN, "probability", below(0, 1)}, model.dropout);
  visit(Field{"model.word_dropout", kTextCNN, "part of the keywords left out in training", below(0, 1)}, model.word_dropout);
  visit(Field{"model.static_embedding", kTextCNN, "the word vectors are not trained"}, model.static_embedding);
}

/// The StimuliNet, a part of the section `model`.
template <class Section, class Visit>
void visit_stimuli(Section& model, Visit& visit) {
  visit(Field{"model.branches", kStimuli, "branches of the network", {"global", "semantic", "expression"}}, model.branches);
  visit(Field{"model.color", kStimuli, "what the Global-Net sees: colours, or luminance alone", {"rgb", "y"}}, model.color);
  visit(Field{"model.classifier_bias", kStimuli, "Eq 13 has none"}, model.classifier_bias);
  visit(Field{"model.semantic.regions", kStimuli, "N: regions of an image that are used, best first", within(0, 1000)},
        model.semantic.regions);
  visit(Field{"model.semantic.steps", kStimuli, "T: steps of the LSTMs", within(1, 1000)}, model.semantic.steps);
  visit(Field{"model.semantic.lag", kStimuli, "Eq 9 as printed: h_att of the step before; false: of this step"},
        model.semantic.lag);
  visit(Field{"model.semantic.attention", kStimuli, "M: width of the attention", within(1, 65536)}, model.semantic.attention);
  visit(Field{"model.semantic.variant", kStimuli, "LSTMs, or Table II's fully connected layers", {"lstm", "fc"}},
        model.semantic.variant);
  visit(Field{"model.expression_backbone",
              kStimuli,
              "network of the Expression-Net",
              {"resnet18", "resnet34", "resnet50", "resnet101"}},
        model.expression_backbone);
  visit(Field{"model.expression_init", kStimuli,
              "initial weights of the Expression-Net: a run of `expression` or `stimuli`, or a weights file"},
        model.expression_init);
  visit(Field{"model.channels", kStimuli | kExpression, "channels of the face network's stem; 1: the mean of the three",
              within(1, 3)},
        model.channels);
}

template <class Section, class Visit>
void visit_detector(Section& detector, Visit& visit) {
  visit(Field{"model.detector.min_size", kDetector, "shorter side of the pictures, pixels", within(16, 8192)}, detector.min_size);
  visit(Field{"model.detector.max_size", kDetector, "longest side of the pictures, pixels", within(16, 8192)}, detector.max_size);
  visit(Field{"model.detector.anchor_size", kDetector,
              "side of the anchors of the finest level, pixels; doubled on each coarser one", within(1, 1024)},
        detector.anchor_size);
  visit(Field{"model.detector.channels", kDetector, "channels of the feature pyramid", within(1, 65536)}, detector.channels);
  visit(Field{"model.detector.head", kDetector, "width of the box head: of a region's feature", within(1, 65536)}, detector.head);
  visit(Field{"model.detector.norm",
              kDetector,
              "norms of the backbone: frozen as pre-trained, or trained with the batch's statistics",
              {"frozen", "batch"}},
        detector.norm);
  visit(
      Field{"model.detector.norm_eps", kDetector, "added to variances; torchvision's COCO weights of 2019 want 0", within(0, 1)},
      detector.norm_eps);
  visit(Field{"model.detector.trainable_layers", kDetector, "layers of the backbone that are trained, from the last; 5 = all",
              within(0, 5)},
        detector.trainable_layers);
  visit(Field{"model.detector.proposal_samples", kDetector, "anchors of a picture that count in the loss", within(1, 1e9)},
        detector.proposal_samples);
  visit(Field{"model.detector.box_samples", kDetector, "proposals of a picture that count in the loss", within(1, 1e9)},
        detector.box_samples);
  visit(Field{"model.detector.train_proposals", kDetector, "proposals of a level and of a picture in training", within(1, 1e6)},
        detector.train_proposals);
  visit(Field{"model.detector.proposals", kDetector, "proposals of a level and of a picture when detecting", within(1, 1e6)},
        detector.proposals);
  visit(Field{"model.detector.score_threshold", kDetector, "least score of a detection", within(0, 1)}, detector.score_threshold);
  visit(Field{"model.detector.nms_threshold", kDetector, "overlap from which the lesser of two detections of a class goes",
              within(0, 1)},
        detector.nms_threshold);
  visit(Field{"model.detector.detections", kDetector, "most detections of a picture", within(1, 1e6)}, detector.detections);
}

template <class Section, class Visit>
void visit_loss(Section& loss, Visit& visit) {
  visit(Field{"loss.soft_label", kEmotionNet, "targets from the TextCNN and the keywords (Eq 1); false: keywords alone"},
        loss.soft_label);
  visit(Field{"loss.soft_threshold", kEmotionNet, "smaller TextCNN probabilities count as 0", below(0, 1)}, loss.soft_threshold);
  visit(Field{"loss.hard_target",
              kTextCNN | kEmotionNet,
              "q: 1 for every emotion keyword, or 1 / their number",
              {"indicator", "mean"}},
        loss.hard_target);
  visit(Field{"loss.embedding_weight", kEmotionNet, "weight of the embedding loss (Eq 4); 0 = off", within(0, 1e6)},
        loss.embedding_weight);
  visit(Field{"loss.extra_weight", kEmotionNet, "three_branch: weight of the second classifier's loss", within(0, 1e6)},
        loss.extra_weight);
  visit(Field{"loss.polarity_weight", kStimuli, "lambda of Eq 18: weight of the polarity loss", within(0, 1e6)},
        loss.polarity_weight);
  visit(Field{"loss.label_smoothing", kClassifier | kExpression, "part of the target spread over all classes", below(0, 1)},
        loss.label_smoothing);
  visit(
      Field{
          "loss.class_weights", kClassifier | kExpression, "weights of the classes; balanced: n / (K n_k)", {"none", "balanced"}},
      loss.class_weights);
}

template <class Section, class Visit>
void visit_optimizer(Section& optimizer, Visit& visit) {
  visit(Field{"optimizer.name", kAllTasks, "update rule", {"sgd", "adam", "adamw", "adagrad", "adadelta"}}, optimizer.name);
  visit(Field{"optimizer.lr", kAllTasks, "learning rate", above(0, 1e6)}, optimizer.lr);
  visit(Field{"optimizer.momentum", kAllTasks, "sgd", below(0, 1)}, optimizer.momentum);
  visit(Field{"optimizer.nesterov", kAllTasks, "sgd"}, optimizer.nesterov);
  visit(Field{"optimizer.weight_decay", kAllTasks, "L2 penalty (adamw: decoupled)", within(0, 1e6)}, optimizer.weight_decay);
  visit(Field{"optimizer.betas", kAllTasks, "adam, adamw: decay of the two averages", below(0, 1)}, optimizer.betas);
  visit(Field{"optimizer.eps", kAllTasks, "default: adam 1e-8, adagrad 1e-10, adadelta 1e-6", above(0, 1)}, optimizer.eps);
  visit(Field{"optimizer.rho", kAllTasks, "adadelta: decay of the averages", below(0, 1)}, optimizer.rho);
  visit(Field{"optimizer.lr_decay", kAllTasks, "adagrad", within(0, 1e6)}, optimizer.lr_decay);
  visit(Field{"optimizer.clip_norm", kAllTasks, "greatest L2 norm of all gradients; 0 = off", within(0, 1e9)},
        optimizer.clip_norm);
}

template <class Section, class Visit>
void visit_schedule(Section& schedule, Visit& visit) {
  visit(Field{"schedule.name", kAllTasks, "course of the learning rate", {"step", "multistep", "cosine", "constant"}},
        schedule.name);
  visit(Field{"schedule.every", kAllTasks, "step: epochs", within(1, kMany)}, schedule.every);
  visit(Field{"schedule.gamma", kAllTasks, "step, multistep: factor", above(0, 1)}, schedule.gamma);
  visit(Field{"schedule.milestones", kAllTasks, "multistep: epochs", within(1, kMany)}, schedule.milestones);
  visit(Field{"schedule.warmup", kAllTasks, "epochs of linear warm-up", within(0, kMany)}, schedule.warmup);
  visit(Field{"schedule.min_lr", kAllTasks, "cosine: last learning rate", within(0, 1e6)}, schedule.min_lr);
}

template <class Section, class Visit>
void visit_train(Section& train, Visit& visit) {
  visit(Field{"train.epochs", kAllTasks, "passes over the training set", within(1, kMany)}, train.epochs);
  visit(Field{"train.batch", kAllTasks, "samples a forward pass", within(1, kMany)}, train.batch);
  visit(Field{"train.accumulate", kAllTasks,
              "batches whose gradients make one step; with data.on_error skip they are all on the device at once",
              within(1, kMany)},
        train.accumulate);
  visit(Field{"train.amp", kAllTasks, "mixed precision; fp16 on GPUs alone", {"off", "bf16", "fp16"}}, train.amp);
  visit(Field{"train.loss_scale", kAllTasks, "factor on the loss at first, adapted as it goes; 0 = 65536 with fp16, none else",
              within(0, 1e38)},
        train.loss_scale);
  visit(Field{"train.channels_last", kImages | kDetector, "memory order of images and weights"}, train.channels_last);
  visit(Field{"train.deterministic", kAllTasks, "GPU: kernels that give the same bits every time, where there are such"},
        train.deterministic);
  visit(Field{"train.tf32", kAllTasks, "GPU: float32 convolutions and products in TF32: faster, ten bits of mantissa"},
        train.tf32);
  visit(Field{"train.max_steps", kAllTasks, "stop after that many steps; 0 = after the epochs", within(0, 1e15)},
        train.max_steps);
  visit(Field{"train.log_every", kAllTasks, "steps between lines of metrics.jsonl", within(1, 1e9)}, train.log_every);
  visit(Field{"train.ema", kAllTasks, "decay of averaged weights, which are evaluated and saved; 0 = off", below(0, 1)},
        train.ema);
  visit(Field{"train.sync_batch_norm", kAllTasks, "several processes: batch norm over the samples of all of them"},
        train.sync_batch_norm);
  visit(Field{"train.distributed_timeout", kAllTasks, "several processes: seconds without a sign of one until the others stop",
              within(1, 1e6)},
        train.distributed_timeout);
}

template <class Section, class Visit>
void visit_probe(Section& probe, Visit& visit) {
  visit(Field{"probe.method",
              kAllTasks,
              "emotion_probe: a linear layer on frozen features, nearest neighbours, or the whole network trained on",
              {"linear", "knn", "fine_tune"}},
        probe.method);
  visit(Field{"probe.checkpoint", kAllTasks, "network that is measured; default: the run that output names; random: untrained"},
        probe.checkpoint);
  visit(Field{"probe.test", kAllTasks, "test data; default: split test of the training data set"}, probe.test);
  visit(Field{"probe.solver",
              kAllTasks,
              "lbfgs finds the optimum, sgd follows the papers' recipe; emotion_probe without --config takes lbfgs by default",
              {"sgd", "lbfgs"}},
        probe.solver);
  visit(Field{"probe.C", kAllTasks, "lbfgs: inverse of the L2 penalty, as scikit-learn's", above(0, 1e12)}, probe.C);
  visit(Field{"probe.lr", kAllTasks, "sgd: learning rate", above(0, 1e6)}, probe.lr);
  visit(Field{"probe.batch", kAllTasks, "sgd: samples a step", within(1, kMany)}, probe.batch);
  visit(Field{"probe.epochs", kAllTasks, "sgd: passes over the training features", within(1, kMany)}, probe.epochs);
  visit(Field{"probe.every", kAllTasks, "sgd: epochs until the learning rate falls to a tenth; 0 = never", within(0, kMany)},
        probe.every);
  visit(Field{"probe.momentum", kAllTasks, "sgd", below(0, 1)}, probe.momentum);
  visit(Field{"probe.weight_decay", kAllTasks, "sgd: L2 penalty", within(0, 1e6)}, probe.weight_decay);
  visit(Field{"probe.epoch_samples", kAllTasks, "sgd: samples an epoch, as many of every class; 0 = every sample once",
              within(0, 1e9)},
        probe.epoch_samples);
  visit(Field{"probe.sweep", kAllTasks, "values of lr (sgd), C (lbfgs) or k (knn); validation data choose one", above(0, 1e12)},
        probe.sweep);
  visit(Field{"probe.k", kAllTasks, "knn: neighbours by cosine that vote", within(1, 1e6)}, probe.k);
  visit(Field{"probe.seeds", kAllTasks, "repetitions, of which mean and standard deviation are given", within(1, 1e4)},
        probe.seeds);
  visit(
      Field{"probe.folds", kAllTasks, "cross-validation over the training split; 0 = the test split is measured", within(0, 1e4)},
      probe.folds);
  visit(Field{"probe.one_vs_all", kAllTasks, "a binary problem for each class instead of softmax"}, probe.one_vs_all);
  visit(
      Field{"probe.views", kAllTasks, "augmented views of a training picture; 0 = the one that validation sees", within(0, 1e4)},
      probe.views);
  visit(Field{"probe.crop_box", kAllTasks, "the sample's box is the picture"}, probe.crop_box);
  visit(Field{"probe.cache", kAllTasks, "folder where features are kept; default ~/.cache/emotion/features"}, probe.cache);
}

template <class Section, class Visit>
void visit_checkpoint(Section& checkpoint, Visit& visit) {
  visit(Field{"checkpoint.every_minutes", kAllTasks, "minutes between checkpoints within an epoch; 0 = only at its end",
              within(0, 1e6)},
        checkpoint.every_minutes);
  visit(Field{"checkpoint.keep", kAllTasks, "last checkpoints kept, beside the best", within(1, 1e6)}, checkpoint.keep);
  visit(Field{"checkpoint.best",
              kAllTasks,
              "validation metric that decides the best checkpoint",
              {"top1", "top2", "top5", "mAP", "balanced_accuracy", "polarity_accuracy", "AP", "AP50", "loss"}},
        checkpoint.best);
}

/// Every key of a config once, in the order it is printed: reading, checking, printing and the schema all go through here.
///
/// `visit(const Field&, value)` is called with a reference to each value.
template <class Config, class Visit>
void visit_fields(Config& c, Visit&& visit) {
  visit(Field{"task", kAllTasks, "what is trained", {"textcnn", "emotionnet", "classifier", "stimuli", "expression", "detector"}},
        c.task);
  visit(Field{"seed", kAllTasks, "seed of initial values, order and augmentation"}, c.seed);
  visit(Field{"device", kAllTasks, "auto, cpu, cuda or cuda:N"}, c.device);
  visit(Field{"output", kAllTasks, "run folder"}, c.output);
  visit_data(c.data, visit);
  visit_text(c.text, visit);
  visit_model(c.model, visit);
  visit_stimuli(c.model, visit);
  visit_detector(c.model.detector, visit);
  visit_loss(c.loss, visit);
  visit_optimizer(c.optimizer, visit);
  visit_schedule(c.schedule, visit);
  visit_train(c.train, visit);
  visit_probe(c.probe, visit);
  visit_checkpoint(c.checkpoint, visit);
}

}  // namespace emotion
