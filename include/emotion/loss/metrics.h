#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace at {
class Tensor;
}

namespace emotion {

/// Average precision of one class as scikit-learn's average_precision_score: sum over distinct thresholds of (R_n - R_{n-1}) P_n.
/// NaN without a positive. @throws DataError on a NaN score or sizes that differ
double average_precision(std::span<const float> scores, std::span<const std::uint8_t> positive);

/// Counts of a single-label classification; rows = truth, columns = prediction. Only pairs that occur take memory: 30,000
/// keywords may be the classes.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::size_t classes) : classes_(classes), truths_(classes), predicted_(classes) {}
  void add(std::size_t truth, std::size_t prediction) {
    ++counts_[truth * classes_ + prediction];
    ++truths_[truth];
    ++predicted_[prediction];
  }
  std::size_t classes() const { return classes_; }
  std::uint64_t operator()(std::size_t truth, std::size_t prediction) const {
    const auto found = counts_.find(truth * classes_ + prediction);
    return found == counts_.end() ? 0 : found->second;
  }
  double accuracy() const;
  /// Mean recall over the classes that occur, as scikit-learn's balanced_accuracy_score.
  double balanced_accuracy() const;
  double recall(std::size_t k) const;     ///< NaN where the class does not occur
  double precision(std::size_t k) const;  ///< NaN where it is never predicted
  std::uint64_t predictions(std::size_t k) const { return predicted_[k]; }

 private:
  std::size_t classes_;
  std::unordered_map<std::size_t, std::uint64_t> counts_;
  std::vector<std::uint64_t> truths_, predicted_;  // sums of rows and columns
};

/// What an evaluation knows of a split: scores [n, K] row by row, and every sample's true classes (one or more).
struct Predictions {
  std::size_t classes = 0;
  std::vector<float> scores;
  std::vector<std::vector<std::uint32_t>> labels;
  std::vector<std::int8_t> polarity{};  ///< of each class: 1 positive, -1 negative; empty where the data set has none
  std::size_t size() const { return labels.size(); }
};

/// Adds scores [n, K] of any float type and device. Their labels are the caller's to add.
void append_scores(Predictions& predictions, const at::Tensor& scores);

/// The label a prediction is held against: itself where it is one of the labels, else the first of its polarity, else the first.
/// labels: at least one. polarity: of each class, or empty
std::uint32_t truth_of(const std::vector<std::uint32_t>& labels, std::uint32_t prediction,
                       const std::vector<std::int8_t>& polarity);

/// Of the predictions of highest score: precision is the part of those that name the class where it is a label, recall the part
/// of `positives`, every label of every sample, where it is named.
struct ClassMetrics {
  double average_precision, precision, recall, f1;
  std::uint64_t positives;
};

struct ClassificationMetrics {
  double top1 = 0, top2 = 0, top5 = 0;  ///< the best score, one of the best two, of the best five is one of the sample's labels
  double balanced_accuracy = 0;         ///< of `confusion`
  double mean_average_precision = 0;    ///< over classes with a positive
  /// Parts of all samples, of `confusion`; NaN without a polarity. Stimuli-aware VEA, Fig 7: an easy false
  /// prediction names a wrong class of the right polarity, a hard one a class of the wrong polarity.
  double polarity_accuracy = std::numeric_limits<double>::quiet_NaN(), easy_errors = polarity_accuracy,
         hard_errors = polarity_accuracy;
  std::vector<ClassMetrics> per_class;
  /// A sample of several labels stands in one row: that of the prediction where it is one of the labels (so that the diagonal is
  /// top1), else that of the first label of the prediction's polarity, else of the first.
  ConfusionMatrix confusion{0};
};

/// Whether a sample has more than one label, so that the confusion leaves labels out.
bool has_several_labels(const ClassificationMetrics& metrics);

/// For a person: four decimals; - for a metric that does not exist, as a class without a positive has no AP.
std::string metric_text(double value);

/// @throws DataError on NaN scores or an empty set. Ties go to the lower class id.
ClassificationMetrics classification_metrics(const Predictions& predictions);

}  // namespace emotion
