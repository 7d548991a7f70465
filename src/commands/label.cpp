#include <algorithm>
#include <filesystem>
#include <span>

#include <ATen/ops/argmax.h>
#include <fmt/format.h>

#include "emotion/commands/text.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// The data set of the pseudo-labels: the TextCNN's classes over the source's pictures. Polarity goes along where the source has
/// it.
Dataset labelled_dataset(const Dataset& source, const TrainedTextCNN& textcnn, const fs::path& out) {
  Dataset dataset = derive_dataset(source, out);
  dataset.name = source.name + "-labelled";
  dataset.classes = textcnn.classes;
  const auto is_no_class = [&](const std::string& name) {
    return std::find(dataset.classes.begin(), dataset.classes.end(), name) == dataset.classes.end();
  };
  std::erase_if(dataset.positive, is_no_class);
  std::erase_if(dataset.negative, is_no_class);
  return dataset;
}

/// The samples that have a keyword to read; `skip`: the others are left out. @throws DataError
std::vector<std::uint64_t> choose_samples(const KeywordEncoder& encoder, const Manifest& manifest, bool skip) {
  std::vector<std::uint64_t> samples;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (encoder.reads_any(i)) {
      samples.push_back(i);
    } else if (!skip) {
      throw DataError(manifest.place(i) + ": no keyword that the TextCNN could read; leave the sample out, as --skip does");
    }
  }
  if (samples.size() < manifest.size()) {
    log_warning("{}: {} of {} samples have no keyword that the TextCNN could read: left out (--skip)", manifest.file().string(),
                manifest.size() - samples.size(), manifest.size());
  }
  return samples;
}

/// Class ids of samples. Adds to `strange` those none of whose keywords the TextCNN knows.
at::Tensor predict(const TrainedTextCNN& textcnn, const KeywordEncoder& encoder, std::span<const std::uint64_t> samples,
                   std::size_t& strange) {
  const at::Tensor ids = textcnn_input(encoder, samples);
  const auto known = [&](std::int64_t id) { return id < static_cast<std::int64_t>(textcnn.vocabulary.size()); };
  const std::int64_t* row = ids.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < samples.size(); ++i, row += textcnn.max_keywords)
    strange += std::none_of(row, row + textcnn.max_keywords, known);
  TextCNN network = textcnn.network;
  return at::argmax(network->forward(ids), 1);
}

void label_split(const TrainedTextCNN& textcnn, const Manifest& manifest, const fs::path& file, const LabelCommand& o) {
  const KeywordEncoder encoder = textcnn.encoder(manifest);
  const std::vector<std::uint64_t> samples = choose_samples(encoder, manifest, o.skip);
  ManifestWriter writer(file);
  std::size_t strange = 0;
  Progress progress("labels of " + manifest.split(), samples.size());
  for (std::size_t begin = 0; begin < samples.size(); begin += static_cast<std::size_t>(o.batch)) {
    if (stop_requested()) throw Interrupted("interrupted; nothing is written");
    const auto part = std::span(samples).subspan(begin, std::min(static_cast<std::size_t>(o.batch), samples.size() - begin));
    const at::Tensor classes = predict(textcnn, encoder, part, strange);
    for (std::size_t i = 0; i < part.size(); ++i) {
      Sample sample = sample_of(manifest, part[i]);
      sample.votes.clear();  // for classes that are no longer there
      sample.labels = {textcnn.classes[static_cast<std::size_t>(classes.const_data_ptr<std::int64_t>()[i])]};
      writer.write(sample);
    }
    progress.update(begin + part.size());
  }
  if (strange == samples.size())
    throw DataError(manifest.file().string() + ": no sample has a keyword that the TextCNN knows; it was trained on other words");
  if (strange > 0) {
    log_warning("{}: {} of {} samples have no keyword that the TextCNN knows: their labels are what it says of unknown words",
                manifest.file().string(), strange, samples.size());
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
  Dataset dataset = labelled_dataset(source, textcnn, o.out);
  SplitFiles files(dataset, source.splits);
  for (const auto& [split, file] : source.splits) {
    label_split(textcnn, Manifest::open(source, split), fs::path(o.out) / (split + ".jsonl"), o);
    dataset.splits.emplace_back(split, split + ".jsonl");
  }
  dataset.save();  // last: a folder without it is no data set
  files.keep();
  log_info("{}: {} classes over the pictures of {}", o.out, dataset.classes.size(), o.data);
}
