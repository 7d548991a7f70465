#include "train_report.h"

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "emotion/data/decode.h"
#include "emotion/data/manifest.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/extract.h"
#include "emotion/eval/feature_map.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/tensor_memory.h"
#include "emotion/train/visual_model.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMapSamples = 300;
constexpr std::int64_t kQueries = 5, kNearest = 6;

Json summarize(const SplitConfig& split) {
  const Manifest manifest = Manifest::open(Dataset::open(split.dataset), split.split);
  const auto& classes = manifest.dataset().classes;
  std::vector<std::uint64_t> counts(classes.size());
  std::uint64_t keywords = 0, labels = 0, faces = 0, regions = 0, boxes = 0;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const SampleView sample = manifest[i];
    for (const auto label : sample.labels) ++counts[label];
    labels += sample.labels.size();
    keywords += sample.keywords.size();
    faces += !sample.face.empty();
    regions += !sample.regions.empty();
    boxes += sample.box.has_value();
  }
  Json json{{"dataset", split.dataset}, {"split", split.split}, {"samples", manifest.size()},
            {"labels", labels},         {"keywords", keywords}, {"words", manifest.word_count()},
            {"faces", faces},           {"regions", regions},   {"boxes", boxes}};
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

/// A split of some samples, evenly spaced, in a folder of its own; the pictures stay where they are. `skip`: without broken ones.
Manifest spaced_samples(const Manifest& all, const fs::path& scratch, bool skip) {
  Dataset dataset = all.dataset();
  dataset.image_root = fs::absolute(dataset.images());
  dataset.root = scratch;
  dataset.splits = {{"map", "map.jsonl"}};
  ManifestWriter writer(scratch / "map.jsonl");
  const std::size_t count = std::min(kMapSamples, all.size());
  for (std::size_t i = 0; i < count; ++i) {
    const SampleView view = all[i * all.size() / count];
    if (skip && !is_whole(all.image_path(i * all.size() / count))) continue;
    Sample sample;
    sample.image = view.image;
    sample.box = view.box;
    sample.face = view.face;
    for (const auto label : view.labels) sample.labels.push_back(dataset.classes[label]);
    for (const auto word : view.keywords) sample.keywords.emplace_back(all.word(word));
    writer.write(sample);
  }
  writer.close();
  dataset.save();
  return Manifest::open(dataset, "map");
}

Json points_json(const at::Tensor& points) {
  Json json = Json::array();
  for (std::int64_t i = 0; i < points.size(0); ++i) json.push_back({points[i][0].item<double>(), points[i][1].item<double>()});
  return json;
}

/// The first label in the names that the data set has; by keywords where it has no labels.
std::vector<std::string> sample_classes(const Manifest& manifest, const RunConfig& config,
                                        const std::vector<std::string>& classes) {
  TargetClasses targets;
  targets.classes = classes;
  for (std::uint32_t k = 0; k < classes.size(); ++k) targets.class_of_word.emplace(classes[k], k);
  if (config.data.targets != "labels" && config.data.targets != "keywords")
    targets = TargetClasses::make(config.data.targets, manifest);
  const SplitTargets split(manifest, targets, config.data.targets, /*single=*/false);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < manifest.size(); ++i) names.push_back(targets.classes[split(i)[0]]);
  return names;
}

Json feature_json(const RunConfig& config) {
  const Device device = Device::open(config.device);
  const VisualModel model = VisualModel::open(config.output, {}, device);
  const ScratchFolder scratch;
  const Manifest manifest = spaced_samples(Manifest::open(Dataset::open(config.data.val.dataset), config.data.val.split),
                                           scratch.path(), config.data.on_error == "skip");
  const at::Tensor features = extract_features(model, device, manifest, 64, config.data.workers);
  const PrincipalMap principal = principal_map(features);
  Json json{{"explained", {principal.explained[0], principal.explained[1]}},
            {"principal", points_json(principal.points)},
            {"neighbours", points_json(neighbour_map(features))},
            {"classes", sample_classes(manifest, config, model.classes())}};
  json["single"] = true;  // one label a picture: another class can be said to be another
  for (std::size_t i = 0; i < manifest.size(); ++i) json["single"] = json["single"].get<bool>() && manifest[i].labels.size() == 1;
  for (std::size_t i = 0; i < manifest.size(); ++i) json["images"].push_back(std::string(manifest[i].image));
  std::vector<std::int64_t> queries;
  const std::int64_t n = features.size(0), count = std::min(kQueries, n);
  for (std::int64_t q = 0; q < count; ++q) queries.push_back((2 * q + 1) * n / (2 * count));
  const auto nearest = nearest_rows(features, queries, kNearest);
  for (std::size_t q = 0; q < queries.size(); ++q) json["nearest"].push_back({{"query", queries[q]}, {"rows", nearest[q]}});
  return json;
}

}  // namespace

void write_data_summary(const RunConfig& config) {
  Json json;
  json["train"] = summarize(config.data.train);
  if (config.data.val) json["val"] = summarize(config.data.val);
  if (config.data.extra) json["extra"] = summarize(config.data.extra);
  write_file_atomically(fs::path(config.output) / "data.json", json.dump(1) + "\n");
}

void write_feature_map(const RunConfig& config) {
  const bool images = config.task == "emotionnet" || config.task == "classifier" || config.task == "expression";
  if (!images || !config.data.val || config.data.picture != "image") return;
  try {
    write_file_atomically(fs::path(config.output) / "features.json", feature_json(config).dump() + "\n");
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {  // the training itself is done and saved
    log_warning("no map of the features: {}", error.what());
  }
}

void write_times(const RunConfig& config, double seconds_before, double seconds) {
  Json json{{"seconds", seconds_before + seconds}, {"peak_memory", peak_memory()}};
  if (const std::uint64_t bytes = peak_device_memory()) json["peak_device_memory"] = bytes;
  write_file_atomically(fs::path(config.output) / "times.json", json.dump() + "\n");
}

double read_times(const RunConfig& config) {
  const fs::path file = fs::path(config.output) / "times.json";
  if (!fs::exists(file)) return 0;
  const Json json = Json::parse(read_file(file), nullptr, false);
  return json.is_object() && json.contains("seconds") && json["seconds"].is_number() ? json["seconds"].get<double>() : 0;
}

}  // namespace emotion
