#include "train_report.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include <ATen/ops/cat.h>
#include <nlohmann/json.hpp>

#include "emotion/data/decode.h"
#include "emotion/data/open_manifest.h"
#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/eval/feature_map.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/picture_view.h"
#include "emotion/eval/stimuli_run.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/train/stimuli_model.h"
#include "emotion/train/tensor_memory.h"
#include "emotion/train/visual_model.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMapSamples = 300;
constexpr std::int64_t kQueries = 5, kNearest = 6;
constexpr int kBatch = 64;

using Chosen = std::optional<std::vector<std::uint64_t>>;

/// The samples of a split that a run uses: those of its task's choice, of them the part that is trained on.
std::vector<std::uint64_t> used_samples(const Manifest& manifest, const Chosen& chosen, const Sampler& part) {
  std::vector<std::uint64_t> used(manifest.size());
  std::iota(used.begin(), used.end(), std::uint64_t{0});
  if (chosen) used = *chosen;
  Sampler sampler = part;
  sampler.size = used.size();
  if (used.empty() || sampler.epoch_size() == used.size()) return used;
  std::vector<std::uint64_t> drawn;
  for (const std::uint64_t i : sampler.order(0)) drawn.push_back(used[i]);
  return drawn;
}

/// `samples` and all other numbers are of what is used, `of` of the whole split.
Json summarize(const SplitConfig& split, const Chosen& chosen, const Sampler& part) {
  const Manifest manifest = open_manifest(split);
  const auto& classes = manifest.dataset().classes;
  const std::vector<std::uint64_t> used = used_samples(manifest, chosen, part);
  std::vector<std::uint64_t> counts(classes.size());
  std::vector<bool> words(manifest.word_count());
  std::uint64_t keywords = 0, labels = 0, faces = 0, regions = 0, boxes = 0;
  for (const std::uint64_t i : used) {
    const SampleView sample = manifest[i];
    for (const auto label : sample.labels) ++counts[label];
    for (const auto word : sample.keywords) words[word] = true;
    labels += sample.labels.size();
    keywords += sample.keywords.size();
    faces += !sample.face.empty();
    regions += !sample.regions.empty();
    boxes += sample.box.has_value();
  }
  Json json{{"dataset", split.dataset},
            {"split", split.split},
            {"samples", used.size()},
            {"of", manifest.size()},
            {"labels", labels},
            {"keywords", keywords},
            {"words", std::count(words.begin(), words.end(), true)},
            {"faces", faces},
            {"regions", regions},
            {"boxes", boxes}};
  for (std::size_t k = 0; k < classes.size(); ++k) json["classes"][classes[k]] = counts[k];
  return json;
}

bool is_whole(const fs::path& picture) {
  try {
    decode_image(picture);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

/// At most kMapSamples of them, evenly spaced; without those whose pictures are broken, where the run skips such.
std::vector<std::uint64_t> spaced(const std::vector<std::uint64_t>& all, const Manifest& manifest, const RunConfig& config) {
  std::vector<std::uint64_t> chosen;
  const std::size_t count = std::min(kMapSamples, all.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t sample = all[i * all.size() / count];
    if (config.data.on_error != "skip" || is_whole(manifest.image_path(sample))) chosen.push_back(sample);
  }
  return chosen;
}

/// Some of the samples that a run's best network can see, and their features.
struct SeenSamples {
  std::vector<std::uint64_t> samples;
  at::Tensor features;               // float [n, D]
  std::vector<std::string> classes;  // of the network
};

SeenSamples see_samples(const RunConfig& config, const Manifest& manifest) {
  const Device device = Device::open(config.device, "off", /*channels_last=*/true,
                                     {.deterministic = config.train.deterministic, .tf32 = config.train.tf32});
  SeenSamples seen;
  std::vector<at::Tensor> parts;
  if (config.task == "stimuli") {
    const TrainedStimuliNet model = load_stimuli_net(config.output, {}, device);
    std::vector<std::uint64_t> all(manifest.size());
    std::iota(all.begin(), all.end(), std::uint64_t{0});
    seen.samples = spaced(all, manifest, config);
    for_each_batch(model, device, manifest, seen.samples, kBatch, config.data.workers,
                   [&](const auto&, const StimuliNetOutput& output) { parts.push_back(output.features.to(at::kFloat).cpu()); });
    seen.classes = model.classes;
  } else {
    const VisualModel model = VisualModel::open(config.output, {}, device);
    const PictureView view = evaluation_view(model, kBatch, config.data.workers);
    seen.samples = spaced(samples_in_view(manifest, view), manifest, config);
    for_each_batch(model, device, manifest, view, seen.samples,
                   [&](const auto&, const at::Tensor& features) { parts.push_back(features.cpu()); });
    seen.classes = model.classes();
  }
  seen.features = at::cat(parts);
  return seen;
}

Json points_json(const at::Tensor& points) {
  Json json = Json::array();
  for (std::int64_t i = 0; i < points.size(0); ++i) json.push_back({points[i][0].item<double>(), points[i][1].item<double>()});
  return json;
}

/// The first label in the names that the data set has; by keywords where it has no labels.
std::vector<std::string> sample_classes(const Manifest& manifest, const RunConfig& config, const SeenSamples& seen) {
  const auto labels = true_labels(manifest, seen.classes, config.data.targets);
  std::vector<std::string> names;
  for (const std::uint64_t i : seen.samples) names.push_back(seen.classes[labels[i][0]]);
  return names;
}

Json feature_json(const RunConfig& config) {
  const Manifest manifest = open_manifest(config.data.val);
  const SeenSamples seen = see_samples(config, manifest);
  const at::Tensor& features = seen.features;
  const PrincipalMap principal = principal_map(features);
  Json json{{"explained", {principal.explained[0], principal.explained[1]}},
            {"principal", points_json(principal.points)},
            {"neighbours", points_json(neighbour_map(features))},
            {"classes", sample_classes(manifest, config, seen)}};
  json["single"] = true;  // one label a picture: another class can be said to be another
  for (const std::uint64_t i : seen.samples) {
    json["single"] = json["single"].get<bool>() && manifest[i].labels.size() == 1;
    json["images"].push_back(std::string(manifest[i].image));
  }
  std::vector<std::int64_t> queries;
  const std::int64_t n = features.size(0), count = std::min(kQueries, n);
  for (std::int64_t q = 0; q < count; ++q) queries.push_back((2 * q + 1) * n / (2 * count));
  const auto nearest = nearest_rows(features, queries, kNearest);
  for (std::size_t q = 0; q < queries.size(); ++q) json["nearest"].push_back({{"query", queries[q]}, {"rows", nearest[q]}});
  return json;
}

}  // namespace

void write_data_summary(const RunConfig& config, const ChosenSamples& chosen) {
  Json json;
  const Sampler trained{.fraction = config.data.fraction, .shuffle = false, .seed = config.seed}, all;
  json["train"] = summarize(config.data.train, chosen.train, trained);
  if (config.data.val) json["val"] = summarize(config.data.val, chosen.validation, all);
  if (config.data.extra) json["extra"] = summarize(config.data.extra, {}, all);
  // A path may be of any encoding.
  write_file_atomically(fs::path(config.output) / "data.json", json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void write_feature_map(const RunConfig& config) {
  const bool images =
      config.task == "emotionnet" || config.task == "classifier" || config.task == "expression" || config.task == "stimuli";
  if (!images || !config.data.val) return;
  try {
    write_file_atomically(fs::path(config.output) / "features.json", feature_json(config).dump() + "\n");
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {  // the training itself is done and saved
    log_warning("no map of the features: {}", error.what());
  }
}

void write_times(const RunConfig& config, const RunTimes& times) {
  Json json{{"seconds", times.seconds},
            {"evaluation", times.stages.evaluation},
            {"checkpoints", times.stages.checkpoints},
            {"peak_memory", peak_memory()}};
  if (const std::uint64_t bytes = peak_device_memory()) json["peak_device_memory"] = bytes;
  write_file_atomically(fs::path(config.output) / "times.json", json.dump() + "\n");
}

RunTimes read_times(const RunConfig& config) {
  const fs::path file = fs::path(config.output) / "times.json";
  if (!fs::exists(file)) return {};
  const Json json = Json::parse(read_file(file), nullptr, false);
  const auto number = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number() ? json[key].get<double>() : 0.0;
  };
  return {number("seconds"), {number("evaluation"), number("checkpoints")}};
}

}  // namespace emotion
