#include <ATen/ops/mean.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/report/explanation.h"
#include "emotion/report/heat_map.h"
#include "emotion/report/picture.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

std::vector<float> values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kFloat).contiguous();
  return {dense.const_data_ptr<float>(), dense.const_data_ptr<float>() + dense.numel()};
}

Json regions_json(const StimuliExplanation& seen) {
  Json list = Json::array();
  if (!seen.regions.features.defined()) return list;
  const at::Tensor sum = attention_sum(seen);
  for (std::int64_t i = 0; i < seen.regions.features.size(0); ++i) {
    Json region{{"name", region_name(seen.regions, i)},
                {"box", values(seen.regions.boxes[i])},
                {"score", seen.regions.scores[i].item<float>()}};
    if (sum.defined()) {
      region["attention"] = sum[i].item<float>();
      region["attention_by_step"] = values(seen.attention.select(1, i));
    }
    list.push_back(std::move(region));
  }
  return list;
}

/// Boxes drawn by attention: the more, the thicker and the less transparent.
Image drawn_regions(const Image& picture, const StimuliExplanation& seen) {
  Image result = picture;
  cv::Mat target(result.height, result.width, CV_8UC3, result.pixels.data());
  const at::Tensor sum = attention_sum(seen);
  const double most = sum.defined() ? sum.max().item<double>() : 1,
               width = std::max(1.0, std::max(picture.width, picture.height) / 250.0);
  const at::Tensor boxes = seen.regions.boxes.to(at::kFloat).contiguous();
  for (std::int64_t i = boxes.size(0) - 1; i >= 0; --i) {  // the best on top
    const float* box = boxes.const_data_ptr<float>() + 4 * i;
    const double weight = sum.defined() ? sum[i].item<double>() / std::max(most, 1e-9) : 1;
    cv::Mat drawn = target.clone();
    cv::rectangle(drawn, cv::Point2f(box[0], box[1]), cv::Point2f(box[2], box[3]), cv::Scalar(255, 196, 0),
                  static_cast<int>(std::lround(width * (1 + 2 * weight))));
    const double opacity = 0.25 + 0.75 * weight;
    cv::addWeighted(target, 1 - opacity, drawn, opacity, 0, target);
  }
  return result;
}

}  // namespace

std::string region_name(const RegionFile& regions, std::int64_t i) {
  if (!regions.labels.defined() || regions.classes.empty()) return "region";
  const auto name = [i](const at::Tensor& ids, const std::vector<std::string>& names) {
    return names[static_cast<std::size_t>(ids[i].item<std::int64_t>())];
  };
  const std::string object = name(regions.labels, regions.classes);
  if (!regions.attributes.defined() || regions.attribute_names.empty()) return object;
  return name(regions.attributes, regions.attribute_names) + " " + object;
}

at::Tensor attention_sum(const StimuliExplanation& seen) {
  return seen.attention.defined() ? seen.attention.to(at::kFloat).mean(0) : at::Tensor();
}

std::string explanation_json(const TrainedStimuliNet& model, const Stimuli& stimuli, const StimuliExplanation& seen,
                             const fs::path& folder, const std::string& stem) {
  Json json{{"image", stimuli.name}, {"prediction", model.classes[seen.order[0]]}};
  if (!stimuli.labels.empty()) json["labels"] = stimuli.labels;
  for (const std::size_t k : seen.order) json["probabilities"][model.classes[k]] = seen.probabilities[k];
  if (seen.positive) json["polarity"] = {{"positive", *seen.positive}, {"negative", 1 - *seen.positive}};
  for (const auto& branch : seen.branches) {
    auto& entry = json["branches"][branch.name];
    entry["evidence"] = branch.evidence;
    entry["silent"] = branch.silent.empty() ? Json(nullptr) : Json(branch.silent);
  }
  json["seen"] = seen.view;
  json["regions"] = regions_json(seen);
  const auto add = [&](const char* what, const Image& image) {
    const std::string file = fmt::format("{}-{}.png", stem, what);
    write_picture(folder / file, image);
    json["pictures"][what] = file;
  };
  if (!folder.empty()) {
    add("picture", stimuli.picture);
    if (seen.map.defined()) add("map", heat_map(stimuli.picture, seen.map, seen.view));
    if (seen.regions.features.defined()) add("regions", drawn_regions(stimuli.picture, seen));
    if (stimuli.face) add("face", *stimuli.face);
  }
  return json.dump(2);
}

}  // namespace emotion
