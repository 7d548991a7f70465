#include "emotion/commands/eval.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/metrics_json.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/text/keywords.h"
#include "emotion/train/checkpoint.h"
#include "eval_detector.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

VisualModel open_model(const CheckpointOptions& options, const Device& device) {
  return VisualModel::open(options.checkpoint, options.settings, device);
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
  if (info.task == "detector") return eval_detector(o, data, split);
  const Manifest manifest = Manifest::open(Dataset::open(data), split);
  if (info.classes.empty())
    throw WeightsError(file.string() + ": it names no classes; a plain backbone is measured by emotion_probe");
  Predictions predictions;
  predictions.classes = info.classes.size();
  predictions.labels = true_labels(manifest, info.classes, stored.data.targets);
  predictions.polarity = class_polarity(manifest.dataset(), info.classes);
  if (info.task == "textcnn") {
    predict_text(file, manifest, o.batch, predictions);
  } else if (info.task == "stimuli") {
    for_each_batch(load_stimuli_net(o.checkpoint, o.settings, device), device, manifest, o.batch, o.workers,
                   [&](const auto&, const StimuliNetOutput& output) { append_scores(predictions, output.logits); });
  } else {
    const VisualModel model = open_model(o, device);
    const auto all = std::exchange(predictions.labels, {});
    for_each_batch(model, device, manifest, o.batch, o.workers, [&](const auto& samples, const at::Tensor& features) {
      append_scores(predictions, model.logits(features));
      for (const std::uint64_t i : samples) predictions.labels.push_back(all[i]);
    });
  }
  give(classification_metrics(predictions), info.classes, predictions.size(), o.output);
}

void emotion_extract(const emotion::ExtractOptions& o) {
  using namespace emotion;
  const Device device = Device::open(o.device);
  const fs::path file = find_model_file(o.checkpoint);
  StateDict out;
  const auto features = [&](const Manifest& manifest) {
    if (task_of(file) == "stimuli")
      return extract_features(load_stimuli_net(o.checkpoint, o.settings, device), device, manifest, o.batch, o.workers);
    const VisualModel model = open_model(o, device);
    if (model.config().data.picture == "face") {  // not every sample has a row
      std::vector<std::int64_t> samples;
      for (std::size_t i = 0; i < manifest.size(); ++i) {
        if (!manifest[i].face.empty()) samples.push_back(static_cast<std::int64_t>(i));
      }
      out.add("samples", at::tensor(samples, at::kLong));
    }
    return extract_features(model, device, manifest, o.batch, o.workers);
  };
  out.metadata = {{"checkpoint", file.string()}, {"data", o.data}};
  if (fs::exists(fs::path(o.data) / "dataset.yaml")) {
    out.metadata["split"] = o.split;
    out.add("features", features(Manifest::open(Dataset::open(o.data), o.split)));
  } else if (fs::is_directory(o.data)) {
    const ScratchFolder scratch;
    out.add("features", features(folder_manifest(o.data, scratch.path())));
  } else {
    throw DataError(o.data + ": neither a data set nor a folder of pictures");
  }
  write_safetensors(o.out, out);
  const at::Tensor& rows = *out.find("features");
  log_info("{}: features {} x {}", o.out, rows.size(0), rows.size(1));
}
