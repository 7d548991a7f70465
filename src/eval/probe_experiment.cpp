#include "emotion/eval/probe_experiment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>

#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/sampler.h"
#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using Rows = std::vector<std::int64_t>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kFoldStream = 0x666f6c;
constexpr int kHeldOut = 5;  // without validation data, one part in five chooses from the sweep

at::Tensor as_tensor(const Rows& rows) { return at::tensor(rows, at::kLong); }

/// For each of `rows` the place of the first that shows its picture.
std::vector<std::size_t> first_of_picture(const ProbeSplit& split, const Rows& rows) {
  std::vector<std::size_t> first(rows.size());
  std::iota(first.begin(), first.end(), std::size_t{0});
  if (split.pictures.empty()) return first;
  std::unordered_map<std::uint32_t, std::size_t> known;
  for (std::size_t i = 0; i < rows.size(); ++i)
    first[i] = known.emplace(split.pictures[static_cast<std::size_t>(rows[i])], i).first->second;
  return first;
}

std::vector<std::uint64_t> class_counts(const ProbeSplit& split, const Rows& rows, std::size_t classes) {
  std::vector<std::uint64_t> counts(classes);
  for (const std::int64_t row : rows) {
    for (const std::uint32_t id : split.labels[static_cast<std::size_t>(row)]) ++counts[id];
  }
  return counts;
}

/// Of a sample's labels the one that the fewest samples have; of equal ones the first class.
std::uint32_t rarest(const std::vector<std::uint32_t>& labels, const std::vector<std::uint64_t>& counts) {
  return *std::min_element(labels.begin(), labels.end(),
                           [&](std::uint32_t a, std::uint32_t b) { return std::pair(counts[a], a) < std::pair(counts[b], b); });
}

/// A part number for each of `rows`, 0 .. parts - 1, the same for all of a picture. Stratified: the pictures of every class (by
/// the rarest label of their first row) are dealt out in turn.
std::vector<int> deal(const ProbeSplit& split, const Rows& rows, std::size_t classes, int parts, std::uint64_t seed) {
  const std::vector<std::size_t> first = first_of_picture(split, rows);
  const std::vector<std::uint64_t> counts = class_counts(split, rows, classes);
  std::map<std::uint32_t, std::vector<std::size_t>> of_class;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (first[i] == i) of_class[rarest(split.labels[static_cast<std::size_t>(rows[i])], counts)].push_back(i);
  }
  std::vector<int> part(rows.size());
  int next = 0;
  for (auto& [label, places] : of_class) {
    Random random{seed, label, kFoldStream};
    random.shuffle(std::span(places));
    for (const std::size_t place : places) part[place] = next++ % parts;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) part[i] = part[first[i]];
  return part;
}

/// Rows in a part, and the others.
std::pair<Rows, Rows> divide(const Rows& rows, const std::vector<int>& part, int number) {
  std::pair<Rows, Rows> result;
  for (std::size_t i = 0; i < rows.size(); ++i) (part[i] == number ? result.first : result.second).push_back(rows[i]);
  return result;
}

Rows all_rows(const ProbeSplit& split) {
  Rows rows(split.labels.size());
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  return rows;
}

/// The class with the fewest samples, of those that have any.
std::size_t smallest_class(const std::vector<std::uint64_t>& counts) {
  std::size_t smallest = counts.size();
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] > 0 && (smallest == counts.size() || counts[k] < counts[smallest])) smallest = k;
  }
  return smallest;
}

/// Of each class, how many pictures show it.
std::vector<std::uint64_t> picture_counts(const ProbeSplit& split, std::size_t classes) {
  const std::vector<std::size_t> first = first_of_picture(split, all_rows(split));
  std::vector<std::set<std::size_t>> pictures(classes);
  for (std::size_t i = 0; i < first.size(); ++i) {
    for (const std::uint32_t id : split.labels[i]) pictures[id].insert(first[i]);
  }
  std::vector<std::uint64_t> counts;
  for (const auto& of_class : pictures) counts.push_back(of_class.size());
  return counts;
}

void check_folds(const ProbePlan& plan, const std::vector<std::string>& classes, const ProbeSplit& train) {
  if (plan.folds < 2) return;
  const auto counts = picture_counts(train, classes.size());
  const std::size_t smallest = smallest_class(counts);
  if (smallest == counts.size() || static_cast<std::uint64_t>(plan.folds) <= counts[smallest]) return;
  throw DataError(fmt::format("probe: {} folds, but class '{}' has {} {}; at most as many folds as those", plan.folds,
                              classes[smallest], counts[smallest], train.pictures.empty() ? "samples" : "pictures"));
}

class Experiment {
 public:
  Experiment(const ProbePlan& plan, const std::vector<std::string>& classes, const ProbeSplit& train,
             const ProbeSplit* validation, const ProbeSplit* test)
      : plan_(plan),
        classes_(classes),
        train_(train),
        validation_(validation),
        test_(test),
        targets_(multi_hot(train.labels, classes.size()).to(at::kDouble)) {
    check();
  }

  ProbeOutcome run() {
    outcome_.score_name = plan_.fit.multi_label ? "mAP" : "top1";
    for (int i = 0; i < plan_.seeds; ++i) {
      const std::uint64_t seed = plan_.seed + static_cast<std::uint64_t>(i);
      if (plan_.folds > 1) {
        cross_validate(seed);
      } else {
        test_once(seed);
      }
    }
    outcome_.metrics = classification_metrics(outcome_.predictions);
    for (const auto& trial : outcome_.trials) outcome_.mean += trial.score / static_cast<double>(outcome_.trials.size());
    double squares = 0;
    for (const auto& trial : outcome_.trials) squares += (trial.score - outcome_.mean) * (trial.score - outcome_.mean);
    const auto n = static_cast<double>(outcome_.trials.size());
    outcome_.deviation = n > 1 ? std::sqrt(squares / (n - 1)) : kNaN;
    return std::move(outcome_);
  }

 private:
  void check() const {
    const std::int64_t views = train_.features.size(0);
    check_plan(plan_, views > 1 ? views : 0, classes_, train_);
    check_classes();
    check_finite(train_, "training");
    if (validation_) check_finite(*validation_, "validation");
    if (test_) check_finite(*test_, "test");
  }

  /// Of every fit of a seed the rows of the training split that it is tested on, and those that it is fitted to: with folds one
  /// for each of them; without, the test rows are another split's.
  std::vector<std::pair<Rows, Rows>> fits(std::uint64_t seed) const {
    const Rows rows = chosen_rows(seed);
    if (plan_.folds < 2) return {{Rows(), rows}};
    const std::vector<int> part = deal(train_, rows, classes_.size(), plan_.folds, seed);
    std::vector<std::pair<Rows, Rows>> result;
    for (int fold = 0; fold < plan_.folds; ++fold) result.push_back(divide(rows, part, fold));
    return result;
  }

  /// Fails for a single class, and for a k that there are too few samples for; names classes that are missing. What counts are
  /// the samples that are trained on.
  void check_classes() const {
    std::size_t samples = train_.labels.size();
    std::vector<std::uint64_t> fewest(classes_.size(), samples), most(classes_.size()), fewest_tested = fewest;
    for (int i = 0; i < plan_.seeds; ++i) {
      for (const auto& [tested, fitted] : fits(plan_.seed + static_cast<std::uint64_t>(i))) {
        const auto counts = class_counts(train_, fitted, classes_.size()),
                   of_test = class_counts(train_, tested, classes_.size());
        check_two_classes(counts, fitted.size());
        for (std::size_t k = 0; k < counts.size(); ++k) {
          fewest[k] = std::min(fewest[k], counts[k]);
          most[k] = std::max(most[k], counts[k]);
          fewest_tested[k] = std::min(fewest_tested[k], of_test[k]);
        }
        samples = std::min(samples, fitted.size());
      }
      if (plan_.fraction >= 1 && plan_.folds < 2) break;  // other seeds have the same samples
    }
    const auto never = without_samples(most);
    auto sometimes = without_samples(fewest);
    std::erase_if(sometimes, [&](const auto& name) { return std::find(never.begin(), never.end(), name) != never.end(); });
    if (!never.empty()) log_warning("probe: no training sample of {}: never predicted", fmt::join(never, ", "));
    if (!sometimes.empty())
      log_warning("probe: some fits have no training sample of {}: never predicted there", fmt::join(sometimes, ", "));
    if (plan_.method == "knn") check_neighbours(fewest, samples);
    if (test_) fewest_tested = class_counts(*test_, all_rows(*test_), classes_.size());
    const auto untested = without_samples(fewest_tested);
    if (untested.empty()) return;
    if (test_) {
      log_warning("probe: no test sample of {}: left out of mAP", fmt::join(untested, ", "));
    } else {
      log_warning("probe: some folds have no test sample of {}: left out of mAP there", fmt::join(untested, ", "));
    }
  }

  /// counts: of each class, among `samples` that are trained on
  void check_two_classes(const std::vector<std::uint64_t>& counts, std::size_t samples) const {
    if (classes_.size() > 1 && std::count_if(counts.begin(), counts.end(), [](auto n) { return n > 0; }) > 1) return;
    const auto largest = std::max_element(counts.begin(), counts.end());
    throw DataError(fmt::format("probe: all {} training samples are of class '{}'; at least two classes are needed", samples,
                                classes_[static_cast<std::size_t>(largest - counts.begin())]));
  }

  std::vector<std::string> without_samples(const std::vector<std::uint64_t>& counts) const {
    std::vector<std::string> names;
    for (std::size_t k = 0; k < counts.size(); ++k) {
      if (counts[k] == 0) names.push_back(classes_[k]);
    }
    return names;
  }

  /// fewest: samples of each class in the fit that has the fewest of it; samples: in the smallest fit
  void check_neighbours(const std::vector<std::uint64_t>& fewest, std::size_t samples) const {
    const double k = plan_.sweep.empty() ? plan_.k : *std::max_element(plan_.sweep.begin(), plan_.sweep.end());
    if (k > static_cast<double>(samples))
      throw DataError(fmt::format("knn: k is {:g}, there are {} training samples", k, samples));
    const std::size_t smallest = smallest_class(fewest);
    if (smallest == fewest.size() || k <= static_cast<double>(fewest[smallest])) return;
    log_warning("probe: k is {:g}, but class '{}' has {} training samples: it can hardly win a vote", k, classes_[smallest],
                fewest[smallest]);
  }

  static void check_finite(const ProbeSplit& split, const char* name) {
    std::optional<std::int64_t> found = find_not_finite(split.features);
    if (!found && split.scored.defined()) found = find_not_finite(split.scored);
    if (!found) return;
    const auto row = static_cast<std::size_t>(*found);
    throw DataError(fmt::format("{}: its features hold NaN or infinite values; the network they come from is broken",
                                split.place ? split.place(row) : fmt::format("{} sample {}", name, row)));
  }

  Rows chosen_rows(std::uint64_t seed) const {
    const auto order = Sampler{.size = train_.labels.size(), .fraction = plan_.fraction, .shuffle = false, .seed = seed}.order(0);
    return {order.begin(), order.end()};
  }

  /// Fits on rows of the training split with `setting`, and scores [m, K] of rows (all where undefined) of `on`.
  at::Tensor scores(const Rows& rows, double setting, const ProbeSplit& on, const at::Tensor& on_rows, std::uint64_t seed,
                    LinearModel* model) const {
    if (plan_.method == "knn") {
      const at::Tensor chosen = as_tensor(rows), asked = on.scored.defined() ? on.scored : on.features[0];
      return knn_scores(train_.features[0].index_select(0, chosen), targets_.index_select(0, chosen),
                        on_rows.defined() ? asked.index_select(0, on_rows) : asked, static_cast<int>(std::lround(setting)));
    }
    ProbeOptions options = plan_.fit;
    options.seed = seed;
    options.multi_label = options.multi_label || plan_.one_vs_all;
    options.separate = plan_.one_vs_all;
    (options.solver == "sgd" ? options.lr : options.C) = setting;
    const LinearModel fitted = fit_probe(train_.features, targets_, options, as_tensor(rows));
    if (model) *model = fitted;
    return probe_scores(fitted, on.scored.defined() ? on.scored : on.features, on_rows);
  }

  /// The predictions of scores over rows of a split (all of them where `rows` is empty).
  Predictions predictions(const at::Tensor& scores, const ProbeSplit& on, const Rows& rows) const {
    Predictions result;
    result.classes = classes_.size();
    result.scores.assign(scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel());
    if (rows.empty()) {
      result.labels = on.labels;
    } else {
      for (const std::int64_t row : rows) result.labels.push_back(on.labels[static_cast<std::size_t>(row)]);
    }
    return result;
  }

  double score(const Predictions& predictions) const {
    const ClassificationMetrics metrics = classification_metrics(predictions);
    return plan_.fit.multi_label ? metrics.mean_average_precision : metrics.top1;
  }

  double default_setting() const {
    return plan_.method == "knn" ? plan_.k : plan_.fit.solver == "sgd" ? plan_.fit.lr : plan_.fit.C;
  }

  /// The best of the sweep on validation data; of equal ones the first. Test samples take no part.
  std::pair<double, double> choose(const Rows& rows, std::uint64_t seed, bool first) {
    if (plan_.sweep.empty()) return {default_setting(), kNaN};
    Rows fit = rows, held_out;
    if (!validation_)
      std::tie(held_out, fit) = divide(rows, deal(train_, rows, classes_.size(), kHeldOut, seed ^ kFoldStream), 0);
    if (fit.empty())
      throw DataError(
          "probe: all training samples are of one picture: none is left to choose from the sweep; name a split that does");
    double best = kNaN, best_score = -1;
    for (const double setting : plan_.sweep) {
      const ProbeSplit& on = validation_ ? *validation_ : train_;
      const at::Tensor s = scores(fit, setting, on, held_out.empty() ? at::Tensor() : as_tensor(held_out), seed, nullptr);
      const double value = score(predictions(s, on, held_out));
      if (first) outcome_.tried.emplace_back(setting, value);
      log_debug("probe: setting {:g}: {} {:.4f} on validation", setting, outcome_.score_name, value);
      if (value > best_score) {
        best = setting;
        best_score = value;
      }
    }
    return {best, best_score};
  }

  void test_once(std::uint64_t seed) {
    const Rows rows = chosen_rows(seed);
    const bool first = outcome_.trials.empty();
    const auto [setting, validation] = choose(rows, seed, first);
    const Predictions found = predictions(scores(rows, setting, *test_, {}, seed, first ? &outcome_.model : nullptr), *test_, {});
    outcome_.trials.push_back({seed, -1, setting, validation, score(found), rows.size()});
    if (first) outcome_.predictions = found;
  }

  void cross_validate(std::uint64_t seed) {
    const Rows rows = chosen_rows(seed);
    const std::vector<int> part = deal(train_, rows, classes_.size(), plan_.folds, seed);
    const bool first = outcome_.trials.empty();
    Predictions all;
    all.classes = classes_.size();
    all.labels = train_.labels;
    all.scores.resize(rows.size() * classes_.size());
    for (int fold = 0; fold < plan_.folds; ++fold) {
      const auto [tested, fitted] = divide(rows, part, fold);
      const bool first_fold = first && fold == 0;
      const auto [setting, validation] = choose(fitted, seed, first_fold);
      const at::Tensor s = scores(fitted, setting, train_, as_tensor(tested), seed, first_fold ? &outcome_.model : nullptr);
      const Predictions found = predictions(s, train_, tested);
      for (std::size_t i = 0; i < tested.size(); ++i) {
        std::copy_n(found.scores.data() + i * classes_.size(), classes_.size(),
                    all.scores.data() + static_cast<std::size_t>(tested[i]) * classes_.size());
      }
      outcome_.trials.push_back({seed, fold, setting, validation, score(found), fitted.size()});
    }
    if (first) outcome_.predictions = std::move(all);
  }

  const ProbePlan& plan_;
  const std::vector<std::string>& classes_;
  const ProbeSplit& train_;
  const ProbeSplit *validation_, *test_;
  at::Tensor targets_;
  ProbeOutcome outcome_;
};

/// Accuracy of each class against the rest: a score above 0 (a probability above 1/2) says yes.
std::vector<double> binary_accuracies(const Predictions& predictions) {
  std::vector<double> right(predictions.classes);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    for (std::size_t k = 0; k < predictions.classes; ++k) {
      const auto& labels = predictions.labels[i];
      const bool truth = std::find(labels.begin(), labels.end(), k) != labels.end();
      right[k] += (predictions.scores[i * predictions.classes + k] > 0) == truth;
    }
  }
  for (double& r : right) r /= static_cast<double>(predictions.size());
  return right;
}

}  // namespace

void check_plan(const ProbePlan& plan, std::int64_t views, const std::vector<std::string>& classes, const ProbeSplit& train) {
  if (plan.method != "linear" && plan.method != "knn") throw ConfigError("probe.method is '" + plan.method + "'; linear or knn");
  if (train.labels.empty()) throw DataError("probe: there is no training sample");
  if (plan.folds == 1) throw ConfigError("probe.folds is 1; 0 (none) or at least 2");
  if (plan.folds > 1 && plan.fraction < 1)
    throw ConfigError("probe.folds and a fraction of the training data do not go together");
  if (plan.method == "knn" && (views > 0 || plan.one_vs_all))
    throw ConfigError("probe.method knn takes neither views nor one_vs_all");
  for (const double k : plan.sweep) {
    if (plan.method == "knn" && (k < 1 || k != std::floor(k)))
      throw ConfigError(fmt::format("probe.sweep: {:g} is no number of neighbours", k));
  }
  check_folds(plan, classes, train);
}

ProbeOutcome run_probe(const ProbePlan& plan, const std::vector<std::string>& classes, const ProbeSplit& train,
                       const ProbeSplit* validation, const ProbeSplit* test) {
  if (plan.folds > 1) {
    test = nullptr;
    validation = nullptr;  // every fold holds out its own
  } else if (test == nullptr) {
    throw ConfigError("probe: a test split is needed without folds");
  }
  ProbeOutcome outcome = Experiment(plan, classes, train, validation, test).run();
  if (plan.one_vs_all) outcome.binary_accuracy = binary_accuracies(outcome.predictions);
  return outcome;
}

}  // namespace emotion
