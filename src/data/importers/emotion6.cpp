// Cornell Emotion6 (Peng et al., CVPR 2015): the folder is the search word, ground_truth.txt what people felt.
//
// The label is the folder's class, as published results use it. The distribution of the 15 answers becomes votes where it is one
// of 30ths (an answer may name two emotions); its seventh part, neutral, is no class and is left out.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "class_folders.h"
#include "emotion/error.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr int kAnswers = 30;
constexpr std::size_t kColumns = 10;  // file, valence, arousal, six classes, neutral

using Distribution = std::array<double, 7>;

std::map<std::string, Distribution> read_ground_truth(const fs::path& file) {
  std::map<std::string, Distribution> truth;
  for (const auto& line : read_lines(file)) {
    const auto fields = pieces(line.text, '\t');
    if (fields[0].starts_with("[") || fields[0] == "image_filename") continue;  // the header
    const std::string place = fmt::format("{}:{}", file.string(), line.number);
    if (fields.size() != kColumns) throw DataError(fmt::format("{}: {} fields, {} are wanted", place, fields.size(), kColumns));
    Distribution& p = truth[fields[0]];
    for (std::size_t i = 0; i < p.size(); ++i) {
      const std::string& text = fields[i + 3];
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), p[i]);
      if (error != std::errc{} || stop != text.data() + text.size() || !(p[i] >= 0) || p[i] > 1)
        throw DataError(fmt::format("{}: '{}' is no probability", place, text));
    }
  }
  return truth;
}

/// The votes that give the distribution; nothing if it is not one of 30ths.
std::vector<std::string> votes_of(const Distribution& p) {
  std::vector<std::string> votes;
  for (std::size_t c = 0; c < six_classes().size(); ++c) {
    const double count = p[c] * kAnswers;
    if (std::abs(count - std::round(count)) > 0.01) return {};
    votes.insert(votes.end(), static_cast<std::size_t>(std::lround(count)), six_classes()[c]);
  }
  return votes;
}

}  // namespace

void read_emotion6(const fs::path& root, ImportDraft& draft) {
  draft.classes = six_classes();
  draft.positive = six_positive();
  draft.negative = six_negative();
  const fs::path folder =
      find_folder(root, {"Emotion6"}, [&](const fs::path& f) { return has_class_folders(f / "images", draft.classes); });
  if (folder.empty()) throw DataError((root / "images").string() + ": the class folders anger, disgust .. are missing");
  draft.image_root = folder / "images";
  std::map<std::string, Distribution> truth;
  if (fs::exists(folder / "ground_truth.txt")) {
    truth = read_ground_truth(folder / "ground_truth.txt");
  } else {
    draft.warn("{} is missing: no votes", (folder / "ground_truth.txt").string());
  }
  std::uint64_t without = 0, uneven = 0, other = 0;
  for (const auto& name : folders_of(draft.image_root)) {
    const auto cls = class_called(name, draft.classes);
    if (!cls) {
      draft.warn("folder {} is called like no class; it is passed over", name);
      continue;
    }
    for (const auto& file : files_of(draft.image_root, name)) {
      Sample sample = labelled(file, *cls);
      const auto found = truth.find(file);
      without += found == truth.end();
      if (found != truth.end()) {
        const auto& p = found->second;
        const auto most = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
        other += most >= draft.classes.size() || draft.classes[most] != *cls;
        sample.votes = votes_of(p);
        uneven += sample.votes.empty() && p.back() < 1;
      }
      draft.add(sample);
    }
  }
  if (truth.empty()) return;
  draft.note(
      "{} rows of ground truth; in {} another emotion, or neutral, leads than the folder's; {} are no 30ths and give no votes",
      truth.size(), other, uneven);
  if (without > 0) draft.warn("{} pictures stand in no row of ground_truth.txt", without);
}

}  // namespace emotion
