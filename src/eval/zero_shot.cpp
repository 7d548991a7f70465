#include "emotion/eval/zero_shot.h"

#include <algorithm>

#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "emotion/text/textcnn_input.h"

namespace emotion {
namespace {

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos ? "" : std::string(text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1));
}

/// Names what is missing: words in a warning, whole classes in an error.
void report_missing(const std::vector<std::string>& words, const std::vector<std::string>& classes, const char* what) {
  if (!words.empty()) log_warning("zero-shot: {} for {}", what, fmt::join(words, ", "));
  if (!classes.empty()) {
    throw DataError(fmt::format("zero-shot: {} for any word of class {}; --synonyms FILE gives them other words", what,
                                fmt::join(classes, ", ")));
  }
}

}  // namespace

ClassWords read_class_words(const std::filesystem::path& file, const std::vector<std::string>& classes) {
  ClassWords words;
  for (const auto& name : classes) words.push_back({name});
  if (file.empty()) return words;
  const std::string text = read_text(file, std::uint64_t{1} << 24);
  std::vector<bool> seen(classes.size());
  for (const auto [row, line] : Lines(text)) {
    if (trimmed(row).empty() || row[0] == '#') continue;
    const std::size_t tab = row.find('\t');
    if (tab == std::string_view::npos) throw DataError(fmt::format("{}:{}: class<TAB>word, word is wanted", file.string(), line));
    const std::string name = trimmed(row.substr(0, tab));
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end())
      throw DataError(fmt::format("{}:{}: there is no class '{}'{}", file.string(), line, name, did_you_mean(name, classes)));
    const auto k = static_cast<std::size_t>(found - classes.begin());
    if (seen[k]) throw DataError(fmt::format("{}:{}: class '{}' stands twice", file.string(), line, name));
    seen[k] = true;
    words[k].clear();
    for (std::size_t at = tab + 1; at <= row.size();) {
      const std::size_t comma = std::min(row.find(',', at), row.size());
      if (const std::string word = trimmed(row.substr(at, comma - at)); !word.empty()) words[k].push_back(word);
      at = comma + 1;
    }
    if (words[k].empty()) throw DataError(fmt::format("{}:{}: class '{}' has no word", file.string(), line, name));
  }
  return words;
}

at::Tensor class_vectors(const ClassWords& words, const std::vector<std::string>& classes, const WordVectors& vectors) {
  const std::int64_t dimension = vectors.dimension();
  at::Tensor means = at::zeros({static_cast<std::int64_t>(classes.size()), dimension});
  std::vector<float> row(static_cast<std::size_t>(dimension));
  std::vector<std::string> missing_words, missing_classes;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    std::vector<double> sum(row.size());
    int known = 0;
    for (const auto& word : words[k]) {
      const auto found = vectors.find(word);
      if (!found) {
        missing_words.push_back(word);
        continue;
      }
      vectors.copy(*found, row);
      for (std::size_t d = 0; d < row.size(); ++d) sum[d] += row[d];
      ++known;
    }
    if (known == 0) missing_classes.push_back(classes[k]);
    for (std::size_t d = 0; d < row.size() && known > 0; ++d)
      means.data_ptr<float>()[k * row.size() + d] = static_cast<float>(sum[d] / known);
  }
  report_missing(missing_words, missing_classes, "there is no vector");
  return means;
}

at::Tensor class_emotions(const ClassWords& words, const std::vector<std::string>& classes, TrainedTextCNN& textcnn) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<std::int64_t>> ids(classes.size());
  std::vector<std::string> missing_words, missing_classes;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    for (const auto& word : words[k]) {
      if (ids[k].size() == static_cast<std::size_t>(textcnn.max_keywords)) break;
      const auto found = textcnn.vocabulary.find(word);
      if (found) {
        ids[k].push_back(static_cast<std::int64_t>(*found));
      } else {
        missing_words.push_back(word);
      }
    }
    if (ids[k].empty()) missing_classes.push_back(classes[k]);
  }
  report_missing(missing_words, missing_classes, "the TextCNN has no entry");
  const at::Tensor input = textcnn_input(ids, textcnn.vocabulary.size(), textcnn.max_keywords);
  return at::softmax(textcnn.network->forward(input), 1);
}

at::Tensor cosine_scores(const at::Tensor& images, const at::Tensor& classes) {
  const auto unit = [](const at::Tensor& x) { return x / x.norm(2, 1, true).clamp_min(1e-12); };
  return unit(images.to(at::kFloat)).matmul(unit(classes.to(at::kFloat)).t());
}

}  // namespace emotion
