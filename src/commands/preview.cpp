#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/commands/data.h"
#include "emotion/config/run_config.h"
#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/signals.h"
#include "emotion/train/device.h"
#include "run_loader.h"

namespace emotion {
namespace {

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
