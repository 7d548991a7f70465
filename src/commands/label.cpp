#include <algorithm>
#include <filesystem>

#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "emotion/commands/text.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/text/keywords.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// The data set of the pseudo-labels: the TextCNN's classes over the source's pictures. Polarity goes along where the source has
/// it.
Dataset labelled_dataset(const Dataset& source, const TrainedTextCNN& textcnn, const fs::path& out) {
  Dataset dataset;
  dataset.root = out;
  dataset.name = source.name + "-labelled";
  dataset.classes = textcnn.classes;
  dataset.image_root = fs::proximate(fs::weakly_canonical(source.images()), fs::weakly_canonical(out));
  for (const auto& name : dataset.classes) {
    const auto in = [&](const std::vector<std::string>& side) { return std::find(side.begin(), side.end(), name) != side.end(); };
    if (in(source.positive)) dataset.positive.push_back(name);
    if (in(source.negative)) dataset.negative.push_back(name);
  }
  return dataset;
}

/// Class ids of samples begin .. begin + n.
at::Tensor predict(const TrainedTextCNN& textcnn, const KeywordEncoder& encoder, const Manifest& manifest, std::size_t begin,
                   std::size_t n) {
  at::Tensor ids = at::empty({static_cast<std::int64_t>(n), textcnn.max_keywords}, at::kLong);
  std::int64_t* row = ids.data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < n; ++i, row += textcnn.max_keywords) {
    if (encoder.encode(begin + i, row) == 0)
      throw DataError(manifest.place(begin + i) + ": no keyword that the TextCNN could read; leave the sample out");
  }
  TextCNN network = textcnn.network;
  return at::argmax(network->forward(ids), 1);
}

Sample copy_sample(const Manifest& manifest, std::size_t i) {
  const SampleView view = manifest[i];
  Sample sample;
  sample.image = view.image;
  for (const auto id : view.keywords) sample.keywords.emplace_back(manifest.word(id));
  sample.box = view.box;
  sample.face = view.face;
  sample.regions = view.regions;
  return sample;
}

void label_split(const TrainedTextCNN& textcnn, const Dataset& source, const std::string& split, const fs::path& file,
                 int batch) {
  const Manifest manifest = Manifest::open(source, split);
  const KeywordEncoder encoder(manifest, textcnn.vocabulary, textcnn.classes, textcnn.max_keywords);
  ManifestWriter writer(file);
  Progress progress("labels of " + split, manifest.size());
  for (std::size_t begin = 0; begin < manifest.size(); begin += static_cast<std::size_t>(batch)) {
    if (stop_requested()) throw Interrupted("interrupted; nothing is written");
    const std::size_t n = std::min(static_cast<std::size_t>(batch), manifest.size() - begin);
    const at::Tensor classes = predict(textcnn, encoder, manifest, begin, n);
    for (std::size_t i = 0; i < n; ++i) {
      Sample sample = copy_sample(manifest, begin + i);
      sample.labels = {textcnn.classes[static_cast<std::size_t>(classes.const_data_ptr<std::int64_t>()[i])]};
      writer.write(sample);
    }
    progress.update(begin + n);
  }
  writer.close();
}

}  // namespace
}  // namespace emotion

void emotion_text_label(const emotion::LabelCommand& o) {
  using namespace emotion;
  const at::NoGradGuard no_grad;
  const TrainedTextCNN textcnn = load_textcnn(o.checkpoint);
  const Dataset source = Dataset::open(o.data);
  if (fs::exists(o.out) && (!fs::is_directory(o.out) || !fs::is_empty(o.out)))
    throw ConfigError(o.out + ": there is something already; give another --out or remove it");
  std::error_code error;
  fs::create_directories(o.out, error);
  if (error) throw RunError(o.out + ": cannot be made: " + error.message());
  Dataset dataset = labelled_dataset(source, textcnn, o.out);
  for (const auto& [split, file] : source.splits) {
    label_split(textcnn, source, split, fs::path(o.out) / (split + ".jsonl"), o.batch);
    dataset.splits.emplace_back(split, split + ".jsonl");
  }
  dataset.save();  // last: a folder without it is no data set
  log_info("{}: {} classes over the pictures of {}", o.out, dataset.classes.size(), o.data);
}
