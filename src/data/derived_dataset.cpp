#include "emotion/data/derived_dataset.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "emotion/data/annotations.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"

namespace emotion {
namespace fs = std::filesystem;

fs::path image_root_from(const fs::path& root, const fs::path& out) {
  const fs::path there = fs::weakly_canonical(root), relative = there.lexically_relative(fs::weakly_canonical(out));
  if (relative == ".") return relative;
  const auto ups = std::count(relative.begin(), relative.end(), "..");
  // Dataset::images() takes `..` by the names of folders: where `out` is a link, or lies behind one, that leads elsewhere.
  const bool found = fs::weakly_canonical((out / relative).lexically_normal()) == there;
  const fs::path root_in_yaml = relative.empty() || ups > 2 || !found ? there : relative;
  if (!is_utf8(root_in_yaml.string())) check_utf8_name(there.string());
  return root_in_yaml;
}

namespace {

/// The folders in which a data set's faces and regions lie, in the order that they are looked for; without the pictures', which
/// comes last.
std::vector<fs::path> stimuli_beside(const Dataset& source) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : source.stimuli_roots) folders.push_back(source.root / folder);
  const bool own = fs::is_directory(source.root / "faces") || fs::is_directory(source.root / "regions");
  const bool among_pictures = fs::weakly_canonical(source.images()) == fs::weakly_canonical(source.root);
  if (own && !(among_pictures && folders.empty())) folders.insert(folders.begin(), source.root);
  return folders;
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
  dataset.stimuli_roots.clear();
  for (const fs::path& folder : stimuli_beside(source)) dataset.stimuli_roots.push_back(image_root_from(folder, out));
  return dataset;
}

SplitFiles::~SplitFiles() {
  std::error_code ignored;
  for (const fs::path& file : files_) fs::remove(file, ignored);
}

void SplitFiles::add(const Dataset& dataset, const std::string& split, bool annotations) {
  std::vector<fs::path> own{dataset.root / (split + ".jsonl")};
  if (annotations) own.push_back(Annotations::file_of(dataset, split));
  for (const fs::path& file : own) {
    if (fs::exists(file)) throw ConfigError(file.string() + ": there is such a file already; give another --out");
    files_.push_back(file);
  }
}

void refuse_empty_split(const std::string& split, std::size_t samples) {
  if (samples == 0) throw DataError(fmt::format("split {} would be empty; there are too few samples", split));
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
  sample.source = view.source;
  return sample;
}

namespace {

void copy_lines(const CopiedLines& lines, std::ostream& out) {
  const MappedFile jsonl(lines.source->file());
  const std::string_view text = without_byte_order_mark(jsonl.text());
  std::uint64_t line = 1;
  std::size_t at = 0;
  for (const std::size_t sample : lines.samples) {
    for (; line < lines.source->line(sample); ++line) at = std::min(text.find('\n', at), text.size() - 1) + 1;
    std::string_view content = text.substr(at, std::min(text.find('\n', at), text.size()) - at);
    if (content.ends_with('\r')) content.remove_suffix(1);
    out << content << '\n';
  }
}

/// Manifests that lines are taken from and that have annotations. @throws DataError if others have none
std::vector<const CopiedLines*> annotated(const std::vector<CopiedLines>& lines) {
  std::vector<const CopiedLines*> with;
  const CopiedLines* without = nullptr;
  for (const CopiedLines& part : lines) {
    if (part.samples.empty()) continue;
    if (fs::exists(Annotations::file_of(part.source->dataset(), part.source->split()))) {
      with.push_back(&part);
    } else {
      without = &part;
    }
  }
  if (!with.empty() && without != nullptr) {
    throw DataError(fmt::format("{}: there are no annotations, and split {} has some; a split cannot be made of both",
                                Annotations::file_of(without->source->dataset(), without->source->split()).string(),
                                with[0]->source->split()));
  }
  return with;
}

}  // namespace

void copy_annotations(const Dataset& dataset, const std::string& split, const std::vector<CopiedLines>& lines,
                      const std::function<std::string(const Manifest& source, std::size_t sample)>& image_of) {
  std::vector<std::string> classes;
  std::vector<std::pair<const CopiedLines*, Annotations>> parts;
  for (const CopiedLines* part : annotated(lines)) {
    parts.emplace_back(part, Annotations::read(*part->source));
    for (const std::string& name : parts.back().second.classes) {
      if (std::find(classes.begin(), classes.end(), name) == classes.end()) classes.push_back(name);
    }
  }
  if (parts.empty()) return;
  AnnotationWriter writer(classes);
  for (auto& [part, annotations] : parts) {
    annotations.relabel(classes, Annotations::file_of(part->source->dataset(), part->source->split()));
    for (const std::size_t i : part->samples)
      writer.add(image_of(*part->source, i), annotations.sizes[i][0], annotations.sizes[i][1], annotations.boxes[i]);
  }
  writer.write(Annotations::file_of(dataset, split));
}

void write_split(Dataset& dataset, const std::string& split, const std::vector<CopiedLines>& lines) {
  std::size_t samples = 0;
  for (const CopiedLines& part : lines) samples += part.samples.size();
  refuse_empty_split(split, samples);
  // Annotations first: where they are broken, no split without them is left.
  copy_annotations(dataset, split, lines, [](const Manifest& source, std::size_t i) { return std::string(source[i].image); });
  write_file_atomically(dataset.root / (split + ".jsonl"), [&](std::ostream& out) {
    for (const auto& part : lines) copy_lines(part, out);
  });
  dataset.splits.emplace_back(split, split + ".jsonl");
}

}  // namespace emotion
