#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "broken_pictures.h"
#include "emotion/commands/eval.h"
#include "emotion/error.h"
#include "emotion/eval/feature_cache.h"
#include "emotion/eval/fine_tune.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/eval/probe_experiment.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/weights.h"
#include "emotion/io/writable.h"
#include "emotion/print.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

template <class T>
void override_with(const std::optional<T>& flag, T& value) {
  if (flag) value = *flag;
}

/// Refuses flags that the chosen method would not read.
void check_flags(const ProbeCommand& o, const ProbeConfig& probe) {
  const bool linear = probe.method == "linear", sgd = linear && probe.solver == "sgd";
  const bool chooses = !probe.sweep.empty() || probe.method == "fine_tune";
  struct Flag {
    bool given;
    const char* name;
    bool read;
    const char* method;
  };
  for (const Flag& flag : {Flag{o.solver.has_value(), "--solver", linear, "--method linear"},
                           {o.C.has_value(), "--C", linear && !sgd, "--solver lbfgs"},
                           {o.lr.has_value(), "--lr", sgd, "--solver sgd"},
                           {o.epochs.has_value(), "--epochs", sgd, "--solver sgd"},
                           {o.epoch_samples.has_value(), "--epoch-samples", sgd, "--solver sgd"},
                           {o.k.has_value(), "--k", probe.method == "knn", "--method knn"},
                           {o.C.has_value(), "--C", probe.sweep.empty(), "a probe without a sweep, which chooses it"},
                           {o.lr.has_value(), "--lr", probe.sweep.empty(), "a probe without a sweep, which chooses it"},
                           {o.k.has_value(), "--k", probe.sweep.empty(), "a probe without a sweep, which chooses it"},
                           {!o.test_split.empty(), "--test-split", probe.folds == 0, "a probe without folds"},
                           {!o.validation_split.empty(), "--val-split", probe.folds == 0, "a probe without folds"},
                           {!o.validation_split.empty(), "--val-split", chooses, "--sweep or --method fine_tune"}}) {
    if (flag.given && !flag.read) throw ConfigError(fmt::format("{} belongs to {}", flag.name, flag.method));
  }
}

/// --data names all splits of its data set: what --set says of one of them would be lost.
void check_data_settings(const ProbeCommand& o) {
  if (o.data.empty()) return;
  for (const auto& setting : o.settings) {
    for (const char* key : {"data.train", "data.val", "probe.test"}) {
      const std::string name = setting.substr(0, setting.find('='));
      if (name == key || name.starts_with(key + std::string(".")))
        throw ConfigError(fmt::format(
            "--set {}: --data names the data already, --train-split, --val-split and --test-split its splits; leave one out",
            setting));
    }
  }
}

/// The config, --set over it, the flags over both. Without --config: defaults, and lbfgs, which needs no learning rate.
RunConfig resolve(const ProbeCommand& o) {
  check_data_settings(o);
  std::vector<std::string> settings{"probe.solver=lbfgs"};
  settings.insert(settings.end(), o.settings.begin(), o.settings.end());
  RunConfig config = o.config.empty() ? parse_settings(settings) : load_run_config(o.config, o.settings);
  override_with(o.method, config.probe.method);
  override_with(o.solver, config.probe.solver);
  override_with(o.targets, config.data.targets);
  override_with(o.C, config.probe.C);
  override_with(o.lr, config.probe.lr);
  override_with(o.fraction, config.data.fraction);
  override_with(o.epochs, config.probe.epochs);
  override_with(o.epoch_samples, config.probe.epoch_samples);
  override_with(o.k, config.probe.k);
  override_with(o.seeds, config.probe.seeds);
  override_with(o.folds, config.probe.folds);
  override_with(o.views, config.probe.views);
  override_with(o.seed, config.seed);
  if (!o.sweep.empty()) config.probe.sweep = o.sweep;
  config.probe.one_vs_all = config.probe.one_vs_all || o.one_vs_all;
  config.probe.crop_box = config.probe.crop_box || o.crop_box;
  if (!o.cache.empty()) config.probe.cache = o.cache;
  if (!o.checkpoint.empty()) config.probe.checkpoint = o.checkpoint;
  if (!o.data.empty()) config.data.train = {o.data, "train"};
  if (o.device != "auto") config.device = o.device;
  if (o.workers > 0) config.data.workers = o.workers;
  if (o.batch_given) config.train.batch = o.batch;
  if (o.config.empty() && (config.probe.checkpoint.empty() || !config.data.train))
    throw ConfigError("--config FILE, or --checkpoint RUN and --data DATASET are wanted");
  check_flags(o, config.probe);
  if (config.probe.method != "fine_tune") refuse_skipping(o.settings);  // which trains, as emotion_train does
  return config;
}

/// Whether two splits have samples in common, by their names.
bool overlap(const SplitConfig& a, const SplitConfig& b) {
  if (a.split != b.split && a.split != "all" && b.split != "all") return false;
  return fs::weakly_canonical(a.dataset) == fs::weakly_canonical(b.dataset);
}

/// What is trained on must not be what measures.
void check_test(const ProbeRequest& request, bool tune) {
  if (!overlap(request.train, request.test)) return;
  throw ConfigError(fmt::format("probe: the test data would be trained on; --train-split or --test-split names other data{}",
                                tune ? "" : ", or --folds N parts the training data"));
}

/// What chooses must not see what measures.
void check_choice(const ProbeRequest& request, bool tune) {
  if ((request.plan.sweep.empty() && !tune) || !request.validation || !overlap(request.validation, request.test)) return;
  throw ConfigError(
      tune ? "probe: the best checkpoint would be chosen on the test data; --val-split names other data; without any "
             "(no data.val) the last checkpoint is measured"
           : "probe: the sweep would be chosen on the test data; --val-split names other data");
}

/// Which splits are read: the flags', the config's, else train, val (where there is one) and test.
void choose_splits(const ProbeCommand& o, const RunConfig& config, ProbeRequest& request) {
  if (!o.train_split.empty()) request.train.split = o.train_split;
  const std::string& data = request.train.dataset;
  if (!o.data.empty()) request.test = {data, "test"};
  if (!o.test_split.empty())
    request.test = {o.data.empty() && config.probe.test ? config.probe.test.dataset : data, o.test_split};
  if (!o.validation_split.empty()) {
    request.validation = {o.data.empty() && config.data.val ? config.data.val.dataset : data, o.validation_split};
  } else if (!o.data.empty()) {
    request.validation = {};
    for (const auto& [name, file] : Dataset::open(data).splits) {
      if (name == "val" && request.train.split != name && request.test.split != name) request.validation = {data, name};
    }
  }
  if (request.plan.folds > 0) return;  // no test split is read, and what chooses is held out
  const bool tune = config.probe.method == "fine_tune";
  check_test(request, tune);
  check_choice(request, tune);
}

/// What metrics.json says of the probe itself; a NaN is written as null.
nlohmann::ordered_json probe_json(const ProbeRequest& request, const std::string& method, const ProbeReport& report) {
  const ProbeOutcome& outcome = report.outcome;
  nlohmann::ordered_json json{{"method", method},
                              {"weights", report.weights.string()},
                              {"dimension", report.dimension},
                              {"score", outcome.score_name},
                              {"mean", outcome.mean},
                              {"std", outcome.deviation}};
  if (method == "linear") json["solver"] = request.plan.fit.solver;
  for (const ProbeTrial& trial : outcome.trials) {
    nlohmann::ordered_json entry{{"seed", trial.seed}};
    if (trial.fold >= 0) entry["fold"] = trial.fold;
    entry["setting"] = trial.setting;
    entry["validation"] = trial.validation;
    entry["score"] = trial.score;
    entry["samples"] = trial.trained_on;
    json["trials"].push_back(std::move(entry));
  }
  for (const auto& [setting, score] : outcome.tried) json["sweep"].push_back({{"setting", setting}, {"validation", score}});
  for (std::size_t k = 0; k < outcome.binary_accuracy.size(); ++k)
    json["binary_accuracy"][report.classes[k]] = outcome.binary_accuracy[k];
  return json;
}

std::string probe_text(const std::string& method, const ProbeReport& report) {
  const ProbeOutcome& outcome = report.outcome;
  std::string text;
  if (outcome.trials.size() > 1) {
    text += fmt::format("{} over {} fits: {} +- {}\n", outcome.score_name, outcome.trials.size(), metric_text(outcome.mean),
                        metric_text(outcome.deviation));
  }
  for (const auto& [setting, score] : outcome.tried) {
    text += fmt::format("validation {} {} with {:g}{}\n", outcome.score_name, metric_text(score), setting,
                        setting == outcome.trials[0].setting ? "  (chosen)" : "");
  }
  double sum = 0;
  for (const double accuracy : outcome.binary_accuracy) sum += accuracy;
  if (sum > 0) {
    text += fmt::format("one against all: mean accuracy {:.4f}\n", sum / static_cast<double>(outcome.binary_accuracy.size()));
    for (std::size_t k = 0; k < report.classes.size(); ++k)
      text += fmt::format("{:<24} {:>8.4f}\n", report.classes[k], outcome.binary_accuracy[k]);
  }
  return fmt::format("{} probe of {}\n", method, report.weights.string()) + text;
}

void write_output(const fs::path& folder, const ProbeRequest& request, const std::string& method, const ProbeReport& report) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw RunError(folder.string() + ": cannot be made: " + error.message());
  const ProbeOutcome& outcome = report.outcome;
  auto json = nlohmann::ordered_json::parse(metrics_json(outcome.metrics, report.classes, outcome.predictions.size()));
  json["probe"] = probe_json(request, method, report);
  write_file_atomically(folder / "metrics.json", json.dump(2) + "\n");
  if (!outcome.model.weight.defined()) {  // an earlier probe's classifier is not what was measured
    fs::remove(folder / "probe.safetensors", error);
    if (error) throw RunError((folder / "probe.safetensors").string() + ": cannot be removed: " + error.message());
    return;
  }
  StateDict linear;
  linear.add("classifier.weight", outcome.model.weight.to(at::kFloat));
  linear.add("classifier.bias", outcome.model.bias.to(at::kFloat));
  linear.metadata = {{"classes", nlohmann::json(report.classes).dump()}, {"backbone", report.weights.string()}};
  write_safetensors(folder / "probe.safetensors", linear);
}

}  // namespace
}  // namespace emotion

void emotion_probe(const emotion::ProbeCommand& o) {
  using namespace emotion;
  const RunConfig config = resolve(o);
  ProbeRequest request = probe_request(config);
  check_utf8_name(request.checkpoint);
  choose_splits(o, config, request);
  if (o.config.empty()) {  // pictures as the checkpoint has them, and --set is for its config too
    request.pictures.reset();
    request.backbone.clear();
    request.settings = o.settings;
  }
  if (o.no_cache) request.cache.clear();
  request.batch = o.batch;
  // With a network of its own in probe.checkpoint, the config's output is where results go.
  std::string output = o.output;
  const bool own_network = !o.config.empty() && !config.probe.checkpoint.empty() && o.checkpoint.empty();
  const bool set_now = std::any_of(o.settings.begin(), o.settings.end(), [](const auto& s) { return s.starts_with("output="); });
  if (output.empty() && (own_network || set_now)) output = config.output;
  if (!output.empty()) check_writable_folder(output);
  const bool tune = config.probe.method == "fine_tune";
  if (tune && output.empty()) throw ConfigError("--output DIR is missing: fine-tuning writes a run folder");
  const ProbeReport report = tune ? fine_tune(config, request, fs::path(output) / "fine_tune") : probe_checkpoint(request);
  if (!output.empty()) write_output(output, request, config.probe.method, report);
  print_text(probe_text(config.probe.method, report));
  print_text(metrics_text(report.outcome.metrics, report.classes, report.outcome.predictions.size()));
}
