#include <algorithm>
#include <filesystem>
#include <numeric>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/commands/eval.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// The pictures named on the command line, folders entered, in order.
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

struct Prediction {
  fs::path file;
  std::vector<float> probabilities;
  std::vector<std::size_t> order;  // best first
  std::string picture, map;        // JPEG bytes, for the report
};

/// The class activation map over the picture: from blue (nothing) to red.
Image overlay(const Image& image, const at::Tensor& map) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  Image result{image.width, image.height, std::vector<std::uint8_t>(image.pixels.size())};
  cv::Mat blended(image.height, image.width, CV_8UC3, result.pixels.data());
  const at::Tensor dense = (map - map.min()) / (map.max() - map.min()).clamp_min(1e-12);
  const at::Tensor levels = (dense * 255).to(at::kByte).contiguous();
  cv::Mat small(static_cast<int>(levels.size(0)), static_cast<int>(levels.size(1)), CV_8U, levels.data_ptr<std::uint8_t>()),
      large, colors;
  cv::resize(small, large, rgb.size(), 0, 0, cv::INTER_CUBIC);
  cv::applyColorMap(large, colors, cv::COLORMAP_TURBO);
  cv::cvtColor(colors, colors, cv::COLOR_BGR2RGB);
  cv::addWeighted(rgb, 0.55, colors, 0.45, 0, blended);
  return result;
}

Prediction predict(const VisualModel& model, const Device& device, const fs::path& file, bool pictures) {
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
  if (pictures) {
    prediction.picture = encode_jpeg(image);
    prediction.map =
        encode_jpeg(overlay(image, model.activation_map(input, static_cast<std::int64_t>(prediction.order[0]))[0].cpu()));
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
  const VisualModel model = VisualModel::open(o.checkpoint, o.settings, device);
  std::vector<Prediction> predictions;
  for (const auto& file : list_images(o.inputs)) predictions.push_back(predict(model, device, file, !o.report.empty()));
  if (!o.json.empty()) write_json(o.json, predictions, model.classes());
  if (!o.report.empty()) write_report(o.report, predictions, model, std::max(o.top, 1));
  if (!o.json.empty() || !o.report.empty()) return;
  for (const auto& prediction : predictions) {
    fmt::print("{}\n", prediction.file.string());
    for (std::size_t i = 0; i < std::min(prediction.order.size(), static_cast<std::size_t>(std::max(o.top, 1))); ++i) {
      fmt::print("  {:<24} {:.4f}\n", model.classes()[prediction.order[i]], prediction.probabilities[prediction.order[i]]);
    }
  }
}
