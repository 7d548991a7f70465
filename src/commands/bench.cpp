#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "emotion/commands/data.h"
#include "emotion/config/run_config.h"
#include "emotion/data/loader.h"
#include "emotion/data/sampler.h"
#include "emotion/error.h"
#include "emotion/print.h"
#include "emotion/signals.h"
#include "emotion/train/device.h"
#include "run_loader.h"

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
