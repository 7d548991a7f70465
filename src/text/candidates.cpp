#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"
#include "emotion/text/curation.h"

namespace emotion {
namespace {

using Counts = std::unordered_map<std::string, std::uint64_t>;

Counts count_keywords(const std::vector<std::filesystem::path>& files) {
  Counts counts;
  for (const auto& file : files) {
    read_collection(file, [&](const CollectionRecord& record) {
      for (const auto& word : record.keywords) ++counts[word];
    });
  }
  return counts;
}

/// Unit vector of a word, empty without one.
std::vector<float> direction(const WordVectors& vectors, std::string_view word) {
  const auto row = vectors.find(word);
  if (!row) return {};
  std::vector<float> values(static_cast<std::size_t>(vectors.dimension()));
  vectors.copy(*row, values);
  double square = 0;
  for (const float value : values) square += static_cast<double>(value) * value;
  if (!(square > 0)) return {};
  for (float& value : values) value = static_cast<float>(value / std::sqrt(square));
  return values;
}

/// Greatest cosine to a seed, and which.
class Seeds {
 public:
  Seeds(const std::vector<std::string>& words, const WordVectors* vectors) : words_(words), vectors_(vectors) {
    for (const auto& word : words) directions_.push_back(vectors != nullptr ? direction(*vectors, word) : std::vector<float>{});
  }

  void rate(Candidate& candidate) const {
    if (std::find(words_.begin(), words_.end(), candidate.keyword) != words_.end()) {
      candidate.seed = true;
      candidate.similarity = 1;
      candidate.nearest = candidate.keyword;
      return;
    }
    if (vectors_ == nullptr) return;
    const std::vector<float> own = direction(*vectors_, candidate.keyword);
    for (std::size_t s = 0; s < words_.size() && !own.empty(); ++s) {
      if (directions_[s].empty()) continue;
      double dot = 0;
      for (std::size_t i = 0; i < own.size(); ++i) dot += static_cast<double>(own[i]) * directions_[s][i];
      if (candidate.nearest.empty() || static_cast<float>(dot) > candidate.similarity) {
        candidate.similarity = static_cast<float>(dot);
        candidate.nearest = words_[s];
      }
    }
  }

 private:
  const std::vector<std::string>& words_;
  const WordVectors* vectors_;
  std::vector<std::vector<float>> directions_;
};

std::vector<std::string> distinct_forms(const std::vector<std::string>& words) {
  std::vector<std::string> forms;
  for (const auto& word : words) {
    std::string form = keyword_form(word);
    if (!form.empty() && std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(std::move(form));
  }
  return forms;
}

void warn_of_rare_seeds(const std::vector<std::string>& seeds, const Counts& counts, std::uint64_t min_images) {
  for (const auto& seed : seeds) {
    const auto found = counts.find(seed);
    if (found == counts.end()) {
      log_warning("seed '{}' is no keyword of the collection", seed);
    } else if (found->second < min_images) {
      log_warning("seed '{}' is no candidate: {} images have it, --min-images is {}", seed, found->second, min_images);
    }
  }
}

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    fields.emplace_back(line.substr(begin, end - begin));
    fields.back().erase(fields.back().find_last_not_of(" \r") + 1);
    begin = end + 1;
  }
  return fields;
}

}  // namespace

std::vector<Candidate> emotion_candidates(const std::vector<std::filesystem::path>& files, const std::vector<std::string>& seeds,
                                          const WordVectors* vectors, const CandidateOptions& options) {
  const std::vector<std::string> wanted = distinct_forms(seeds);
  const Seeds rater(wanted, vectors);
  std::vector<Candidate> candidates;
  const Counts counts = count_keywords(files);
  warn_of_rare_seeds(wanted, counts, options.min_images);
  for (const auto& [word, images] : counts) {
    Candidate candidate{.keyword = word, .images = images, .similarity = 0, .nearest = {}, .seed = false};
    if (images < options.min_images || word.find_first_of("\t\r\n") != std::string::npos) continue;
    rater.rate(candidate);
    if (seeds.empty() || candidate.seed || (!candidate.nearest.empty() && candidate.similarity >= options.similarity))
      candidates.push_back(std::move(candidate));
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.images != b.images ? a.images > b.images : a.keyword < b.keyword;
  });
  if (candidates.size() > options.top) candidates.resize(options.top);
  return candidates;
}

void refuse_decided(const std::filesystem::path& file) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(file, none)) return;
  const std::string text = read_text(file, 64 << 20);
  for (const auto [line, number] : Lines(text)) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields[0].starts_with('#') || (fields.size() == 1 && fields[0].empty())) continue;
    const bool seed = fields.size() == 5 && fields[0] == "yes" && fields[1] == fields[4];
    if (fields[0] != "?" && !seed)
      throw ConfigError(fmt::format("{}:{}: is decided on, a new table would replace it; give another file, or remove this one",
                                    file.string(), number));
  }
}

void write_candidates(const std::vector<Candidate>& candidates, const std::filesystem::path& file) {
  refuse_decided(file);
  write_file_atomically(file, [&](std::ostream& out) {
    out << "# Emotion keywords: put yes or no in the first column in place of ?, then curate with --categories and this file.\n"
           "# keep\tkeyword\timages\tsimilarity\tnearest seed\n";
    for (const auto& c : candidates)
      fmt::print(out, "{}\t{}\t{}\t{:.3f}\t{}\n", c.seed ? "yes" : "?", c.keyword, c.images, c.similarity, c.nearest);
  });
}

std::vector<std::string> read_categories(const std::filesystem::path& file, std::size_t& undecided) {
  const std::string text = read_text(file, 64 << 20);
  std::vector<std::string> categories;
  std::set<std::string> seen;
  undecided = 0;
  for (const auto [line, number] : Lines(text)) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields[0].starts_with('#') || (fields.size() == 1 && fields[0].empty())) continue;
    const std::string word = keyword_form(fields.size() == 1 ? fields[0] : fields[1]);
    const std::string keep = fields.size() == 1 ? "yes" : fields[0];
    if (keep != "yes" && keep != "no" && keep != "?")
      throw DataError(fmt::format("{}:{}: '{}' in the first column; yes, no or ? is wanted", file.string(), number, keep));
    if (word.empty() || !seen.insert(word).second)
      throw DataError(fmt::format("{}:{}: keyword '{}' is empty or stands twice", file.string(), number, word));
    undecided += keep == "?";
    if (keep == "yes") categories.push_back(word);
  }
  if (categories.empty())
    throw DataError(file.string() + ": no keyword is kept; put yes in the first column of those that name an emotion");
  return categories;
}

}  // namespace emotion
