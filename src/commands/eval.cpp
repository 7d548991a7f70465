#include "emotion/commands/eval.h"

#include <algorithm>
#include <filesystem>

#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/sampler.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/eval/probe.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/text/keywords.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

VisualModel open_model(const CheckpointOptions& options, const Device& device) {
  return VisualModel::open(options.checkpoint, options.settings, device);
}

/// Right classes of a split, by the names of `classes`.
std::vector<std::vector<std::uint32_t>> true_labels(const Manifest& manifest, const std::vector<std::string>& classes,
                                                    const std::string& spec) {
  TargetClasses targets;
  targets.classes = classes;
  if (spec == "labels" || spec == "keywords") {
    for (std::uint32_t k = 0; k < classes.size(); ++k) targets.class_of_word.emplace(classes[k], k);
  } else {
    targets = TargetClasses::make(spec, manifest);
  }
  const SplitTargets split(manifest, targets, spec, /*single=*/false);
  std::vector<std::vector<std::uint32_t>> labels;
  for (std::size_t i = 0; i < manifest.size(); ++i) labels.push_back(split(i));
  return labels;
}

/// metrics.json in a folder, and the table on stdout.
void give(const ClassificationMetrics& metrics, const std::vector<std::string>& classes, std::size_t samples,
          const std::string& output) {
  fmt::print("{}", metrics_text(metrics, classes, samples));
  if (output.empty()) return;
  std::error_code error;
  fs::create_directories(output, error);
  if (error) throw RunError(output + ": cannot be made: " + error.message());
  write_file_atomically(fs::path(output) / "metrics.json", metrics_json(metrics, classes, samples));
}

void append_scores(Predictions& predictions, const at::Tensor& logits) {
  const at::Tensor dense = logits.to(at::kFloat).cpu().contiguous();
  predictions.scores.insert(predictions.scores.end(), dense.const_data_ptr<float>(),
                            dense.const_data_ptr<float>() + dense.numel());
}

/// TextCNN logits of a split's keywords.
void predict_text(const fs::path& file, const Manifest& manifest, int batch, Predictions& predictions) {
  const at::NoGradGuard no_grad;
  TrainedTextCNN trained = load_textcnn(file);
  const KeywordEncoder encoder(manifest, trained.vocabulary, trained.classes, trained.max_keywords);
  for (std::size_t begin = 0; begin < manifest.size(); begin += static_cast<std::size_t>(batch)) {
    const std::size_t n = std::min(static_cast<std::size_t>(batch), manifest.size() - begin);
    at::Tensor ids = at::zeros({static_cast<std::int64_t>(n), trained.max_keywords}, at::kLong);
    for (std::size_t i = 0; i < n; ++i)
      encoder.encode(begin + i, ids.data_ptr<std::int64_t>() + i * static_cast<std::size_t>(trained.max_keywords));
    append_scores(predictions, trained.network->forward(ids));
  }
}

at::Tensor multi_hot(const std::vector<std::vector<std::uint32_t>>& labels, std::size_t classes) {
  at::Tensor targets = at::zeros({static_cast<std::int64_t>(labels.size()), static_cast<std::int64_t>(classes)}, at::kDouble);
  double* row = targets.data_ptr<double>();
  for (const auto& ids : labels) {
    for (const std::uint32_t id : ids) row[id] = 1;
    row += classes;
  }
  return targets;
}

bool several_labels(const std::vector<std::vector<std::uint32_t>>& labels) {
  return std::any_of(labels.begin(), labels.end(), [](const auto& ids) { return ids.size() > 1; });
}

}  // namespace
}  // namespace emotion

void emotion_eval(const emotion::EvalOptions& o) {
  using namespace emotion;
  const Device device = Device::open(o.device);
  const fs::path file = find_model_file(o.checkpoint);
  const bool safetensors = file.extension() == ".safetensors";
  const ModelInfo info = safetensors ? ModelInfo::from_metadata(read_safetensors_metadata(file), file.string()) : ModelInfo{};
  const RunConfig stored = parse_run_config(info.config.empty() ? "{}" : info.config, file.string() + " (config)", o.settings);
  const std::string data = o.data.empty() ? stored.data.val.dataset : o.data;
  const std::string split = !o.split.empty() ? o.split : o.data.empty() ? stored.data.val.split : "test";
  if (data.empty()) throw ConfigError("--data is missing: the checkpoint names no validation data");
  const Manifest manifest = Manifest::open(Dataset::open(data), split);
  if (info.classes.empty())
    throw WeightsError(file.string() + ": it names no classes; a plain backbone is measured by emotion_probe");
  Predictions predictions;
  predictions.classes = info.classes.size();
  predictions.labels = true_labels(manifest, info.classes, stored.data.targets);
  predictions.polarity = class_polarity(manifest.dataset(), info.classes);
  if (info.task == "textcnn") {
    predict_text(file, manifest, o.batch, predictions);
  } else {
    const VisualModel model = open_model(o, device);
    for_each_batch(model, device, manifest, o.batch, o.workers,
                   [&](const auto&, const at::Tensor& features) { append_scores(predictions, model.logits(features)); });
  }
  give(classification_metrics(predictions), info.classes, predictions.size(), o.output);
}

void emotion_probe(const emotion::ProbeCommand& o) {
  using namespace emotion;
  RunConfig config;
  if (!o.config.empty()) config = load_run_config(o.config, o.settings);
  CheckpointOptions checkpoint = o;
  if (checkpoint.checkpoint.empty()) checkpoint.checkpoint = o.config.empty() ? "" : config.output;
  if (!o.config.empty()) checkpoint.settings.clear();  // they were for the config
  const std::string data = o.data.empty() ? config.data.train.dataset : o.data;
  if (checkpoint.checkpoint.empty() || data.empty())
    throw ConfigError("--config FILE, or --checkpoint RUN and --data DATASET are wanted");
  const Device device = Device::open(o.device);
  const VisualModel model = open_model(checkpoint, device);
  const Dataset dataset = Dataset::open(data);
  const Manifest train = Manifest::open(dataset, o.train_split), test = Manifest::open(dataset, o.test_split);
  const auto train_labels = true_labels(train, dataset.classes, "labels"),
             test_labels = true_labels(test, dataset.classes, "labels");
  ProbeOptions options;
  options.solver = !o.solver.empty() ? o.solver : o.config.empty() ? "lbfgs" : config.probe.solver;
  options.C = o.C > 0 ? o.C : config.probe.C;
  options.seed = o.seed;
  options.multi_label = several_labels(train_labels) || several_labels(test_labels);

  at::Tensor features = extract_features(model, device, train, o.batch, o.workers),
             targets = multi_hot(train_labels, dataset.classes.size());
  if (o.fraction < 1) {
    auto rows = Sampler{.size = train.size(), .fraction = o.fraction, .shuffle = false, .seed = o.seed}.order(0);
    const at::Tensor chosen = at::zeros({static_cast<std::int64_t>(rows.size())}, at::kLong);
    std::copy(rows.begin(), rows.end(), chosen.data_ptr<std::int64_t>());
    features = features.index_select(0, chosen);
    targets = targets.index_select(0, chosen);
  }
  log_info("probe: {} of {} features, {} samples, solver {}", features.size(1), model.file().string(), features.size(0),
           options.solver);
  const LinearModel linear = fit_probe(features, targets, options);
  Predictions predictions;
  predictions.classes = dataset.classes.size();
  predictions.labels = test_labels;
  predictions.polarity = class_polarity(dataset, dataset.classes);
  append_scores(predictions, probe_scores(linear, extract_features(model, device, test, o.batch, o.workers)));
  give(classification_metrics(predictions), dataset.classes, predictions.size(), o.output);
}

void emotion_extract(const emotion::ExtractOptions& o) {
  using namespace emotion;
  const Device device = Device::open(o.device);
  const VisualModel model = open_model(o, device);
  StateDict out;
  out.metadata = {{"checkpoint", model.file().string()}, {"data", o.data}};
  if (fs::exists(fs::path(o.data) / "dataset.yaml")) {
    out.metadata["split"] = o.split;
    out.add("features", extract_features(model, device, Manifest::open(Dataset::open(o.data), o.split), o.batch, o.workers));
  } else if (fs::is_directory(o.data)) {
    const ScratchFolder scratch;
    out.add("features", extract_features(model, device, folder_manifest(o.data, scratch.path()), o.batch, o.workers));
  } else {
    throw DataError(o.data + ": neither a data set nor a folder of pictures");
  }
  write_safetensors(o.out, out);
  log_info("{}: features {} x {}", o.out, out.entries[0].tensor.size(0), out.entries[0].tensor.size(1));
}
