#include "emotion/eval/feature_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <system_error>
#include <unordered_set>

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file_lock.h"
#include "emotion/io/mapped_tensor.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"
#include "emotion/version.h"
#include "file_stamps.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr const char* kTensor = "features";
/// To be raised when the same weights and pictures give other features: decoding, resizing, a network's forward pass.
constexpr int kFeatureRevision = 1;

constexpr std::size_t kStampBlock = 1 << 16;  // names in memory at a time

using Metadata = std::map<std::string, std::string>;

std::string transform_text(const Transform& t, const FeatureOptions& options) {
  std::string text = fmt::format("resize {} size {} crop {}{}", t.resize, t.size, static_cast<int>(t.crop),
                                 options.view.faces      ? " of the face"
                                 : options.view.crop_box ? " of the box"
                                                         : "");
  if (options.views > 0) {
    text += fmt::format(" flip {} scale {},{} ratio {},{} views {} seed {}", t.flip, t.scale[0], t.scale[1], t.ratio[0],
                        t.ratio[1], options.views, options.view.seed);
  }
  return text;
}

}  // namespace

std::string pictures_hash(const Manifest& manifest, const PictureView& view) {
  ContentHash hash;
  std::unordered_set<std::string> seen;
  const auto file_of = [&](std::uint64_t i) -> std::string {
    const fs::path file = view.faces ? stimulus_path(manifest.dataset(), manifest[i].face) : manifest.image_path(i);
    fs::path shard;
    std::string member;
    if (!split_member_path(file, shard, member)) return file.string();
    return seen.insert(shard.string()).second ? shard.string() : "";
  };
  const std::vector<std::uint64_t> samples = samples_in_view(manifest, view);
  for (std::size_t begin = 0; begin < samples.size(); begin += kStampBlock) {
    const auto block = std::span(samples).subspan(begin, std::min(kStampBlock, samples.size() - begin));
    std::vector<std::string> files;
    for (const std::uint64_t i : block) files.push_back(file_of(i));
    const std::vector<FileStamp> stamps = file_stamps(files.size(), [&](std::size_t k) { return files[k]; });
    for (std::size_t k = 0; k < block.size(); ++k) {
      const SampleView sample = manifest[block[k]];
      hash.add(view.faces ? sample.face : sample.image);
      if (view.crop_box && sample.box) hash.add(std::as_bytes(std::span(*sample.box)));
      if (files[k].empty()) continue;                          // of a shard that has been added
      hash.add(std::as_bytes(std::span(&stamps[k].size, 1)));  // of one that is missing, decoding says what is wrong
      hash.add(std::as_bytes(std::span(&stamps[k].time, 1)));
    }
  }
  return hash.hex();
}

Metadata feature_key(const VisualModel& model, const Manifest& manifest, const FeatureOptions& options) {
  const bool random = model.file() == "random";
  return {{"weights", random ? fmt::format("random {}", model.config().seed) : file_hash(model.file())},
          {"backbone", model.config().model.backbone},
          {"pictures", pictures_hash(manifest, options.view)},
          {"transform", transform_text(options.view.transform, options)},
          {"program", fmt::format("{}/{}", version(), kFeatureRevision)}};
}

namespace {

/// Where the features of this request are kept: the name says whose they are, not what they were made from.
fs::path cache_file(const VisualModel& model, const Manifest& manifest, const FeatureOptions& options) {
  ContentHash hash;
  hash.add(fs::absolute(model.file()).lexically_normal().string());
  hash.add(fs::absolute(manifest.file()).lexically_normal().string());
  hash.add(model.config().model.backbone);
  hash.add(transform_text(options.view.transform, options));
  return options.cache / fmt::format("{}-{}-{}.safetensors",
                                     manifest.dataset().name.empty() ? "data" : manifest.dataset().root.filename().string(),
                                     manifest.split(), hash.hex().substr(0, 16));
}

/// What a kept file holds, or nothing, saying why.
std::optional<at::Tensor> kept_features(const fs::path& file, const Metadata& key, const at::IntArrayRef shape) {
  if (!fs::exists(file)) return std::nullopt;
  try {
    const MappedTensor kept = map_tensor(file, kTensor);
    std::vector<std::string> changed;
    for (const auto& [name, value] : key) {
      const auto found = kept.metadata.find(name);
      if (found == kept.metadata.end() || found->second != value) changed.push_back(name);
    }
    if (changed.empty() && kept.tensor.sizes() != shape) changed.emplace_back("shape");
    if (changed.empty()) return kept.tensor;
    log_info("{}: kept features are old (changed: {}); computing them again", file.string(), fmt::join(changed, ", "));
  } catch (const Error& error) {
    log_warning("{}; computing the features again", error.what());
  }
  return std::nullopt;
}

/// Features view by view, in order.
void compute(const VisualModel& model, const Device& device, const Manifest& manifest, const FeatureOptions& options,
             const std::function<void(const at::Tensor&)>& rows) {
  for (int view = 0; view < std::max(options.views, 1); ++view) {
    PictureView pictures = options.view;
    pictures.view = static_cast<std::uint64_t>(view);
    if (options.views == 0) pictures.transform = pictures.transform.deterministic();
    for_each_batch(model, device, manifest, pictures, [&](const auto&, const at::Tensor& features) { rows(features.cpu()); });
  }
}

at::Tensor compute_in_memory(const VisualModel& model, const Device& device, const Manifest& manifest,
                             const FeatureOptions& options, at::IntArrayRef shape) {
  at::Tensor all = at::empty(shape, at::kFloat), flat = all.view({-1, shape.back()});
  std::int64_t row = 0;
  compute(model, device, manifest, options, [&](const at::Tensor& features) {
    flat.narrow(0, row, features.size(0)).copy_(features);
    row += features.size(0);
  });
  return all;
}

/// False, with a warning, where the folder cannot be used.
bool make_cache(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && ::access(folder.c_str(), W_OK | X_OK) == 0) return true;
  log_warning("{}: features cannot be kept there; --cache DIR names another folder", folder.string());
  return false;
}

}  // namespace

fs::path default_feature_cache() {
  for (const auto& [variable, below] : {std::pair{"XDG_CACHE_HOME", "emotion/features"}, {"HOME", ".cache/emotion/features"}}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return fs::path(value) / below;
  }
  return {};
}

at::Tensor split_features(const VisualModel& model, const Device& device, const Manifest& manifest,
                          const FeatureOptions& options) {
  const std::vector<std::int64_t> shape{
      std::max(options.views, 1), static_cast<std::int64_t>(samples_in_view(manifest, options.view).size()), model.dimension()};
  if (options.cache.empty() || !make_cache(options.cache)) return compute_in_memory(model, device, manifest, options, shape);
  const Metadata key = feature_key(model, manifest, options);
  const fs::path file = cache_file(model, manifest, options);
  const FileLock lock(file.string() + ".lock");
  if (auto kept = kept_features(file, key, shape)) {
    log_debug("{}: kept features are used", file.string());
    return *kept;
  }
  write_tensor_rows(file, kTensor, shape, key, [&](const auto& rows) { compute(model, device, manifest, options, rows); });
  return map_tensor(file, kTensor).tensor;
}

}  // namespace emotion
