#pragma once

#include <cstdint>
#include <string>

#include "emotion/commands/common.h"

namespace emotion {

/// `emotion_data dedup`: near-duplicate pictures, and with `out` a data set without them.
struct DedupOptions {
  std::string data, out, groups, html;
  int radius = 4, workers = 0;
  bool mirrored = false;
  std::uint64_t shown = 200;
};

/// `emotion_data split`: the samples of a data set split again, by ratio, counts or folds.
struct SplitOptions {
  std::string data, out, ratio = "80/10/10", counts, names, groups, key;
  int folds = 0;
  std::uint64_t seed = 1;
  bool stratify = false;
};

/// `emotion_data vote`: how far annotators agree, and with `out` a data set of their majorities.
struct VoteOptions {
  std::string data, out, json;
  int at_least = 3;
};

/// `emotion_data curate`: a table of candidates, or with `categories` the data set of them.
struct CurateCommandOptions {
  std::string collection, root, candidates, seeds, word2vec, categories, out;
  std::uint64_t min_images = 10, top = 2000;
  double similarity = 0.4;
  int min_emotional = 1, min_other = 1;
};

/// `emotion_data pack`: a data set in tar shards of `samples` each.
struct PackOptions {
  std::string data, out;
  std::uint64_t samples = 2000;
};

/// `emotion_data fetch`: pictures by URL, of a table or of a data set.
struct FetchOptions {
  std::string urls, data, out;
  int parallel = 32, per_host = 4, retries = 4, workers = 0;
  double timeout = 60, max_megabytes = 32;
  bool allow_private = false, retry_failed = false;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_data_dedup(const emotion::DedupOptions& options);
EMOTION_COMMAND void emotion_data_split(const emotion::SplitOptions& options);
EMOTION_COMMAND void emotion_data_vote(const emotion::VoteOptions& options);
EMOTION_COMMAND void emotion_data_curate(const emotion::CurateCommandOptions& options);
EMOTION_COMMAND void emotion_data_pack(const emotion::PackOptions& options);
EMOTION_COMMAND void emotion_data_fetch(const emotion::FetchOptions& options);
