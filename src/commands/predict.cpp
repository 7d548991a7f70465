#include <algorithm>
#include <filesystem>
#include <numeric>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/commands/eval.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/io/file.h"
#include "emotion/report/heat_map.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/stimuli_model.h"
#include "predict.h"

namespace emotion {
namespace fs = std::filesystem;

bool is_dataset(const std::string& input) { return fs::is_regular_file(fs::path(input) / "dataset.yaml"); }

Manifest open_input(const std::string& dataset, const PredictOptions& options) {
  const Dataset opened = Dataset::open(dataset);
  std::string split = options.split;
  for (const char* usual : {"test", "val"}) {
    const bool there = std::any_of(opened.splits.begin(), opened.splits.end(), [&](const auto& s) { return s.first == usual; });
    if (split.empty() && there) split = usual;
  }
  return Manifest::open(opened, split.empty() ? opened.splits.front().first : split);
}

std::size_t input_count(const Manifest& manifest, const PredictOptions& options) {
  return options.count == 0 ? manifest.size() : std::min<std::size_t>(options.count, manifest.size());
}

std::vector<fs::path> list_images(const std::vector<std::string>& inputs) {
  std::vector<fs::path> files;
  for (const auto& input : inputs) {
    if (fs::is_directory(input)) {
      const ScratchFolder scratch;
      const Manifest manifest = folder_manifest(input, scratch.path());
      for (std::size_t i = 0; i < manifest.size(); ++i) files.push_back(fs::path(input) / manifest[i].image);
    } else {
      files.emplace_back(input);
    }
  }
  return files;
}

namespace {

/// list_images, with the images of data sets.
std::vector<fs::path> list_all(const PredictOptions& options) {
  std::vector<fs::path> files;
  for (const auto& input : options.inputs) {
    if (!is_dataset(input)) {
      for (auto& file : list_images({input})) files.push_back(std::move(file));
      continue;
    }
    const Manifest manifest = open_input(input, options);
    for (std::size_t i = 0; i < input_count(manifest, options); ++i) files.push_back(manifest.image_path(i));
  }
  return files;
}

struct Prediction {
  fs::path file;
  std::vector<float> probabilities;
  std::vector<std::size_t> order;  // best first
  std::string picture, map;        // JPEG bytes, for the report
};

Prediction predict(const VisualModel& model, const Device& device, const fs::path& file, const PredictOptions& o,
                   std::size_t number) {
  const at::NoGradGuard no_grad;
  Image image = load_image(file, model.transform(), {});
  ImageBatch batch;
  batch.samples = {0};
  batch.width = image.width;
  batch.height = image.height;
  batch.pixels = std::make_shared<std::uint8_t[]>(image.pixels.size());
  std::copy(image.pixels.begin(), image.pixels.end(), batch.pixels.get());
  const at::Tensor input = device.images(batch);
  const at::Tensor p = at::softmax(model.logits(model.features(input)), 1).cpu().contiguous();
  Prediction prediction;
  prediction.file = file;
  prediction.probabilities.assign(p.const_data_ptr<float>(), p.const_data_ptr<float>() + p.numel());
  prediction.order.resize(prediction.probabilities.size());
  std::iota(prediction.order.begin(), prediction.order.end(), std::size_t{0});
  std::stable_sort(prediction.order.begin(), prediction.order.end(),
                   [&](std::size_t a, std::size_t b) { return prediction.probabilities[a] > prediction.probabilities[b]; });
  if (!o.report.empty() || !o.pictures.empty()) {
    const at::Tensor map = model.activation_map(input, static_cast<std::int64_t>(prediction.order[0]))[0].cpu();
    const Image seen = heat_map(image, map, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)});
    if (!o.report.empty()) {
      prediction.picture = encode_jpeg(image);
      prediction.map = encode_jpeg(seen);
    }
    if (!o.pictures.empty()) write_file_atomically(fs::path(o.pictures) / fmt::format("{:05}-map.png", number), encode_png(seen));
  }
  return prediction;
}

void write_json(const std::string& file, const std::vector<Prediction>& predictions, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& prediction : predictions) {
    nlohmann::ordered_json entry{{"image", prediction.file.string()}, {"prediction", classes[prediction.order[0]]}};
    for (const std::size_t k : prediction.order) entry["probabilities"][classes[k]] = prediction.probabilities[k];
    json.push_back(std::move(entry));
  }
  write_file_atomically(file, json.dump(2) + "\n");
}

void write_report(const std::string& file, const std::vector<Prediction>& predictions, const VisualModel& model, int top) {
  std::string body =
      fmt::format("<p>Network: {}. The right picture shows where the class scored best was seen (class activation map).</p>\n",
                  html_escape(model.file().string()));
  for (const auto& prediction : predictions) {
    body += fmt::format(
        "<section class=\"row\"><h2>{}</h2>\n<img alt=\"picture\" src=\"{}\"> <img alt=\"class activation map of {}\" "
        "src=\"{}\">\n<table>",
        html_escape(prediction.file.string()), data_uri("image/jpeg", prediction.picture),
        html_escape(model.classes()[prediction.order[0]]), data_uri("image/jpeg", prediction.map));
    for (std::size_t i = 0; i < std::min(prediction.order.size(), static_cast<std::size_t>(top)); ++i) {
      const float p = prediction.probabilities[prediction.order[i]];
      body += fmt::format(
          "<tr><th scope=\"row\">{}</th><td>{:.3f}</td><td><meter min=\"0\" max=\"1\" value=\"{:.3f}\"></meter></td></tr>\n",
          html_escape(model.classes()[prediction.order[i]]), p, p);
    }
    body += "</table></section>\n";
  }
  write_file_atomically(file, html_page("Predictions", body));
}

}  // namespace
}  // namespace emotion

void emotion_predict(const emotion::PredictOptions& o) {
  using namespace emotion;
  const Device device = Device::open(o.device);
  if (task_of(find_model_file(o.checkpoint)) == "stimuli") return predict_stimuli(o, device);
  if (!o.detector.empty()) throw ConfigError("--detector: only a stimuli network looks at regions; leave it out");
  if (!o.pictures.empty()) fs::create_directories(o.pictures);
  const VisualModel model = VisualModel::open(o.checkpoint, o.settings, device);
  std::vector<Prediction> predictions;
  for (const auto& file : list_all(o)) predictions.push_back(predict(model, device, file, o, predictions.size() + 1));
  if (!o.json.empty()) write_json(o.json, predictions, model.classes());
  if (!o.report.empty()) write_report(o.report, predictions, model, std::max(o.top, 1));
  if (!o.json.empty() || !o.report.empty() || !o.pictures.empty()) return;
  for (const auto& prediction : predictions) {
    fmt::print("{}\n", prediction.file.string());
    for (std::size_t i = 0; i < std::min(prediction.order.size(), static_cast<std::size_t>(std::max(o.top, 1))); ++i) {
      fmt::print("  {:<24} {:.4f}\n", model.classes()[prediction.order[i]], prediction.probabilities[prediction.order[i]]);
    }
  }
}
