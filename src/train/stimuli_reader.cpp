#include <algorithm>
#include <optional>

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/data/loader.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/model/load_state.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/stimuli_model.h"

namespace emotion {
namespace {

bool has_branch(const RunConfig& config, const char* name) {
  const auto& branches = config.model.branches;
  return std::find(branches.begin(), branches.end(), name) != branches.end();
}

/// F: the width of the regions' features is nowhere but in the weights.
std::int64_t feature_width(const StateDict& state, const SemanticNetOptions& options, const std::string& where) {
  const std::int64_t h = options.hidden;
  if (options.fc) return size_weight(state, "semantic.fc.0.weight", {h, -1}, where).size(1);
  const std::int64_t f = size_weight(state, "semantic.attention.feature.weight", {options.attention, -1}, where).size(1);
  size_weight(state, "semantic.attention_lstm.weight_ih", {4 * h, h + f}, where);
  return f;
}

}  // namespace

struct StimuliReader::Data {
  const Manifest& manifest;
  Options options;
  std::uint64_t with_regions = 0, with_face = 0;
  // One entry a sample; each is written by the one thread that reads the sample.
  mutable std::vector<at::Tensor> regions;
  mutable std::vector<std::optional<Image>> faces;

  explicit Data(const Manifest& m, const Options& o) : manifest(m), options(o), regions(m.size()), faces(m.size()) {
    for (std::size_t i = 0; i < m.size(); ++i) {
      with_regions += !m[i].regions.empty();
      with_face += !m[i].face.empty();
    }
    for (std::size_t i = 0; options.regions && options.width == 0 && i < m.size(); ++i) {
      if (m[i].regions.empty()) continue;
      // A file without a region may not know how wide the others are.
      if (const RegionFile file = read_file(i); file.features.size(0) > 0) options.width = file.features.size(1);
    }
    if (options.width > 0) return;
    if (options.regions && options.max_regions > 0 && with_regions > 0)
      throw DataError(m.file().string() +
                      ": there is no region in any of its region files; a lower model.detector.score_threshold "
                      "finds some");
    options.width = 1;
  }

  std::int64_t cut_to() const {
    if (!options.regions || options.max_regions == 0) return 0;
    constexpr int kLookedAt = 1000;
    std::int64_t most = 0;
    int files = 0;
    for (std::size_t i = 0; i < manifest.size() && files < kLookedAt; ++i) {
      if (manifest[i].regions.empty()) continue;
      const RegionFile file = read_file(i);
      most = file.top ? *file.top : std::max(most, file.features.size(0));
      if (most >= options.max_regions) return 0;
      if (file.top) break;  // one run makes all files of a split
      ++files;
    }
    return most;
  }

  /// float [n, F], n <= max_regions; 0 rows where the sample has no file.
  at::Tensor read_regions(std::size_t i) const {
    const SampleView sample = manifest[i];
    if (sample.regions.empty()) return at::zeros({0, options.width});
    if (regions[i].defined()) return regions[i];
    const RegionFile file = read_file(i);
    at::Tensor features = file.features.narrow(0, 0, std::min(options.max_regions, file.features.size(0))).clone();
    if (options.cache->take(features.numel() * 4)) regions[i] = features;
    return features;
  }

  RegionFile read_file(std::size_t i) const {
    try {
      return read_region_file(stimulus_path(manifest.dataset(), manifest[i].regions), options.width);
    } catch (const Error& error) {
      throw DataError(manifest.place(i) + ": " + error.what());
    }
  }

  Image read_face(std::size_t i) const {
    if (faces[i]) return *faces[i];
    try {
      Image face = load_image(stimulus_path(manifest.dataset(), manifest[i].face),
                              Transform{.resize = 0, .crop = Crop::kNone, .flip = false}, {});
      if (options.cache->take(static_cast<std::int64_t>(face.pixels.size()))) faces[i] = face;
      return face;
    } catch (const Error& error) {
      throw DataError(manifest.place(i) + ": face: " + error.what());
    }
  }

  RegionBatch region_batch(const std::vector<std::uint64_t>& samples) const {
    const auto n = static_cast<std::int64_t>(samples.size());
    // At least one row, so that N = 0 is an image without regions like any other.
    at::Tensor features = at::zeros({n, std::max<std::int64_t>(options.max_regions, 1), options.width});
    std::vector<std::int64_t> counts(samples.size());
    at::parallel_for(0, n, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const at::Tensor rows = read_regions(samples[static_cast<std::size_t>(i)]);
        counts[static_cast<std::size_t>(i)] = rows.size(0);
        if (rows.size(0) > 0)
          std::copy_n(rows.const_data_ptr<float>(), rows.numel(), features.data_ptr<float>() + i * features.stride(0));
      }
    });
    return {features, at::tensor(counts, at::kLong)};
  }

  /// Faces of the samples that have one, and their rows.
  std::pair<ImageBatch, std::vector<std::int64_t>> face_batch(const std::vector<std::uint64_t>& samples) const {
    std::vector<std::int64_t> rows;
    ImageBatch batch;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (manifest[samples[i]].face.empty()) continue;
      rows.push_back(static_cast<std::int64_t>(i));
      batch.samples.push_back(samples[i]);
    }
    if (rows.empty()) return {};
    std::vector<Image> images(rows.size());
    at::parallel_for(0, static_cast<std::int64_t>(rows.size()), 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        images[static_cast<std::size_t>(i)] = read_face(batch.samples[static_cast<std::size_t>(i)]);
    });
    batch.width = images[0].width;
    batch.height = images[0].height;
    const std::size_t bytes = images[0].pixels.size();
    batch.pixels = std::make_shared<std::uint8_t[]>(bytes * images.size());
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (images[i].width != batch.width || images[i].height != batch.height) {
        throw DataError(fmt::format("{}: its face is {}x{}, others are {}x{}; find the faces of a data set with one size",
                                    manifest.place(batch.samples[i]), images[i].width, images[i].height, batch.width,
                                    batch.height));
      }
      std::copy(images[i].pixels.begin(), images[i].pixels.end(), batch.pixels.get() + i * bytes);
    }
    return {std::move(batch), std::move(rows)};
  }
};

StimuliReader::StimuliReader(const Manifest& manifest, const Options& options)
    : data_(std::make_unique<Data>(manifest, options)) {}
StimuliReader::~StimuliReader() = default;
StimuliReader::StimuliReader(StimuliReader&&) noexcept = default;

std::int64_t StimuliReader::width() const { return data_->options.width; }
std::uint64_t StimuliReader::with_regions() const { return data_->with_regions; }
std::uint64_t StimuliReader::with_face() const { return data_->with_face; }
std::int64_t StimuliReader::cut_to() const { return data_->cut_to(); }
bool StimuliReader::has_face(std::uint64_t sample) const { return !data_->manifest[sample].face.empty(); }

StimuliInput StimuliReader::read(const std::vector<std::uint64_t>& samples, const Device& device) const {
  StimuliInput input;
  input.size = static_cast<std::int64_t>(samples.size());
  if (data_->options.regions) {
    const RegionBatch regions = data_->region_batch(samples);
    input.regions = {device.move(regions.features), device.move(regions.counts)};
  }
  if (data_->options.faces) {
    auto [faces, rows] = data_->face_batch(samples);
    input.face_rows = device.move(at::tensor(rows, at::kLong));
    if (!rows.empty()) input.faces = device.images(faces);
  }
  return input;
}

StimuliReader::Options stimuli_reader_options(const RunConfig& config, std::int64_t width) {
  return {.regions = has_branch(config, "semantic"),
          .faces = has_branch(config, "expression"),
          .max_regions = config.model.semantic.regions,
          .width = width,
          .cache = std::make_shared<CacheBudget>(std::int64_t{config.data.cache_mb} << 20)};
}

StimuliNetOptions stimuli_net_options(const RunConfig& config, std::int64_t classes, std::int64_t width) {
  const SemanticConfig& semantic = config.model.semantic;
  return {.global = has_branch(config, "global"),
          .semantic = has_branch(config, "semantic"),
          .expression = has_branch(config, "expression"),
          .backbone = config.model.backbone,
          .expression_backbone = config.model.expression_backbone,
          .semantic_net = {.feature = width,
                           .attention = semantic.attention,
                           .steps = semantic.steps,
                           .lag = semantic.lag,
                           .fc = semantic.variant == "fc"},
          .face_channels = config.model.channels,
          .classes = classes,
          .classifier_bias = config.model.classifier_bias,
          .luminance = config.model.color == "y"};
}

TrainedStimuliNet load_stimuli_net(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                                   const Device& device) {
  TrainedStimuliNet trained;
  trained.file = find_model_file(checkpoint);
  const std::string where = trained.file.string();
  const StateDict state = read_weights(trained.file);
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, where);
  if (info.task != "stimuli") throw WeightsError(fmt::format("{}: task {} is no stimuli network", where, info.task));
  trained.config = info.run_config(where, settings);
  trained.classes = info.classes;
  trained.faces = info.faces;
  trained.regions = info.regions;
  try {
    const Dataset dataset = Dataset::open(trained.config.data.train.dataset);
    if (trained.faces.empty()) trained.faces = read_face_settings(dataset, trained.config.data.train.split);
    trained.polarity = class_polarity(dataset, trained.classes);
  } catch (const DataError&) {  // the training data is elsewhere: a network is complete without it
  }
  StimuliNetOptions options = stimuli_net_options(trained.config, static_cast<std::int64_t>(info.classes.size()), 1);
  if (options.semantic) options.semantic_net.feature = feature_width(state, options.semantic_net, where);
  trained.network = StimuliNet(options);
  load_module_state(*trained.network, state, where);
  device.place(*trained.network);
  trained.network->eval();
  return trained;
}

}  // namespace emotion
