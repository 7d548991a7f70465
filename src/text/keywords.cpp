#include "emotion/text/keywords.h"

#include <algorithm>
#include <numeric>

#include "find_word.h"

namespace emotion {
namespace {

/// True if word `i` of the list stood earlier in it. Lists are short: no set is needed.
bool repeated(std::span<const std::uint32_t> words, std::size_t i) {
  return std::find(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i), words[i]) !=
         words.begin() + static_cast<std::ptrdiff_t>(i);
}

}  // namespace

WordSet::WordSet(const std::vector<std::string>& words) {
  for (const auto& word : words) {
    for (const std::string& form : {word, small_letters(word)}) {
      forms_.insert(form);
      forms_.insert(word_form(form));
    }
  }
}

bool WordSet::contains(std::string_view word) const { return find_word(forms_, word) != forms_.end(); }

KeywordEncoder::KeywordEncoder(const Manifest& manifest, const Vocabulary& vocabulary, const std::vector<std::string>& excluded,
                               int max_keywords)
    : manifest_(&manifest), max_keywords_(max_keywords), unknown_(static_cast<std::int64_t>(vocabulary.size())) {
  const WordSet left_out(excluded);
  row_of_word_.resize(manifest.word_count());
  for (std::uint32_t id = 0; id < row_of_word_.size(); ++id) {
    const auto word = manifest.word(id);
    const auto row = vocabulary.find(word);
    row_of_word_[id] = left_out.contains(word) ? kExcluded : row ? static_cast<std::int64_t>(*row) : unknown_;
  }
}

int KeywordEncoder::encode(std::size_t sample, std::int64_t* ids) const {
  const auto words = (*manifest_)[sample].keywords;
  int count = 0;
  for (std::size_t i = 0; i < words.size() && count < max_keywords_; ++i) {
    const std::int64_t row = row_of_word_[words[i]];
    if (row != kExcluded && !repeated(words, i)) ids[count++] = row;
  }
  std::fill(ids + count, ids + max_keywords_, unknown_ + 1);
  return count;
}

bool KeywordEncoder::reads_any(std::size_t sample) const {
  const auto words = (*manifest_)[sample].keywords;
  return std::any_of(words.begin(), words.end(), [&](std::uint32_t word) { return row_of_word_[word] != kExcluded; });
}

KeywordVectors::KeywordVectors(const Manifest& manifest, const WordVectors& vectors)
    : manifest_(&manifest), dimension_(vectors.dimension()), row_of_word_(manifest.word_count(), -1) {
  const auto width = static_cast<std::size_t>(dimension_);
  for (std::uint32_t id = 0; id < row_of_word_.size(); ++id) {
    const auto row = vectors.find(manifest.word(id));
    if (!row) continue;
    row_of_word_[id] = static_cast<std::int32_t>(rows_.size() / width);
    rows_.resize(rows_.size() + width);
    vectors.copy(*row, std::span(rows_).last(width));
  }
}

double KeywordVectors::coverage() const {
  const auto found = std::count_if(row_of_word_.begin(), row_of_word_.end(), [](std::int32_t row) { return row >= 0; });
  return row_of_word_.empty() ? 0 : static_cast<double>(found) / static_cast<double>(row_of_word_.size());
}

bool KeywordVectors::mean(std::size_t sample, float* out) const {
  const auto words = (*manifest_)[sample].keywords;
  const auto width = static_cast<std::size_t>(dimension_);
  std::vector<double> sum(width, 0.0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::int32_t row = row_of_word_[words[i]];
    if (row < 0 || repeated(words, i)) continue;
    const float* vector = rows_.data() + static_cast<std::size_t>(row) * width;
    for (std::size_t d = 0; d < width; ++d) sum[d] += vector[d];
    ++count;
  }
  for (std::size_t d = 0; d < width; ++d) out[d] = count == 0 ? 0.0F : static_cast<float>(sum[d] / static_cast<double>(count));
  return count > 0;
}

Vocabulary collect_vocabulary(const Manifest& manifest, const std::vector<std::string>& excluded) {
  const WordSet left_out(excluded);
  std::vector<std::uint64_t> counts(manifest.word_count());
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    for (const std::uint32_t word : manifest[i].keywords) ++counts[word];
  }
  std::vector<std::uint32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0U);
  std::erase_if(order, [&](std::uint32_t id) { return left_out.contains(manifest.word(id)); });
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : manifest.word(a) < manifest.word(b);
  });
  std::vector<std::string> words;
  for (const std::uint32_t id : order) words.emplace_back(manifest.word(id));
  return Vocabulary(std::move(words));
}

}  // namespace emotion
