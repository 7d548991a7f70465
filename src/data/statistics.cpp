#include "emotion/data/statistics.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "emotion/random.h"

namespace emotion {
namespace {

constexpr std::uint64_t kCheckStream = 0x636865636b;

/// The class each keyword names, -1 = none.
std::vector<std::int64_t> class_of_word(const Manifest& manifest) {
  std::unordered_map<std::string_view, std::int64_t> ids;
  const auto& classes = manifest.dataset().classes;
  for (std::size_t k = 0; k < classes.size(); ++k) ids.emplace(classes[k], static_cast<std::int64_t>(k));
  std::vector<std::int64_t> class_of(manifest.word_count(), -1);
  for (std::uint32_t word = 0; word < class_of.size(); ++word) {
    const auto found = ids.find(manifest.word(word));
    if (found != ids.end()) class_of[word] = found->second;
  }
  return class_of;
}

/// Labels, or without any the classes among the keywords; each once.
void emotions_of(const SampleView& sample, const std::vector<std::int64_t>& class_of, std::vector<std::size_t>& emotions) {
  emotions.assign(sample.labels.begin(), sample.labels.end());
  if (emotions.empty()) {
    for (const std::uint32_t word : sample.keywords) {
      if (class_of[word] >= 0) emotions.push_back(static_cast<std::size_t>(class_of[word]));
    }
  }
  std::sort(emotions.begin(), emotions.end());
  emotions.erase(std::unique(emotions.begin(), emotions.end()), emotions.end());
}

/// The line without the blanks that editors leave behind it.
std::string_view check_line(std::string_view line) { return line.substr(0, line.find_last_not_of(" \r") + 1); }

/// A person's answers, or another file: a new list would replace them.
void refuse_answered(const std::filesystem::path& file) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(file, none)) return;
  const std::string text = read_text(file, 1 << 30);
  for (const auto [whole, number] : Lines(text)) {
    const std::string_view line = check_line(whole);
    if (!line.empty() && line[0] != '#' && !line.ends_with("\t?"))
      throw ConfigError(fmt::format("{}:{}: is filled in, a new list would replace it; give another file, or remove this one",
                                    file.string(), number));
  }
}

}  // namespace

SplitStatistics split_statistics(const Manifest& manifest) {
  SplitStatistics s;
  s.split = manifest.split();
  s.samples = manifest.size();
  s.distinct_keywords = manifest.word_count();
  s.per_class.resize(manifest.dataset().classes.size());
  const auto class_of = class_of_word(manifest);
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const SampleView sample = manifest[i];
    const auto emotional = static_cast<std::uint64_t>(
        std::count_if(sample.keywords.begin(), sample.keywords.end(), [&](std::uint32_t word) { return class_of[word] >= 0; }));
    for (const std::uint32_t label : sample.labels) ++s.per_class[label];
    s.labels += sample.labels.size();
    s.keywords += sample.keywords.size();
    s.emotional += emotional;
    ++s.by_keywords[sample.keywords.size()];
    ++s.by_emotional[emotional];
    s.with_box += sample.box.has_value();
    s.with_face += !sample.face.empty();
    s.with_regions += !sample.regions.empty();
    s.with_votes += !sample.votes.empty();
  }
  return s;
}

CooccurrenceMatrix::CooccurrenceMatrix(std::size_t classes) : classes_(classes) {
  if (classes > 20'000) throw ConfigError(fmt::format("{} classes: a co-occurrence matrix is made of at most 20000", classes));
  counts_.resize(classes * classes);
}

void CooccurrenceMatrix::add(const Manifest& manifest) {
  const auto class_of = class_of_word(manifest);
  std::vector<std::size_t> emotions;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    emotions_of(manifest[i], class_of, emotions);
    for (const std::size_t a : emotions) {
      for (const std::size_t b : emotions) ++counts_[a * classes_ + b];
    }
  }
  images_ += manifest.size();
}

std::vector<CooccurrenceMatrix::Pair> CooccurrenceMatrix::top_pairs(std::size_t count) const {
  std::vector<Pair> pairs;
  const CooccurrenceMatrix& m = *this;
  for (std::size_t a = 0; a < classes_; ++a) {
    for (std::size_t b = a + 1; b < classes_; ++b) {
      if (m(a, b) == 0) continue;
      const double by_chance = static_cast<double>(m(a, a)) * static_cast<double>(m(b, b)) / static_cast<double>(images_);
      pairs.push_back({a, b, m(a, b), static_cast<double>(m(a, b)) / by_chance});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& x, const Pair& y) { return x.images > y.images; });
  if (pairs.size() > count) pairs.resize(count);
  return pairs;
}

void CooccurrenceMatrix::write(const std::vector<std::string>& names, const std::filesystem::path& file) const {
  write_file_atomically(file, [&](std::ostream& out) {
    for (const auto& name : names) out << '\t' << name;
    for (std::size_t a = 0; a < classes_; ++a) {
      out << '\n' << names[a];
      for (std::size_t b = 0; b < classes_; ++b) out << '\t' << (*this)(a, b);
    }
    out << '\n';
  });
}

void write_check_list(const Dataset& dataset, std::uint64_t count, std::uint64_t seed, const std::filesystem::path& file) {
  refuse_answered(file);
  std::vector<Manifest> manifests;
  std::vector<std::pair<std::size_t, std::size_t>> samples;  // manifest, sample
  for (const auto& [split, jsonl] : dataset.splits) {
    manifests.push_back(Manifest::open(dataset, split));
    for (std::size_t i = 0; i < manifests.back().size(); ++i) samples.emplace_back(manifests.size() - 1, i);
  }
  Random random{seed, kCheckStream};
  random.shuffle(std::span(samples));
  std::vector<std::vector<std::int64_t>> class_of;
  for (const Manifest& manifest : manifests) class_of.push_back(class_of_word(manifest));
  std::vector<std::size_t> emotions;
  std::uint64_t drawn = 0;
  write_file_atomically(file, [&](std::ostream& out) {
    out << "# Put right or wrong in place of ?: does the image convey the emotion? Then emotion_data stats --checked with this "
           "file.\n";
    for (const auto& [m, i] : samples) {
      if (drawn == count) break;
      emotions_of(manifests[m][i], class_of[m], emotions);
      drawn += !emotions.empty();
      for (const std::size_t k : emotions) out << manifests[m][i].image << '\t' << dataset.classes[k] << "\t?\n";
    }
    if (drawn < count)
      throw DataError(fmt::format("{}: only {} images have a label or an emotion keyword", dataset.root.string(), drawn));
  });
}

LabelNoise read_check_list(const std::filesystem::path& file) {
  const std::string text = read_text(file, 1 << 30);
  LabelNoise noise;
  std::set<std::string> images;
  for (const auto [whole, number] : Lines(text)) {
    const std::string_view line = check_line(whole);
    if (line.empty() || line[0] == '#') continue;
    const std::size_t tab = line.rfind('\t');
    const std::string_view answer = tab == std::string_view::npos ? "" : line.substr(tab + 1);
    if (answer != "right" && answer != "wrong" && answer != "?")
      throw DataError(fmt::format("{}:{}: '{}' in the last column; right, wrong or ? is wanted", file.string(), number, answer));
    if (answer == "?") {
      ++noise.open;
      continue;
    }
    images.emplace(line.substr(0, line.find('\t')));
    ++noise.checked;
    noise.wrong += answer == "wrong";
  }
  if (noise.checked == 0) throw DataError(file.string() + ": no line says right or wrong");
  noise.images = images.size();
  const auto n = static_cast<double>(noise.checked);
  const double p = static_cast<double>(noise.wrong) / n, z = 1.959964, square = z * z;
  const double center = (p + square / (2 * n)) / (1 + square / n);
  const double half = z / (1 + square / n) * std::sqrt(p * (1 - p) / n + square / (4 * n * n));
  noise.rate = p;
  noise.low = std::max(0.0, center - half);
  noise.high = std::min(1.0, center + half);
  return noise;
}

}  // namespace emotion
