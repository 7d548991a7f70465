#pragma once

#include <string>
#include <vector>

#include "emotion/commands/eval.h"

namespace emotion {

struct SearchIndexCommand : CheckpointOptions {
  std::string data, split = "train", space = "features", kind = "hnsw", out;
};

struct SearchQueryCommand : CheckpointOptions {
  std::string index, json, report, word2vec;
  std::vector<std::string> queries;  ///< pictures, or words
  int k = 10, breadth = 320;
};

}  // namespace emotion

EMOTION_COMMAND void emotion_search_index(const emotion::SearchIndexCommand& options);
EMOTION_COMMAND void emotion_search_image(const emotion::SearchQueryCommand& options);
EMOTION_COMMAND void emotion_search_text(const emotion::SearchQueryCommand& options);
