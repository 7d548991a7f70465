#include "emotion/data/synth.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/data/annotations.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "world.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSceneStream = 0x736365, kWordStream = 0x776f72, kPaintStream = 0x706169;
constexpr double kWrongLists = 0.15;  // pictures whose emotion keywords are of another mood

void check(const SynthConfig& config) {
  if (config.kind != "stock" && config.kind != "affect" && config.kind != "scenes")
    throw ConfigError("synth '" + config.kind + "' is not known; stock, affect or scenes");
  if (config.count < 10 || config.count > 10'000'000)
    throw ConfigError(fmt::format("--count is {}; 10 to 10000000 is wanted", config.count));
  if (config.size < 16 || config.size > 2048)
    throw ConfigError(fmt::format("--size is {}; 16 to 2048 pixels are wanted", config.size));
  if (fs::exists(config.out) && (!fs::is_directory(config.out) || !fs::is_empty(config.out))) {
    throw ConfigError(config.out.string() + ": there is something already; give another --out or remove it");
  }
}

/// Labels and keywords of one scene.
Sample describe(const SynthConfig& config, const synth::Scene& scene, std::uint64_t number) {
  Sample sample;
  if (config.kind != "stock") {
    sample.labels = {synth::kMoodNames[static_cast<std::size_t>(scene.mood)]};
    return sample;
  }
  Random random{config.seed, number, kWordStream};
  int mood = scene.mood, second = scene.second;
  if (random.uniform() < kWrongLists) {  // uploaded with the words of another picture
    mood = static_cast<int>((static_cast<std::uint64_t>(scene.mood) + 2 + random.below(5)) % synth::kMoods);
    second = static_cast<int>(random.below(synth::kMoods));
  }
  const synth::Words words = synth::make_words(scene, mood, second, random);
  sample.labels = words.emotional;
  sample.keywords = words.others;
  for (const auto& word : words.emotional) {  // somewhere in the list, as people write them
    sample.keywords.insert(sample.keywords.begin() + static_cast<std::ptrdiff_t>(random.below(sample.keywords.size() + 1)), word);
  }
  return sample;
}

/// One picture's line and, for `scenes`, the things in it.
struct Drawn {
  Sample sample;
  std::vector<AnnotatedBox> boxes;
};

std::vector<AnnotatedBox> annotated(const std::vector<synth::Seen>& seen) {
  std::vector<AnnotatedBox> boxes;
  for (const synth::Seen& s : seen) {
    boxes.push_back({{static_cast<float>(s.x1), static_cast<float>(s.y1), static_cast<float>(s.x2), static_cast<float>(s.y2)},
                     static_cast<std::uint32_t>(s.thing),
                     static_cast<double>(s.pixels)});
  }
  return boxes;
}

Drawn make_sample(const SynthConfig& config, std::uint64_t number) {
  // Another kind shows other scenes of the same world.
  const std::uint64_t world = config.kind == "scenes" ? 2 : config.kind == "affect" ? 1 : 0;
  Random scene_random{config.seed, number, kSceneStream, world};
  const synth::Scene scene = synth::make_scene(scene_random);
  Drawn drawn{describe(config, scene, number), {}};
  Sample& sample = drawn.sample;
  sample.image = fmt::format("images/{:03}/{:07}.jpg", number / 1000, number);
  Random paint_random{config.seed, number, kPaintStream, world};
  std::vector<synth::Seen> seen;
  std::vector<unsigned char> pixels = synth::paint(scene, config.size, paint_random, config.kind == "scenes" ? &seen : nullptr);
  drawn.boxes = annotated(seen);
  const cv::Mat rgb(config.size, config.size, CV_8UC3, pixels.data());
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> jpeg;
  cv::imencode(".jpg", bgr, jpeg, {cv::IMWRITE_JPEG_QUALITY, 90});
  std::FILE* file = std::fopen((config.out / sample.image).c_str(), "wb");
  const bool written = file && std::fwrite(jpeg.data(), 1, jpeg.size(), file) == jpeg.size();
  if (!file || std::fclose(file) != 0 || !written)
    throw RunError((config.out / sample.image).string() + ": cannot be written; is the disk full?");
  return drawn;
}

std::vector<Drawn> make_samples(const SynthConfig& config) {
  std::vector<Drawn> samples(static_cast<std::size_t>(config.count));
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<bool> failed{false};
  std::string error;
  std::mutex mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < samples.size() && !failed && !stop_requested(); i = next++) {
      try {
        samples[i] = make_sample(config, i);
      } catch (const std::exception& problem) {
        const std::lock_guard lock(mutex);
        error = problem.what();
        failed = true;
      }
      ++done;
    }
  };
  cv::setNumThreads(1);
  const unsigned workers =
      config.workers > 0 ? static_cast<unsigned>(config.workers) : std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < workers; ++t) threads.emplace_back(work);
  Progress progress("synth " + config.kind, samples.size());
  while (done < samples.size() && !failed && !stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    progress.update(done);
  }
  for (auto& thread : threads) thread.join();
  if (failed) throw RunError(error);
  if (stop_requested()) throw Interrupted("synth: interrupted; " + config.out.string() + " is not whole, remove it");
  return samples;
}

}  // namespace

void write_synth(const SynthConfig& config) {
  check(config);
  std::error_code error;
  for (int folder = 0; folder <= (config.count - 1) / 1000; ++folder) {
    fs::create_directories(config.out / fmt::format("images/{:03}", folder), error);
    if (error) throw RunError(config.out.string() + ": cannot be made: " + error.message());
  }
  const std::vector<Drawn> samples = make_samples(config);
  Dataset dataset;
  dataset.root = config.out;
  dataset.name = "synth-" + config.kind;
  if (config.kind == "stock") {
    dataset.classes = synth::emotion_words();
  } else {
    dataset.classes.assign(synth::kMoodNames.begin(), synth::kMoodNames.end());
  }
  for (std::size_t k = 0; k < dataset.classes.size(); ++k) {
    const int mood = static_cast<int>(k * synth::kMoods / dataset.classes.size());
    (synth::is_positive(mood) ? dataset.positive : dataset.negative).push_back(dataset.classes[k]);
  }
  const std::size_t train = samples.size() * 8 / 10, val = samples.size() * 9 / 10;
  for (const auto& [split, begin, end] :
       {std::tuple{"train", std::size_t{0}, train}, std::tuple{"val", train, val}, std::tuple{"test", val, samples.size()}}) {
    ManifestWriter writer(config.out / (std::string(split) + ".jsonl"));
    AnnotationWriter annotations(synth::thing_names());
    for (std::size_t i = begin; i < end; ++i) {
      writer.write(samples[i].sample);
      annotations.add(samples[i].sample.image, config.size, config.size, samples[i].boxes);
    }
    writer.close();
    if (config.kind == "scenes") annotations.write(Annotations::file_of(dataset, split));
    dataset.splits.emplace_back(split, std::string(split) + ".jsonl");
  }
  dataset.save();  // last: a folder without it is no data set
  log_info("{}: {} pictures of {} x {}, {} classes", config.out.string(), config.count, config.size, config.size,
           dataset.classes.size());
}

}  // namespace emotion
