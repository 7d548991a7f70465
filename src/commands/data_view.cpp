#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/commands/data.h"
#include "emotion/config/run_config.h"
#include "emotion/data/loader.h"
#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/eval/picture_view.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/signals.h"
#include "emotion/train/device.h"

namespace emotion {
namespace {

/// The transform a run of `config` uses on that split: the training one on its training split, else the one without chance.
Transform run_transform(const RunConfig& config, const std::string& data, const std::string& split) {
  const Transform transform = make_transform(config.data);
  std::error_code error;
  const bool training = split == config.data.train.split && std::filesystem::equivalent(data, config.data.train.dataset, error);
  return training ? transform : transform.deterministic();
}

/// The samples that a run of `config` sees.
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

void write_png(const std::filesystem::path& file, const std::uint8_t* pixels, int width, int height) {
  const cv::Mat rgb(height, width, CV_8UC3, const_cast<std::uint8_t*>(pixels));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> png;
  cv::imencode(".png", bgr, png);
  write_file_atomically(file, std::string_view(reinterpret_cast<const char*>(png.data()), png.size()));
}

}  // namespace
}  // namespace emotion

void emotion_data_preview(const emotion::PreviewOptions& options) {
  using namespace emotion;
  const RunConfig config = load_run_config(options.config, options.settings);
  const Manifest manifest = Manifest::open(Dataset::open(options.data), options.split);
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) throw RunError(options.out + ": cannot be made: " + error.message());
  std::vector<std::uint64_t> samples = run_samples(config, manifest);
  if (options.count > 0 && options.count < samples.size()) samples.resize(options.count);
  LoaderOptions loader_options = run_loader(config, options.data, options.split);
  loader_options.batch = 1;  // without a crop every picture has its own size
  ImageLoader loader(manifest, std::move(loader_options), std::move(samples), /*epoch=*/0);
  const Device device = Device::open("cpu");
  std::uint64_t count = 0;
  while (auto batch = loader.next()) {
    if (stop_requested()) throw Interrupted("preview: interrupted");
    if (batch->samples.empty()) continue;  // a broken one
    write_png(std::filesystem::path(options.out) / fmt::format("{:06}.png", batch->samples[0]),
              device.pixels(*batch).const_data_ptr<std::uint8_t>(), batch->width, batch->height);
    ++count;
  }
  for (const auto& problem : loader.skipped()) log_warning("{}; left out (data.on_error)", problem);
  log_info("{}: {} pictures", options.out, count);
}

void emotion_data_bench(const emotion::BenchOptions& options) {
  using namespace emotion;
  const RunConfig config = load_run_config(options.config, options.settings);
  const Manifest manifest = Manifest::open(Dataset::open(options.data), options.split);
  const std::vector<std::uint64_t> samples = run_samples(config, manifest);
  LoaderOptions loader_options = run_loader(config, options.data, options.split);
  loader_options.cache = make_picture_cache(config.data, manifest.size());
  const Sampler sampler{.size = samples.size(),
                        .shuffle = config.data.shuffle,
                        .window = static_cast<std::uint64_t>(config.data.shuffle_window),
                        .seed = config.seed};
  const Device device = Device::open("cpu");
  std::uint64_t images = 0, epoch = 0;
  double seconds = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (seconds < options.seconds) {
    std::vector<std::uint64_t> order = sampler.order(epoch);
    for (std::uint64_t& place : order) place = samples[place];
    ImageLoader loader(manifest, loader_options, std::move(order), epoch);
    while (auto batch = loader.next()) {
      if (stop_requested()) throw Interrupted("bench: interrupted");
      if (!batch->samples.empty()) device.pixels(*batch);  // mirrored, as the DataLoaders do whose rates stand beside this one
      images += batch->samples.size();
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      if (seconds >= options.seconds) break;
    }
    ++epoch;
  }
  print_out("{{\"images\": {}, \"seconds\": {:.3f}, \"images_per_second\": {:.1f}, \"workers\": {}, \"size\": {}}}\n", images,
            seconds, static_cast<double>(images) / seconds, config.data.workers, config.data.size);
}
