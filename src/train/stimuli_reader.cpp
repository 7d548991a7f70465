#include "emotion/train/stimuli_reader.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/data/loader.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/stimuli/region_file.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// What was read for a batch, in main memory.
struct ReadStimuli {
  RegionBatch regions;
  ImageBatch faces;
  std::vector<std::int64_t> face_rows;
};

}  // namespace

struct StimuliReader::Data {
  const Manifest& manifest;
  Options options;
  std::uint64_t with_regions = 0, with_face = 0;
  // One entry a sample; each is written by the one thread that reads the sample.
  mutable std::vector<at::Tensor> regions;
  mutable std::vector<std::optional<Image>> faces;
  // The first file that says what found its regions.
  struct Origin {
    std::string source;
    fs::path file;
  };
  mutable std::mutex origin_mutex;
  mutable std::optional<Origin> origin;

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
      const fs::path path = stimulus_path(manifest.dataset(), manifest[i].regions);
      RegionFile file = read_region_file(path, options.width);
      check_source(file.source, path);
      return file;
    } catch (const Error& error) {
      throw DataError(manifest.place(i) + ": " + error.what());
    }
  }

  /// One detector's features mean nothing to a network that learns another's.
  void check_source(const std::string& source, const fs::path& file) const {
    if (!is_known_source(source)) return;
    const std::lock_guard lock(origin_mutex);
    if (!origin) origin = Origin{source, file};
    if (origin->source == source) return;
    throw DataError(
        fmt::format("{}: other weights or settings found its regions ({}) than those of {} ({}); emotion_data regions {} "
                    "--checkpoint DETECTOR finds all with one",
                    file.string(), source, origin->file.string(), origin->source, manifest.dataset().root.string()));
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

  ReadStimuli load(const std::vector<std::uint64_t>& samples) const {
    ReadStimuli read;
    if (options.regions) read.regions = region_batch(samples);
    if (options.faces) std::tie(read.faces, read.face_rows) = face_batch(samples);
    return read;
  }

  /// load(), of which the thread that reads ahead may have done the work.
  ReadStimuli take(const std::vector<std::uint64_t>& samples, std::vector<std::uint64_t> next) {
    if (ahead.valid()) ahead.wait();  // one thread at a time reads a sample
    std::future<ReadStimuli> done = std::exchange(ahead, {});
    ReadStimuli read = done.valid() && ahead_samples == samples ? done.get() : load(samples);
    ahead_samples = std::move(next);
    if (!ahead_samples.empty()) ahead = std::async(std::launch::async, [this] { return load(ahead_samples); });
    return read;
  }

  std::vector<std::uint64_t> ahead_samples;
  std::future<ReadStimuli> ahead;  // of ahead_samples; last, as its end is waited for before the others go
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

StimuliInput StimuliReader::read(const std::vector<std::uint64_t>& samples, const Device& device,
                                 std::vector<std::uint64_t> next) const {
  StimuliInput input;
  input.size = static_cast<std::int64_t>(samples.size());
  ReadStimuli read = data_->take(samples, std::move(next));
  if (data_->options.regions) input.regions = {device.move(read.regions.features), device.move(read.regions.counts)};
  if (data_->options.faces) {
    input.face_rows = device.move(at::tensor(read.face_rows, at::kLong));
    if (!read.face_rows.empty()) input.faces = device.images(read.faces);
  }
  return input;
}

}  // namespace emotion
