#include "run_loader.h"

#include <filesystem>
#include <system_error>

#include "emotion/eval/picture_view.h"

namespace emotion {
namespace {

/// The transform a run of `config` uses on that split: the training one on its training split, else the one without chance.
Transform run_transform(const RunConfig& config, const std::string& data, const std::string& split) {
  const Transform transform = make_transform(config.data);
  std::error_code error;
  const bool training = split == config.data.train.split && std::filesystem::equivalent(data, config.data.train.dataset, error);
  return training ? transform : transform.deterministic();
}

}  // namespace

std::vector<std::uint64_t> run_samples(const RunConfig& config, const Manifest& manifest) {
  return samples_in_view(manifest, {.transform = {}, .faces = config.data.picture == "face"});
}

LoaderOptions run_loader(const RunConfig& config, const std::string& data, const std::string& split) {
  return {.transform = run_transform(config, data, split),
          .picture = config.data.picture == "face" ? Picture::kFace : Picture::kImage,
          .seed = config.seed,
          .batch = static_cast<std::size_t>(config.train.batch),
          .workers = config.data.workers,
          .on_error = config.data.on_error == "skip" ? OnError::kSkip : OnError::kStop,
          .allocate = {}};
}

}  // namespace emotion
