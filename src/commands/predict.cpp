#include <algorithm>
#include <filesystem>
#include <numeric>

#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "broken_pictures.h"
#include "emotion/commands/eval.h"
#include "emotion/data/folder_manifest.h"
#include "emotion/data/loader.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/progress.h"
#include "emotion/report/heat_map.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/signals.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/stimuli_model.h"
#include "host_settings.h"
#include "predict.h"
#include "result_file.h"

namespace emotion {
namespace fs = std::filesystem;

bool is_dataset(const std::string& input) { return fs::is_regular_file(fs::path(input) / "dataset.yaml"); }

Manifest open_input(const std::string& dataset, const PredictOptions& options) {
  check_utf8_name(dataset);
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
      check_utf8_name(input);
      files.emplace_back(input);
    }
  }
  return files;
}

namespace {

/// Refuses flags that say which of a data set's samples are meant, where there is none.
void check_dataset_flags(const PredictOptions& o) {
  if (std::any_of(o.inputs.begin(), o.inputs.end(), is_dataset)) return;
  for (const auto& [flag, given] : {std::pair{"--split", !o.split.empty()}, {"--count", o.count > 0}})
    if (given) throw ConfigError(fmt::format("{}: belongs to a data set, and {} is none; leave it out", flag, o.inputs[0]));
}

/// A picture to predict.
struct Wanted {
  fs::path file;
  fs::path face;  // a data set's, of a network that sees faces; else what the network sees is made of `file`
};

/// list_images, with the images of data sets.
std::vector<Wanted> list_all(const PredictOptions& options, bool faces) {
  std::vector<Wanted> wanted;
  for (const auto& input : options.inputs) {
    if (!is_dataset(input)) {
      for (auto& file : list_images({input})) wanted.push_back({std::move(file), {}});
      continue;
    }
    const Manifest manifest = open_input(input, options);
    const std::size_t count = input_count(manifest, options);
    std::size_t without = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto face = manifest[i].face;
      if (faces && face.empty()) {
        ++without;
      } else {
        wanted.push_back({manifest.image_path(i), faces ? stimulus_path(manifest.dataset(), face) : fs::path()});
      }
    }
    if (without == count) throw DataError(manifest.file().string() + ": no sample has a face; emotion_data faces finds them");
    if (without > 0) log_warning("{}: {} of {} samples have no face: left out", manifest.file().string(), without, count);
  }
  return wanted;
}

struct Prediction {
  fs::path file;
  std::vector<float> probabilities;
  std::vector<std::size_t> order;  // best first
  std::string picture, map;        // JPEG bytes, for the report; no map of a network that gives none
};

constexpr int kShown = 2048;  // pixels: a picture on the page is no longer, whatever the network sees

/// image: what the network sees
Prediction predict(const VisualModel& model, const Device& device, const fs::path& file, const Image& image,
                   const PredictOptions& o, std::size_t number) {
  const at::NoGradGuard no_grad;
  const at::Tensor input = picture_batch(device, image);
  const at::Tensor p = at::softmax(model.logits(model.features(input)), 1).cpu().contiguous();
  Prediction prediction;
  prediction.file = file;
  prediction.probabilities.assign(p.const_data_ptr<float>(), p.const_data_ptr<float>() + p.numel());
  prediction.order.resize(prediction.probabilities.size());
  std::iota(prediction.order.begin(), prediction.order.end(), std::size_t{0});
  std::stable_sort(prediction.order.begin(), prediction.order.end(),
                   [&](std::size_t a, std::size_t b) { return prediction.probabilities[a] > prediction.probabilities[b]; });
  if (!o.report.empty()) prediction.picture = encode_jpeg(shrink_to(image, kShown));
  if ((!o.report.empty() || !o.pictures.empty()) && model.has_activation_maps()) {
    const at::Tensor map = model.activation_map(input, static_cast<std::int64_t>(prediction.order[0]))[0].cpu();
    const Image seen = heat_map(image, map, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)});
    if (!o.report.empty()) prediction.map = encode_jpeg(shrink_to(seen, kShown));
    if (!o.pictures.empty()) write_picture(fs::path(o.pictures) / fmt::format("{:05}-map.png", number), seen);
  }
  return prediction;
}

/// Of every picture that can be read and, where the network sees faces, has one.
std::vector<Prediction> predict_all(const VisualModel& model, const Device& device, const PredictOptions& o) {
  LoosePictures loose(model);
  BrokenPictures broken(model.config());
  const std::vector<Wanted> all = list_all(o, model.config().data.picture == "face");
  std::vector<Prediction> predictions;
  Progress progress("predict", all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (stop_requested()) throw Interrupted("interrupted; the predictions were not written");
    const Wanted& wanted = all[i];
    std::optional<Image> image;
    const bool whole = broken.read(
        [&] { image = wanted.face.empty() ? loose.load(wanted.file) : load_image(wanted.face, model.transform(), {}); });
    if (image) {
      predictions.push_back(predict(model, device, wanted.file, *image, o, predictions.size() + 1));
    } else if (whole) {
      log_warning("{}: no face was found, and {} sees faces (data.picture): left out", wanted.file.string(),
                  model.file().string());
    }
    progress.update(i + 1);
  }
  progress.clear();
  broken.close();
  if (predictions.empty()) throw DataError("emotion_predict: there is no face in any picture; nothing is predicted");
  return predictions;
}

void write_json(const std::string& file, const std::vector<Prediction>& predictions, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& prediction : predictions) {
    nlohmann::ordered_json entry{{"image", prediction.file.string()}, {"prediction", classes[prediction.order[0]]}};
    for (const std::size_t k : prediction.order) entry["probabilities"][classes[k]] = prediction.probabilities[k];
    json.push_back(std::move(entry));
  }
  write_json_result(file, json.dump(2) + "\n");
}

void write_report(const std::string& file, const std::vector<Prediction>& predictions, const VisualModel& model, int top) {
  std::string body = fmt::format("<p>Network: {}. {}</p>\n", html_escape(model.file().string()),
                                 model.has_activation_maps()
                                     ? "The right picture shows where the class scored best was seen (class activation map)."
                                     : "This network gives no class activation map.");
  for (const auto& prediction : predictions) {
    body += fmt::format("<section class=\"row\"><h2>{}</h2>\n<img alt=\"picture\" src=\"{}\">",
                        html_escape(prediction.file.string()), data_uri("image/jpeg", prediction.picture));
    if (!prediction.map.empty())
      body += fmt::format(" <img alt=\"class activation map of {}\" src=\"{}\">",
                          html_escape(model.classes()[prediction.order[0]]), data_uri("image/jpeg", prediction.map));
    body += "\n<table>";
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
  check_result_file("--json", o.json, ResultForm::kJson);
  check_result_file("--report", o.report, ResultForm::kPage);
  if (!o.pictures.empty()) check_writable_folder(o.pictures);
  check_dataset_flags(o);
  const Device device = Device::open(chosen_device(o));
  if (task_of(find_model_file(o.checkpoint)) == "stimuli") return predict_stimuli(o, device);
  if (has_face_flags(o)) throw ConfigError("--face-..: they say how a stimuli network's faces are found; leave them out");
  for (const auto& [flag, given] :
       {std::pair{"--detector", !o.detector.empty()}, {"--detector-set", !o.detector_settings.empty()}})
    if (given) throw ConfigError(fmt::format("{}: only a stimuli network looks at regions; leave it out", flag));
  const VisualModel model = VisualModel::open(o.checkpoint, o.settings, device);
  if (!o.pictures.empty() && !model.has_activation_maps())
    throw ConfigError(fmt::format("--pictures: {} gives no class activation map (model.backbone is {}); leave it out",
                                  model.file().string(), model.config().model.backbone));
  if (!o.pictures.empty()) fs::create_directories(o.pictures);
  const std::vector<Prediction> predictions = predict_all(model, device, o);
  if (!o.json.empty()) write_json(o.json, predictions, model.classes());
  if (!o.report.empty()) write_report(o.report, predictions, model, std::max(o.top, 1));
  if (!o.json.empty() || !o.report.empty() || !o.pictures.empty()) return;
  for (const auto& prediction : predictions) {
    print_out("{}\n", prediction.file.string());
    for (std::size_t i = 0; i < std::min(prediction.order.size(), static_cast<std::size_t>(std::max(o.top, 1))); ++i) {
      print_out("  {:<24} {:.4f}\n", model.classes()[prediction.order[i]], prediction.probabilities[prediction.order[i]]);
    }
  }
}
