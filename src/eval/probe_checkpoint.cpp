#include <memory>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/data/open_manifest.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/eval/feature_cache.h"
#include "emotion/eval/labels.h"
#include "emotion/eval/probe_experiment.h"
#include "emotion/log.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

VisualModel open_probed_network(const ProbeRequest& request, const Device& device) {
  if (request.checkpoint.empty()) throw ConfigError("probe: no checkpoint is named");
  std::vector<std::string> settings = request.settings;
  const bool random = request.checkpoint == "random";
  // A state_dict without metadata: its backbone has to be named.
  if (!request.backbone.empty() && (random || task_of(find_model_file(request.checkpoint)).empty()))
    settings.insert(settings.begin(), "model.backbone=" + request.backbone);
  if (!random) return VisualModel::open(request.checkpoint, settings, device);
  settings.insert(settings.begin(), fmt::format("seed={}", request.plan.seed));
  return VisualModel::untrained(parse_run_config("{}", "--checkpoint random", settings), device);
}

namespace {

/// The number of the picture that each sample shows; empty where no two show the same.
std::vector<std::uint32_t> picture_numbers(const Manifest& manifest, const std::vector<std::uint64_t>& samples) {
  std::unordered_map<std::string_view, std::uint32_t> known;
  std::vector<std::uint32_t> numbers;
  for (const std::uint64_t i : samples)
    numbers.push_back(known.emplace(manifest[i].picture(), static_cast<std::uint32_t>(known.size())).first->second);
  if (known.size() == numbers.size()) numbers.clear();
  return numbers;
}

/// A split's manifest, labels and, once read, features.
struct LoadedSplit {
  Manifest manifest;
  ProbeSplit split;
};

class SplitLoader {
 public:
  SplitLoader(const ProbeRequest& request, const VisualModel& model, const Device& device)
      : request_(request), model_(model), device_(device), pictures_(request.pictures ? *request.pictures : model.config().data) {
    if (request_.crop_box && sees_faces())
      throw ConfigError("probe: box crops do not go with " + model_.file().string() + ", which sees faces (data.picture)");
  }

  /// All but the features, which take long.
  std::unique_ptr<LoadedSplit> open(Manifest manifest, const std::vector<std::string>& classes) const {
    auto loaded = std::make_unique<LoadedSplit>(LoadedSplit{std::move(manifest), {}});
    const Manifest& m = loaded->manifest;
    if (request_.crop_box) check_boxes(m);
    const auto labels = true_labels(m, classes, request_.targets);
    const auto samples = samples_in_view(m, feature_options(0).view);
    for (const std::uint64_t i : samples) loaded->split.labels.push_back(labels[i]);
    if (samples.size() < m.size())
      log_warning("{}: {} of {} samples have no face: left out", m.file().string(), m.size() - samples.size(), m.size());
    loaded->split.pictures = picture_numbers(m, samples);
    loaded->split.place = [&m, samples](std::size_t row) {
      return m.place(samples[row]) + ": " + std::string(m[samples[row]].image);
    };
    return loaded;
  }

  /// `views`: augmented views, 0 for the one without chance; `scored`: that one beside augmented ones.
  void read_features(LoadedSplit& loaded, int views, bool scored) const {
    loaded.split.features = split_features(model_, device_, loaded.manifest, feature_options(views));
    if (views > 0 && scored) loaded.split.scored = split_features(model_, device_, loaded.manifest, feature_options(0))[0];
  }

 private:
  bool sees_faces() const { return pictures_.picture == "face"; }

  FeatureOptions feature_options(int views) const {
    const Transform transform = make_transform(pictures_);
    FeatureOptions result{.cache = request_.cache, .views = views, .view = {}};
    result.view = {.transform = views > 0 ? transform : transform.deterministic(),
                   .crop_box = request_.crop_box,
                   .faces = sees_faces(),
                   .seed = request_.plan.seed,
                   .batch = request_.batch,
                   .workers = request_.workers};
    return result;
  }

  const ProbeRequest& request_;
  const VisualModel& model_;
  const Device& device_;
  const DataConfig& pictures_;
};

}  // namespace

ProbeReport probe_checkpoint(const ProbeRequest& request) {
  const Device device = Device::open(request.device);
  const VisualModel model = open_probed_network(request, device);
  ProbePlan plan = request.plan;
  Manifest train_manifest = open_manifest(request.train);
  ProbeReport report;
  report.classes = TargetClasses::make(request.targets, train_manifest).classes;
  report.polarity = class_polarity(train_manifest.dataset(), report.classes);
  report.dimension = model.dimension();
  report.weights = model.file();
  const bool folds = plan.folds > 1;
  if (!folds && !request.test) throw ConfigError("probe: no test data is named");
  // Manifests are opened before any picture is: a missing split should not cost the features of another.
  std::optional<Manifest> test_manifest, validation_manifest;
  if (!folds) test_manifest = open_manifest(request.test);
  if (!folds && request.validation && !plan.sweep.empty()) validation_manifest = open_manifest(request.validation);
  const SplitLoader load(request, model, device);
  const bool scores_training_samples = folds || (!plan.sweep.empty() && !validation_manifest);
  const auto train = load.open(std::move(train_manifest), report.classes);
  std::unique_ptr<LoadedSplit> validation, test;
  if (validation_manifest) validation = load.open(std::move(*validation_manifest), report.classes);
  if (test_manifest) test = load.open(std::move(*test_manifest), report.classes);
  check_plan(plan, request.views, report.classes, train->split);
  load.read_features(*train, request.views, scores_training_samples);
  for (LoadedSplit* other : {validation.get(), test.get()}) {
    if (other) load.read_features(*other, 0, false);
  }
  plan.fit.multi_label =
      plan.fit.multi_label || several_labels(train->split.labels) || (test && several_labels(test->split.labels));
  log_info("probe: {} features of {}, {} training samples, {}", model.dimension(), model.file().string(), train->manifest.size(),
           plan.method == "knn" ? "nearest neighbours" : "solver " + plan.fit.solver);
  report.outcome =
      run_probe(plan, report.classes, train->split, validation ? &validation->split : nullptr, test ? &test->split : nullptr);
  report.outcome.predictions.polarity = report.polarity;
  report.outcome.metrics = classification_metrics(report.outcome.predictions);
  return report;
}

ProbeRequest probe_request(const RunConfig& config) {
  const ProbeConfig& p = config.probe;
  ProbeRequest request;
  request.checkpoint = p.checkpoint.empty() ? config.output : p.checkpoint;
  request.backbone = config.model.backbone;
  request.pictures = config.data;
  request.train = config.data.train;
  request.validation = config.data.val;
  request.test = p.test ? p.test : SplitConfig{config.data.train.dataset, "test"};
  request.targets = config.data.targets;
  request.plan = {.method = p.method == "fine_tune" ? "linear" : p.method,
                  .fit = {.solver = p.solver,
                          .C = p.C,
                          .epochs = p.epochs,
                          .batch = p.batch,
                          .lr = p.lr,
                          .momentum = p.momentum,
                          .weight_decay = p.weight_decay,
                          .every = p.every,
                          .epoch_samples = p.epoch_samples},
                  .k = p.k,
                  .sweep = p.sweep,
                  .seeds = p.seeds,
                  .folds = p.folds,
                  .fraction = config.data.fraction,
                  .one_vs_all = p.one_vs_all,
                  .seed = config.seed};
  request.views = p.views;
  request.crop_box = p.crop_box;
  request.cache = p.cache.empty() ? default_feature_cache() : std::filesystem::path(p.cache);
  request.device = config.device;
  request.workers = config.data.workers;
  return request;
}

}  // namespace emotion
