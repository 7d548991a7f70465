#pragma once

#include <limits>
#include <string>
#include <vector>

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

/// What stands in the schema about a key, and what its value is checked against.
struct Field {
  const char* key;
  unsigned tasks;
  const char* meaning;                 ///< with the unit where there is one
  std::vector<std::string> choices{};  ///< strings: the values allowed; empty = any
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool above_low = false;  ///< low itself is not allowed
  bool below_high = false;
};

/// Every key of a config once, in the order it is printed: reading, checking, printing and the schema all go through here.
///
/// `visit(const Field&, value)` is called with a reference to each value.
template <class Config, class Visit>
void visit_fields(Config& c, Visit&& visit) {
  constexpr double kManySamples = 1 << 20;
  visit(Field{"task", kAllTasks, "what is trained", {"textcnn", "emotionnet", "classifier", "stimuli", "expression", "detector"}},
        c.task);
  visit(Field{"seed", kAllTasks, "seed of initial values, order and augmentation"}, c.seed);
  visit(Field{"device", kAllTasks, "auto, cpu, cuda or cuda:N"}, c.device);
  visit(Field{"output", kAllTasks, "run folder"}, c.output);

  visit(Field{"data.train", kAllTasks, "training data: {dataset: DIR, split: NAME}"}, c.data.train);
  visit(Field{"data.val", kAllTasks, "validation data, evaluated after every epoch"}, c.data.val);
  visit(Field{"data.targets", kAllTasks & ~kDetector,
              "labels; keywords (every keyword of the training split a class); one_vs_all:CLASS (that class against the rest); "
              "or a file with `keyword<TAB>class` lines"},
        c.data.targets);
  visit(Field{"data.extra", kEmotionNet, "three_branch: data of the second classifier"}, c.data.extra);
  visit(Field{"data.fraction", kAllTasks, "part of the training set used, drawn by seed", {}, 0, 1, true}, c.data.fraction);
  visit(Field{"data.resize", kImages, "shorter side before cropping, pixels; 0 = as stored", {}, 0, 8192}, c.data.resize);
  visit(Field{"data.size", kImages, "side of the crop, pixels", {}, 1, 8192}, c.data.size);
  visit(Field{"data.augment",
              kImages,
              "crop in training; validation takes the centre",
              {"random_resized_crop", "random_crop", "center_crop", "none"}},
        c.data.augment);
  visit(Field{"data.scale", kImages, "random_resized_crop: least and greatest part of the area", {}, 0, 1, true}, c.data.scale);
  visit(Field{"data.ratio", kImages, "random_resized_crop: least and greatest width / height", {}, 0, 100, true}, c.data.ratio);
  visit(Field{"data.flip", kImages | kDetector, "mirror half of the training images"}, c.data.flip);
  visit(Field{"data.shuffle", kAllTasks, "a new order every epoch"}, c.data.shuffle);
  visit(Field{"data.shuffle_window",
              kAllTasks,
              "samples; 0 = any order of the whole split; else near samples stay near in time: for shards on slow disks",
              {},
              0,
              1e9},
        c.data.shuffle_window);
  visit(Field{"data.picture",
              kClassifier | kExpression,
              "which picture of a sample: the image, or its face (samples without one are left out)",
              {"image", "face"}},
        c.data.picture);
  visit(Field{"data.cache_mb", kStimuli, "region features and faces kept in memory, MB", {}, 0, 1e7}, c.data.cache_mb);
  visit(
      Field{
          "data.picture_cache_mb", kImages, "decoded training pictures kept in memory between epochs, MB; 0 = none", {}, 0, 1e9},
      c.data.picture_cache_mb);
  visit(Field{"data.workers", kImages, "decoding threads; 0 = one per core", {}, 0, 1024}, c.data.workers);
  visit(Field{"data.on_error",
              kImages | kTextCNN,
              "a broken image stops the run, or is skipped and listed; so does a sample without a keyword for the TextCNN",
              {"stop", "skip"}},
        c.data.on_error);

  visit(Field{"text.word2vec", kTextCNN | kEmotionNet, "word vectors, Google's .bin or .txt"}, c.text.word2vec);
  visit(Field{"text.textcnn", kEmotionNet, "trained TextCNN: run folder or model.safetensors"}, c.text.textcnn);
  visit(Field{"text.vocabulary", kTextCNN, "words the TextCNN knows, one a line = embedding row; default: the training split's"},
        c.text.vocabulary);
  visit(Field{"text.max_keywords", kTextCNN | kEmotionNet, "keywords of an image the TextCNN reads", {}, 1, 10000},
        c.text.max_keywords);
  visit(Field{"text.exclude_classes", kTextCNN,
              "the TextCNN does not read the keywords that stand for its classes; false: it does, for labels that come from "
              "elsewhere"},
        c.text.exclude_classes);

  visit(Field{"model.backbone",
              kImages | kDetector,
              "image network; stimuli: of the Global-Net; detector: a ResNet",
              {"resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "alexnet"}},
        c.model.backbone);
  visit(Field{"model.init", kAllTasks, "initial weights of the model or its backbone: .safetensors, .pth or a run folder"},
        c.model.init);
  visit(Field{"model.head", kEmotionNet, "classifier and projection", {"two_branch", "joint", "three_branch"}}, c.model.head);
  visit(Field{"model.dropout", kTextCNN, "probability", {}, 0, 1, false, true}, c.model.dropout);
  visit(Field{"model.word_dropout", kTextCNN, "part of the keywords left out in training", {}, 0, 1, false, true},
        c.model.word_dropout);
  visit(Field{"model.static_embedding", kTextCNN, "the word vectors are not trained"}, c.model.static_embedding);

  visit(Field{"model.branches", kStimuli, "branches of the network", {"global", "semantic", "expression"}}, c.model.branches);
  visit(Field{"model.color", kStimuli, "what the Global-Net sees: colours, or luminance alone", {"rgb", "y"}}, c.model.color);
  visit(Field{"model.classifier_bias", kStimuli, "Eq 13 has none"}, c.model.classifier_bias);
  visit(Field{"model.semantic.regions", kStimuli, "N: regions of an image that are used, best first", {}, 0, 1000},
        c.model.semantic.regions);
  visit(Field{"model.semantic.steps", kStimuli, "T: steps of the LSTMs", {}, 1, 1000}, c.model.semantic.steps);
  visit(Field{"model.semantic.lag", kStimuli, "Eq 9 as printed: h_att of the step before; false: of this step"},
        c.model.semantic.lag);
  visit(Field{"model.semantic.attention", kStimuli, "M: width of the attention", {}, 1, 65536}, c.model.semantic.attention);
  visit(Field{"model.semantic.variant", kStimuli, "LSTMs, or Table II's fully connected layers", {"lstm", "fc"}},
        c.model.semantic.variant);
  visit(Field{"model.expression_backbone",
              kStimuli,
              "network of the Expression-Net",
              {"resnet18", "resnet34", "resnet50", "resnet101"}},
        c.model.expression_backbone);
  visit(Field{"model.expression_init", kStimuli,
              "initial weights of the Expression-Net: a run of `expression` or `stimuli`, or a weights file"},
        c.model.expression_init);
  visit(
      Field{"model.channels", kStimuli | kExpression, "channels of the face network's stem; 1: the mean of the three", {}, 1, 3},
      c.model.channels);
  visit(Field{"model.detector.min_size", kDetector, "shorter side of the pictures, pixels", {}, 16, 8192},
        c.model.detector.min_size);
  visit(Field{"model.detector.max_size", kDetector, "longest side of the pictures, pixels", {}, 16, 8192},
        c.model.detector.max_size);
  visit(Field{"model.detector.anchor_size",
              kDetector,
              "side of the anchors of the finest level, pixels; doubled on each coarser one",
              {},
              1,
              1024},
        c.model.detector.anchor_size);

  visit(Field{"model.detector.channels", kDetector, "channels of the feature pyramid", {}, 1, 65536}, c.model.detector.channels);
  visit(Field{"model.detector.head", kDetector, "width of the box head: of a region's feature", {}, 1, 65536},
        c.model.detector.head);
  visit(Field{"model.detector.norm",
              kDetector,
              "norms of the backbone: frozen as pre-trained, or trained with the batch's statistics",
              {"frozen", "batch"}},
        c.model.detector.norm);
  visit(Field{"model.detector.norm_eps", kDetector, "added to variances; torchvision's COCO weights of 2019 want 0", {}, 0, 1},
        c.model.detector.norm_eps);
  visit(Field{"model.detector.trainable_layers",
              kDetector,
              "layers of the backbone that are trained, from the last; 5 = all",
              {},
              0,
              5},
        c.model.detector.trainable_layers);
  visit(Field{"model.detector.proposal_samples", kDetector, "anchors of a picture that count in the loss", {}, 1, 1e9},
        c.model.detector.proposal_samples);
  visit(Field{"model.detector.box_samples", kDetector, "proposals of a picture that count in the loss", {}, 1, 1e9},
        c.model.detector.box_samples);
  visit(Field{"model.detector.train_proposals", kDetector, "proposals of a level and of a picture in training", {}, 1, 1e6},
        c.model.detector.train_proposals);
  visit(Field{"model.detector.proposals", kDetector, "proposals of a level and of a picture when detecting", {}, 1, 1e6},
        c.model.detector.proposals);
  visit(Field{"model.detector.score_threshold", kDetector, "least score of a detection", {}, 0, 1},
        c.model.detector.score_threshold);
  visit(
      Field{
          "model.detector.nms_threshold", kDetector, "overlap from which the lesser of two detections of a class goes", {}, 0, 1},
      c.model.detector.nms_threshold);
  visit(Field{"model.detector.detections", kDetector, "most detections of a picture", {}, 1, 1e6}, c.model.detector.detections);

  visit(Field{"loss.soft_label", kEmotionNet, "targets from the TextCNN and the keywords (Eq 1); false: keywords alone"},
        c.loss.soft_label);
  visit(Field{"loss.soft_threshold", kEmotionNet, "smaller TextCNN probabilities count as 0", {}, 0, 1, false, true},
        c.loss.soft_threshold);
  visit(Field{"loss.hard_target",
              kTextCNN | kEmotionNet,
              "q: 1 for every emotion keyword, or 1 / their number",
              {"indicator", "mean"}},
        c.loss.hard_target);
  visit(Field{"loss.embedding_weight", kEmotionNet, "weight of the embedding loss (Eq 4); 0 = off", {}, 0, 1e6},
        c.loss.embedding_weight);
  visit(Field{"loss.extra_weight", kEmotionNet, "three_branch: weight of the second classifier's loss", {}, 0, 1e6},
        c.loss.extra_weight);
  visit(Field{"loss.polarity_weight", kStimuli, "lambda of Eq 18: weight of the polarity loss", {}, 0, 1e6},
        c.loss.polarity_weight);
  visit(
      Field{
          "loss.label_smoothing", kClassifier | kExpression, "part of the target spread over all classes", {}, 0, 1, false, true},
      c.loss.label_smoothing);
  visit(
      Field{
          "loss.class_weights", kClassifier | kExpression, "weights of the classes; balanced: n / (K n_k)", {"none", "balanced"}},
      c.loss.class_weights);

  visit(Field{"optimizer.name", kAllTasks, "update rule", {"sgd", "adam", "adamw", "adagrad", "adadelta"}}, c.optimizer.name);
  visit(Field{"optimizer.lr", kAllTasks, "learning rate", {}, 0, 1e6, true}, c.optimizer.lr);
  visit(Field{"optimizer.momentum", kAllTasks, "sgd", {}, 0, 1, false, true}, c.optimizer.momentum);
  visit(Field{"optimizer.nesterov", kAllTasks, "sgd"}, c.optimizer.nesterov);
  visit(Field{"optimizer.weight_decay", kAllTasks, "L2 penalty (adamw: decoupled)", {}, 0, 1e6}, c.optimizer.weight_decay);
  visit(Field{"optimizer.betas", kAllTasks, "adam, adamw: decay of the two averages", {}, 0, 1, false, true}, c.optimizer.betas);
  visit(Field{"optimizer.eps", kAllTasks, "default: adam 1e-8, adagrad 1e-10, adadelta 1e-6", {}, 0, 1, true}, c.optimizer.eps);
  visit(Field{"optimizer.rho", kAllTasks, "adadelta: decay of the averages", {}, 0, 1, false, true}, c.optimizer.rho);
  visit(Field{"optimizer.lr_decay", kAllTasks, "adagrad", {}, 0, 1e6}, c.optimizer.lr_decay);
  visit(Field{"optimizer.clip_norm", kAllTasks, "greatest L2 norm of all gradients; 0 = off", {}, 0, 1e9}, c.optimizer.clip_norm);

  visit(Field{"schedule.name", kAllTasks, "course of the learning rate", {"step", "multistep", "cosine", "constant"}},
        c.schedule.name);
  visit(Field{"schedule.every", kAllTasks, "step: epochs", {}, 1, kManySamples}, c.schedule.every);
  visit(Field{"schedule.gamma", kAllTasks, "step, multistep: factor", {}, 0, 1, true}, c.schedule.gamma);
  visit(Field{"schedule.milestones", kAllTasks, "multistep: epochs", {}, 1, kManySamples}, c.schedule.milestones);
  visit(Field{"schedule.warmup", kAllTasks, "epochs of linear warm-up", {}, 0, kManySamples}, c.schedule.warmup);
  visit(Field{"schedule.min_lr", kAllTasks, "cosine: last learning rate", {}, 0, 1e6}, c.schedule.min_lr);

  visit(Field{"train.epochs", kAllTasks, "passes over the training set", {}, 1, kManySamples}, c.train.epochs);
  visit(Field{"train.batch", kAllTasks, "samples a forward pass", {}, 1, kManySamples}, c.train.batch);
  visit(Field{"train.accumulate", kAllTasks, "batches whose gradients make one step", {}, 1, kManySamples}, c.train.accumulate);
  visit(Field{"train.amp", kAllTasks, "mixed precision; fp16 on GPUs alone", {"off", "bf16", "fp16"}}, c.train.amp);
  visit(Field{"train.loss_scale",
              kAllTasks,
              "factor on the loss at first, adapted as it goes; 0 = 65536 with fp16, none else",
              {},
              0,
              1e38},
        c.train.loss_scale);
  visit(Field{"train.channels_last", kImages | kDetector, "memory order of images and weights"}, c.train.channels_last);
  visit(Field{"train.max_steps", kAllTasks, "stop after that many steps; 0 = after the epochs", {}, 0, 1e15}, c.train.max_steps);
  visit(Field{"train.log_every", kAllTasks, "steps between lines of metrics.jsonl", {}, 1, 1e9}, c.train.log_every);
  visit(Field{"train.ema", kAllTasks, "decay of averaged weights, which are evaluated and saved; 0 = off", {}, 0, 1, false, true},
        c.train.ema);
  visit(Field{"train.sync_batch_norm", kAllTasks, "several processes: batch norm over the samples of all of them"},
        c.train.sync_batch_norm);
  visit(Field{"train.distributed_timeout",
              kAllTasks,
              "several processes: seconds without a sign of one until the others stop",
              {},
              1,
              1e6},
        c.train.distributed_timeout);

  constexpr unsigned kProbe = kAllTasks;
  visit(Field{"probe.method",
              kProbe,
              "emotion_probe: a linear layer on frozen features, nearest neighbours, or the whole network trained on",
              {"linear", "knn", "fine_tune"}},
        c.probe.method);
  visit(Field{"probe.checkpoint", kProbe, "network that is measured; default: the run that output names; random: untrained"},
        c.probe.checkpoint);
  visit(Field{"probe.test", kProbe, "test data; default: split test of the training data set"}, c.probe.test);
  visit(Field{"probe.solver",
              kProbe,
              "lbfgs finds the optimum, sgd follows the papers' recipe; emotion_probe without --config takes lbfgs by default",
              {"sgd", "lbfgs"}},
        c.probe.solver);
  visit(Field{"probe.C", kProbe, "lbfgs: inverse of the L2 penalty, as scikit-learn's", {}, 0, 1e12, true}, c.probe.C);
  visit(Field{"probe.lr", kProbe, "sgd: learning rate", {}, 0, 1e6, true}, c.probe.lr);
  visit(Field{"probe.batch", kProbe, "sgd: samples a step", {}, 1, kManySamples}, c.probe.batch);
  visit(Field{"probe.epochs", kProbe, "sgd: passes over the training features", {}, 1, kManySamples}, c.probe.epochs);
  visit(Field{"probe.every", kProbe, "sgd: epochs until the learning rate falls to a tenth; 0 = never", {}, 0, kManySamples},
        c.probe.every);
  visit(Field{"probe.momentum", kProbe, "sgd", {}, 0, 1, false, true}, c.probe.momentum);
  visit(Field{"probe.weight_decay", kProbe, "sgd: L2 penalty", {}, 0, 1e6}, c.probe.weight_decay);
  visit(Field{"probe.epoch_samples", kProbe, "sgd: samples an epoch, as many of every class; 0 = every sample once", {}, 0, 1e9},
        c.probe.epoch_samples);
  visit(Field{"probe.sweep", kProbe, "values of lr (sgd), C (lbfgs) or k (knn); validation data choose one", {}, 0, 1e12, true},
        c.probe.sweep);
  visit(Field{"probe.k", kProbe, "knn: neighbours by cosine that vote", {}, 1, 1e6}, c.probe.k);
  visit(Field{"probe.seeds", kProbe, "repetitions, of which mean and standard deviation are given", {}, 1, 1e4}, c.probe.seeds);
  visit(Field{"probe.folds", kProbe, "cross-validation over the training split; 0 = the test split is measured", {}, 0, 1e4},
        c.probe.folds);
  visit(Field{"probe.one_vs_all", kProbe, "a binary problem for each class instead of softmax"}, c.probe.one_vs_all);
  visit(Field{"probe.views", kProbe, "augmented views of a training picture; 0 = the one that validation sees", {}, 0, 1e4},
        c.probe.views);
  visit(Field{"probe.crop_box", kProbe, "the sample's box is the picture"}, c.probe.crop_box);
  visit(Field{"probe.cache", kProbe, "folder where features are kept; default ~/.cache/emotion/features"}, c.probe.cache);

  visit(
      Field{
          "checkpoint.every_minutes", kAllTasks, "minutes between checkpoints within an epoch; 0 = only at its end", {}, 0, 1e6},
      c.checkpoint.every_minutes);
  visit(Field{"checkpoint.keep", kAllTasks, "last checkpoints kept, beside the best", {}, 1, 1e6}, c.checkpoint.keep);
  visit(Field{"checkpoint.best",
              kAllTasks,
              "validation metric that decides the best checkpoint",
              {"top1", "top5", "mAP", "balanced_accuracy", "polarity_accuracy", "AP", "AP50", "loss"}},
        c.checkpoint.best);
}

}  // namespace emotion
