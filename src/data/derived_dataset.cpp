#include "emotion/data/derived_dataset.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace fs = std::filesystem;

fs::path image_root_from(const fs::path& root, const fs::path& out) {
  const fs::path relative = fs::weakly_canonical(root).lexically_relative(fs::weakly_canonical(out));
  const auto ups = std::count(relative.begin(), relative.end(), "..");
  return relative.empty() || ups > 2 ? fs::weakly_canonical(root) : relative;
}

namespace {

/// The folder in which a data set's faces and regions lie where they are not among its pictures; empty if there are none.
fs::path stimuli_beside(const Dataset& source) {
  if (fs::weakly_canonical(source.images()) == fs::weakly_canonical(source.root)) return {};
  if (fs::is_directory(source.root / "faces") || fs::is_directory(source.root / "regions")) return source.root;
  return source.stimuli_root.empty() ? fs::path() : source.root / source.stimuli_root;
}

}  // namespace

void make_dataset_folder(const fs::path& out) {
  if (fs::exists(out / "dataset.yaml")) throw ConfigError(out.string() + ": there is a data set already; give another --out");
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw RunError(out.string() + ": cannot be made: " + error.message());
}

Dataset derive_dataset(const Dataset& source, const fs::path& out) {
  make_dataset_folder(out);
  Dataset dataset = source;
  dataset.root = out;
  dataset.splits.clear();
  dataset.image_root = image_root_from(source.images(), out);
  const fs::path stimuli = stimuli_beside(source);
  dataset.stimuli_root = stimuli.empty() ? stimuli : image_root_from(stimuli, out);
  return dataset;
}

Sample sample_of(const Manifest& manifest, std::size_t i) {
  const SampleView view = manifest[i];
  const auto& classes = manifest.dataset().classes;
  Sample sample;
  sample.image = view.image;
  for (const std::uint32_t id : view.labels) sample.labels.push_back(classes.at(id));
  for (const std::uint32_t id : view.keywords) sample.keywords.emplace_back(manifest.word(id));
  for (const std::uint32_t id : view.votes) sample.votes.push_back(classes.at(id));
  sample.box = view.box;
  sample.face = view.face;
  sample.regions = view.regions;
  return sample;
}

namespace {

void copy_lines(const CopiedLines& lines, std::ostream& out) {
  const MappedFile jsonl(lines.source->file());
  const std::string_view text = jsonl.text();
  std::uint64_t line = 1;
  std::size_t at = 0;
  for (const std::size_t sample : lines.samples) {
    for (; line < lines.source->line(sample); ++line) at = std::min(text.find('\n', at), text.size() - 1) + 1;
    std::string_view content = text.substr(at, std::min(text.find('\n', at), text.size()) - at);
    if (content.ends_with('\r')) content.remove_suffix(1);
    out << content << '\n';
  }
}

}  // namespace

void write_split(Dataset& dataset, const std::string& split, const std::vector<CopiedLines>& lines) {
  const bool empty = std::all_of(lines.begin(), lines.end(), [](const auto& part) { return part.samples.empty(); });
  if (empty) throw DataError(fmt::format("split {} would be empty; there are too few samples", split));
  write_file_atomically(dataset.root / (split + ".jsonl"), [&](std::ostream& out) {
    for (const auto& part : lines) copy_lines(part, out);
  });
  dataset.splits.emplace_back(split, split + ".jsonl");
}

}  // namespace emotion
