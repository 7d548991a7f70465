#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emotion/commands/common.h"

namespace emotion {

/// `emotion_text word2vec`: word vectors of keyword lists.
struct Word2VecCommand {
  std::string data, split = "train", out, vocabulary;
  int dimension = 300, window = 0, negative = 5, epochs = 5, min_count = 5, threads = 0;
  double alpha = 0.025, subsample = 1e-3;
  std::uint64_t seed = 1;
  ShareOptions share;
};

/// `emotion_text nearest`: the words of highest cosine.
struct NearestCommand {
  std::string word2vec, json;
  int top = 10;
  std::vector<std::string> words;
};

/// `emotion_text textcnn-predict`: the emotions in keywords.
struct TextCNNPredictCommand {
  std::string checkpoint, json;
  int top = 5;
  std::vector<std::string> words;
};

/// `emotion_text label`: a copy of a data set, labelled by a TextCNN.
struct LabelCommand {
  std::string checkpoint, data, out;
  int batch = 256;
  bool skip = false;  ///< leaves out samples without a keyword to read
};

}  // namespace emotion

EMOTION_COMMAND void emotion_text_word2vec(const emotion::Word2VecCommand& options);
EMOTION_COMMAND void emotion_text_nearest(const emotion::NearestCommand& options);
EMOTION_COMMAND void emotion_text_textcnn_predict(const emotion::TextCNNPredictCommand& options);
EMOTION_COMMAND void emotion_text_label(const emotion::LabelCommand& options);
