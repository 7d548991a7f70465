#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/text/word_vectors.h"

namespace emotion {

/// A keyword as collections are read, categories and seeds too: without blanks around it, in small_letters().
std::string keyword_form(std::string_view word);

/// One picture of a collection whose keywords are not sorted into classes yet.
struct CollectionRecord {
  std::string_view image;
  std::vector<std::string> keywords;  ///< distinct, in keyword_form(), in the line's order
  std::optional<std::array<float, 4>> box;
  std::string_view rest;  ///< the line's other fields as JSON text, each with a comma in front: `,"box":[..]`
  std::uint64_t line = 0;
};

/// Reads one JSONL file of {"image": .., "keywords": [..], ..} a line at a time: memory does not grow. Labels are ignored.
/// @throws DataError with file:line; Interrupted
void read_collection(const std::filesystem::path& jsonl, const std::function<void(const CollectionRecord&)>& take);

/// A keyword that may become a category.
struct Candidate {
  std::string keyword;
  std::uint64_t images = 0;  ///< that have it
  float similarity = 0;      ///< greatest cosine to a seed word; 1 for a seed; 0 without word vectors
  std::string nearest;       ///< that seed
  bool seed = false;
};

struct CandidateOptions {
  std::uint64_t min_images = 10;  ///< rarer keywords are no candidates
  std::size_t top = 2000;         ///< most candidates; the paper had about 2000 to choose 690 from
  double similarity = 0.4;        ///< with seeds and word vectors: keywords nearer than this to a seed
};

/// Keywords by falling number of images (equal ones in alphabetical order), as EmotionNet, Sec. 3.1, ranks them. With seeds:
/// those and, where there are word vectors, the keywords near one; without: all of them. Seeds that are no candidate, as too few
/// images have them, are logged.
std::vector<Candidate> emotion_candidates(const std::vector<std::filesystem::path>& files, const std::vector<std::string>& seeds,
                                          const WordVectors* vectors, const CandidateOptions& options);

/// @throws ConfigError if the file is there with a line that write_candidates() does not write: a person's decision, which a new
/// table would replace
void refuse_decided(const std::filesystem::path& file);

/// A table for a person to edit: `keep<TAB>keyword<TAB>images<TAB>similarity<TAB>nearest`, keep = yes for seeds and `?` for all
/// others; lines that begin with # explain it. @throws ConfigError as refuse_decided
void write_candidates(const std::vector<Candidate>& candidates, const std::filesystem::path& file);

/// The categories of such a table in keyword_form(): the keywords with `yes`; or of a plain list, a word a line. `undecided`
/// counts the rows left at `?`.
/// @throws DataError with file:line for another word than yes, no and ?, or a keyword that stands twice; if none is kept
std::vector<std::string> read_categories(const std::filesystem::path& file, std::size_t& undecided);

struct CurateOptions {
  std::vector<std::string> categories;  ///< in keyword_form()
  int min_emotional = 1;                ///< emotion keywords an image must have
  int min_other = 1;                    ///< other keywords: a TextCNN reads these
};

struct CurateSummary {
  std::uint64_t images = 0, kept = 0, without_emotion = 0, without_other = 0, repeated = 0;
  std::uint64_t keywords = 0, emotional = 0;  ///< of the images kept
  std::vector<std::uint64_t> per_category;    ///< images kept
};

/// Writes the images of `jsonl` that have enough keywords to `out`, labelled with their emotion keywords in the line's order.
/// An image that came before (by name and box, over all calls) is left out.
class Curator {
 public:
  explicit Curator(CurateOptions options);
  ~Curator();
  Curator(const Curator&) = delete;
  Curator& operator=(const Curator&) = delete;
  /// Gives how many lines it wrote. @throws DataError, RunError, Interrupted
  std::uint64_t curate(const std::filesystem::path& jsonl, const std::filesystem::path& out);
  const CurateSummary& summary() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
