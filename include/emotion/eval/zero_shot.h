#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/text/word_vectors.h"
#include "emotion/train/checkpoint.h"

namespace emotion {

/// The words that stand for each class where there is no training (EmotionNet, Sec 5.4).
using ClassWords = std::vector<std::vector<std::string>>;

/// `class<TAB>word, word, ..` lines; a class without a line stands for itself. Empty path: every class for itself.
/// @throws DataError with file:line for a class that the data do not have or that stands twice
ClassWords read_class_words(const std::filesystem::path& file, const std::vector<std::string>& classes);

/// Mean word vector of each class's words, float [K, E]. Words without a vector are named in a warning.
/// @throws DataError naming the classes none of whose words has a vector
at::Tensor class_vectors(const ClassWords& words, const std::vector<std::string>& classes, const WordVectors& vectors);

/// The text-to-emotion form: what a TextCNN says of each class's words, float [K, emotions], rows sum to 1.
/// @throws DataError naming the classes none of whose words it knows
at::Tensor class_emotions(const ClassWords& words, const std::vector<std::string>& classes, TrainedTextCNN& textcnn);

/// Cosine of every image's point with every class's, float [n, K].
at::Tensor cosine_scores(const at::Tensor& images, const at::Tensor& classes);

}  // namespace emotion
