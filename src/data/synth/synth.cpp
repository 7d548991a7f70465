#include "emotion/data/synth.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/data/annotations.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "emotion/threads.h"
#include "world.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSceneStream = 0x736365, kWordStream = 0x776f72, kPaintStream = 0x706169;
constexpr int kFaceSize = 48;         // pixels, as Stimuli-aware VEA stores faces
constexpr double kWrongLists = 0.15;  // pictures whose emotion keywords are of another mood
constexpr double kWithFace = 0.6;     // people: pictures that show a face
/// Another kind shows other scenes of the same world: its place here is part of every random stream.
const std::vector<std::string> kKinds{"stock", "affect", "scenes", "objects", "annotated", "boxed", "people", "faces"};

std::uint32_t kind_number(const SynthConfig& config) {
  return static_cast<std::uint32_t>(std::find(kKinds.begin(), kKinds.end(), config.kind) - kKinds.begin());
}

void check(const SynthConfig& config) {
  if (kind_number(config) == kKinds.size()) {
    throw ConfigError(fmt::format("synth '{}' is not known; there are {}{}", config.kind, fmt::join(kKinds, ", "),
                                  did_you_mean(config.kind, kKinds)));
  }
  if (config.count < 10 || config.count > 10'000'000)
    throw ConfigError(fmt::format("--count is {}; 10 to 10000000 is wanted", config.count));
  if (config.size < 16 || config.size > 2048)
    throw ConfigError(fmt::format("--size is {}; 16 to 2048 pixels are wanted", config.size));
  if (fs::exists(config.out) && (!fs::is_directory(config.out) || !fs::is_empty(config.out))) {
    throw ConfigError(config.out.string() + ": there is something already; give another --out or remove it");
  }
}

bool has_keywords(const std::string& kind) { return kind == "stock" || kind == "annotated"; }
bool has_moods(const std::string& kind) { return kind != "stock" && kind != "objects" && kind != "boxed"; }

/// Emotion words somewhere in the list, as people write them.
void scatter(std::vector<std::string>& keywords, const std::vector<std::string>& words, Random& random) {
  for (const auto& word : words)
    keywords.insert(keywords.begin() + static_cast<std::ptrdiff_t>(random.below(keywords.size() + 1)), word);
}

const synth::Placed& largest_thing(const synth::Scene& scene) {
  return *std::max_element(scene.things.begin(), scene.things.end(),
                           [](const auto& a, const auto& b) { return a.size < b.size; });
}

/// Labels and keywords of one scene.
Sample describe(const SynthConfig& config, const synth::Scene& scene, std::uint64_t number) {
  Sample sample;
  if (has_moods(config.kind)) sample.labels = {synth::kMoodNames[static_cast<std::size_t>(scene.mood)]};
  if (config.kind == "objects") sample.labels = synth::thing_names(scene);
  if (!has_keywords(config.kind) && config.kind != "boxed") return sample;
  Random random{config.seed, number, kWordStream};
  int mood = scene.mood, second = scene.second;
  if (config.kind == "stock" && random.uniform() < kWrongLists) {  // uploaded with the words of another picture
    mood = static_cast<int>((static_cast<std::uint64_t>(scene.mood) + 2 + random.below(5)) % synth::kMoods);
    second = static_cast<int>(random.below(synth::kMoods));
  }
  const synth::Words words = synth::make_words(scene, mood, second, random);
  if (config.kind != "annotated") sample.labels = words.emotional;
  if (config.kind == "boxed") {
    sample.box = synth::thing_box(largest_thing(scene), config.size);
    return sample;
  }
  sample.keywords = words.others;
  scatter(sample.keywords, words.emotional, random);
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

void write_picture(const fs::path& file, std::vector<unsigned char>& pixels, int size) {
  const cv::Mat rgb(size, size, CV_8UC3, pixels.data());
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> bytes;
  cv::imencode(file.extension().string(), bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, 90});
  std::FILE* out = std::fopen(file.c_str(), "wb");
  const bool written = out && std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
  if (!out || std::fclose(out) != 0 || !written) throw RunError(file.string() + ": cannot be written; is the disk full?");
}

Drawn make_sample(const SynthConfig& config, std::uint64_t number) {
  const std::uint32_t kind = kind_number(config);
  Random scene_random{config.seed, number, kSceneStream, kind};
  const synth::Scene scene = synth::make_scene(scene_random);
  Drawn drawn{describe(config, scene, number), {}};
  Sample& sample = drawn.sample;
  sample.image = fmt::format("images/{:03}/{:07}.jpg", number / 1000, number);
  Random paint_random{config.seed, number, kPaintStream, kind};
  std::vector<synth::Seen> seen;
  std::vector<unsigned char> pixels =
      config.kind == "faces" ? synth::paint_face(scene.mood, config.size, paint_random)
                             : synth::paint(scene, config.size, paint_random, config.kind == "scenes" ? &seen : nullptr);
  drawn.boxes = annotated(seen);
  if (config.kind == "people") {
    sample.regions = fmt::format("regions/{:03}/{:07}.safetensors", number / 1000, number);
    synth::write_regions(config.out / sample.regions, scene, config.size, paint_random);
  }
  if (config.kind == "people" && paint_random.uniform() < kWithFace) {
    std::vector<unsigned char> face = synth::paint_face(scene.mood, kFaceSize, paint_random);
    synth::paste_face(pixels, config.size, face, kFaceSize, paint_random);
    sample.face = fmt::format("faces/{:03}/{:07}.png", number / 1000, number);
    write_picture(config.out / sample.face, face, kFaceSize);
  }
  write_picture(config.out / sample.image, pixels, config.size);
  return drawn;
}

std::vector<Drawn> make_samples(const SynthConfig& config) {
  std::vector<Drawn> samples(static_cast<std::size_t>(config.count));
  cv::setNumThreads(1);
  bool whole = false;
  try {
    whole = for_each_in_threads("synth " + config.kind, samples.size(), config.workers,
                                [&](std::size_t i) { samples[i] = make_sample(config, i); });
  } catch (const std::exception& problem) {
    throw RunError(problem.what());
  }
  if (!whole) throw Interrupted("synth: interrupted; nothing of " + config.out.string() + " is kept");
  return samples;
}

void draw(const SynthConfig& config) {
  std::error_code error;
  for (int folder = 0; folder <= (config.count - 1) / 1000; ++folder) {
    for (const char* what : {"images", "faces", "regions"}) {
      if (!error && (config.kind == "people" || what == std::string_view("images")))
        fs::create_directories(config.out / fmt::format("{}/{:03}", what, folder), error);
    }
    if (error) throw RunError(config.out.string() + ": cannot be made: " + error.message());
  }
  const std::vector<Drawn> samples = make_samples(config);
  Dataset dataset;
  dataset.root = config.out;
  dataset.name = "synth-" + config.kind;
  dataset.classes = config.kind == "objects" ? synth::all_thing_names()
                    : has_moods(config.kind) ? std::vector<std::string>(synth::kMoodNames.begin(), synth::kMoodNames.end())
                                             : synth::emotion_words();
  for (std::size_t k = 0; k < dataset.classes.size() && config.kind != "objects"; ++k) {
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
  sync_disk(config.out);
  dataset.save();  // last: a folder without it is no data set
  log_info("{}: {} pictures of {} x {}, {} classes", config.out.string(), config.count, config.size, config.size,
           dataset.classes.size());
}

}  // namespace

void write_synth(const SynthConfig& config) {
  check(config);
  const bool was_there = fs::exists(config.out);
  try {
    draw(config);
  } catch (...) {  // half a set is of no use, and in the way of the next attempt
    std::error_code ignored;
    if (!was_there) fs::remove_all(config.out, ignored);
    if (was_there) {
      for (const auto& entry : fs::directory_iterator(config.out, ignored)) fs::remove_all(entry.path(), ignored);
    }
    throw;
  }
}

}  // namespace emotion
