#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/data/manifest.h"

namespace emotion {

/// The classes a network is trained for, and the words that stand for them (`data.targets`).
struct TargetClasses {
  std::vector<std::string> classes;
  std::unordered_map<std::string, std::uint32_t> class_of_word;

  /// spec: `labels`: the data set's classes. `keywords`: every keyword of the split a class, in alphabetical order.
  /// `one_vs_all:CLASS`: CLASS and `not CLASS`. Otherwise a file of `keyword<TAB>class` lines; its classes in the order they
  /// first occur.
  /// @throws DataError with file:line
  static TargetClasses make(const std::string& spec, const Manifest& train);
  /// The keys of class_of_word, in alphabetical order.
  std::vector<std::string> words() const;
};

/// The class ids of a split's samples.
class SplitTargets {
 public:
  /// `single`: what wants exactly one of every sample, for errors (`task stimuli`); empty: several are fine. The manifest must
  /// outlive this.
  /// @throws DataError at the sample's place for one without a class (or with several); naming both lists of classes if the
  ///         split's data set has labels that `targets` does not know
  SplitTargets(const Manifest& manifest, const TargetClasses& targets, const std::string& spec, const std::string& single);
  /// As the data are: a sample may have none, and labels that `targets` does not know are passed over.
  SplitTargets(const Manifest& manifest, const TargetClasses& targets, const std::string& spec);
  /// Distinct ids: from `labels`; where the sample has none, or by `keywords` or a file, from the keywords.
  std::vector<std::uint32_t> operator()(std::size_t sample) const;
  /// Some of the sample's classes are read from its keywords.
  bool from_keywords(std::size_t sample) const;
  /// The manifest has moved to `manifest`.
  void follow(const Manifest& manifest) { manifest_ = &manifest; }

 private:
  bool reads_keywords(const SampleView& sample) const;
  const Manifest* manifest_;
  bool use_labels_, always_use_keywords_;
  std::vector<std::int32_t> class_of_label_, class_of_word_;
};

/// [rows, classes] float32 with 1 at each of a row's distinct ids, or 1 / k at each of its k if `mean`; 0 elsewhere.
at::Tensor multi_hot(const std::vector<std::vector<std::uint32_t>>& ids, std::size_t classes, bool mean = false);

/// Polarity of each of `classes` as the data set says it: 1 positive, -1 negative. Empty if it gives none to one of them.
std::vector<std::int8_t> class_polarity(const Dataset& dataset, const std::vector<std::string>& classes);

}  // namespace emotion
