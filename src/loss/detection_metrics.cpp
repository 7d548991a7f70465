#include "emotion/loss/detection_metrics.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace emotion {
namespace {

constexpr std::size_t kThresholds = 10, kRecalls = 101, kAreas = 4;
constexpr std::array<std::size_t, 3> kLimits{1, 10, 100};
constexpr std::array<std::array<double, 2>, kAreas> kAreaRanges{
    {{0, 1e10}, {0, 32.0 * 32}, {32.0 * 32, 96.0 * 96}, {96.0 * 96, 1e10}}};

// As numpy.linspace computes them: a recall of exactly 0.29 must fall on the same side.
double threshold(std::size_t t) { return t == 9 ? 0.95 : static_cast<double>(t) * ((0.95 - 0.5) / 9) + 0.5; }
double recall_point(std::size_t r) { return r == 100 ? 1.0 : static_cast<double>(r) * 0.01; }

/// Finds of one class in one image for one range of areas, best first.
struct Judged {
  std::vector<double> scores;
  std::array<std::vector<char>, kThresholds> right, left_out;
  std::size_t truths = 0;  ///< that count
};

double area(const std::array<double, 4>& b) { return (b[2] - b[0]) * (b[3] - b[1]); }

/// With a crowd the finding's own area is the whole.
double overlap(const FoundBox& found, const TruthBox& truth) {
  const double w = std::min(found.box[2], truth.box[2]) - std::max(found.box[0], truth.box[0]);
  const double h = std::min(found.box[3], truth.box[3]) - std::max(found.box[1], truth.box[1]);
  if (w <= 0 || h <= 0) return 0;
  const double shared = w * h;
  return shared / (truth.crowd ? area(found.box) : area(found.box) + area(truth.box) - shared);
}

Judged judge(const std::vector<FoundBox>& found, std::vector<TruthBox> truth, const std::array<double, 2>& range) {
  const auto ignored = [&](const TruthBox& t) { return t.crowd || t.area < range[0] || t.area > range[1]; };
  std::stable_partition(truth.begin(), truth.end(), [&](const TruthBox& t) { return !ignored(t); });
  Judged judged;
  judged.truths = static_cast<std::size_t>(std::count_if(truth.begin(), truth.end(), [&](const auto& t) { return !ignored(t); }));
  for (const FoundBox& f : found) judged.scores.push_back(f.score);
  for (std::size_t t = 0; t < kThresholds; ++t) {
    std::vector<char> taken(truth.size());
    for (const FoundBox& f : found) {
      double best = std::min(threshold(t), 1 - 1e-10);
      std::size_t match = truth.size();
      for (std::size_t g = 0; g < truth.size(); ++g) {
        if (taken[g] && !truth[g].crowd) continue;
        // Truths that do not count come last: one that counts is never given up for them.
        if (match < truth.size() && match < judged.truths && g >= judged.truths) break;
        const double shared = overlap(f, truth[g]);
        if (shared < best) continue;
        best = shared;
        match = g;
      }
      const bool matched = match < truth.size();
      if (matched) taken[match] = 1;
      const double own = area(f.box);
      judged.right[t].push_back(matched);
      judged.left_out[t].push_back(matched ? match >= judged.truths : own < range[0] || own > range[1]);
    }
  }
  return judged;
}

/// Precision at each recall point, and the greatest recall; nothing if there is no truth.
struct Curve {
  std::array<double, kRecalls> precision{};
  double recall = 0;
};

Curve curve(const std::vector<Judged>& images, std::size_t limit, std::size_t t, std::size_t truths) {
  struct Find {
    double score;
    bool right, left_out;
  };
  std::vector<Find> finds;
  for (const Judged& image : images) {
    for (std::size_t i = 0; i < std::min(limit, image.scores.size()); ++i)
      finds.push_back({image.scores[i], image.right[t][i] != 0, image.left_out[t][i] != 0});
  }
  std::stable_sort(finds.begin(), finds.end(), [](const Find& a, const Find& b) { return a.score > b.score; });
  std::vector<double> precision, recall;
  double right = 0, wrong = 0;
  for (const Find& find : finds) {
    right += find.right && !find.left_out;
    wrong += !find.right && !find.left_out;
    recall.push_back(right / static_cast<double>(truths));
    precision.push_back(right / (right + wrong + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  Curve result;
  result.recall = recall.empty() ? 0 : recall.back();
  for (std::size_t r = 0; r < kRecalls; ++r) {
    const auto place = std::lower_bound(recall.begin(), recall.end(), recall_point(r)) - recall.begin();
    if (place < static_cast<std::ptrdiff_t>(precision.size())) result.precision[r] = precision[static_cast<std::size_t>(place)];
  }
  return result;
}

/// Mean of what is there; -1 of nothing.
struct Mean {
  double sum = 0;
  std::size_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return count ? sum / static_cast<double>(count) : -1; }
};

}  // namespace

struct DetectionEvaluation::Data {
  // [class][area]: one entry an image that has a find or a truth of the class
  std::vector<std::array<std::vector<Judged>, kAreas>> judged;
};

DetectionEvaluation::DetectionEvaluation(std::int64_t classes) : data_(std::make_unique<Data>()) {
  data_->judged.resize(static_cast<std::size_t>(classes));
}
DetectionEvaluation::~DetectionEvaluation() = default;

void DetectionEvaluation::add(const std::vector<FoundBox>& found, const std::vector<TruthBox>& truth) {
  for (std::size_t k = 0; k < data_->judged.size(); ++k) {
    std::vector<FoundBox> finds;
    std::vector<TruthBox> truths;
    for (const FoundBox& f : found) {
      if (f.label == static_cast<std::int64_t>(k)) finds.push_back(f);
    }
    for (const TruthBox& t : truth) {
      if (t.label == static_cast<std::int64_t>(k)) truths.push_back(t);
    }
    if (finds.empty() && truths.empty()) continue;
    std::stable_sort(finds.begin(), finds.end(), [](const FoundBox& a, const FoundBox& b) { return a.score > b.score; });
    if (finds.size() > kLimits.back()) finds.resize(kLimits.back());
    for (std::size_t a = 0; a < kAreas; ++a) data_->judged[k][a].push_back(judge(finds, truths, kAreaRanges[a]));
  }
}

DetectionMetrics DetectionEvaluation::metrics() const {
  DetectionMetrics m{};
  std::array<Mean, kAreas> precision, recall;
  std::array<Mean, kLimits.size()> limited;
  Mean at50, at75;
  for (const auto& areas : data_->judged) {
    Mean own;
    for (std::size_t a = 0; a < kAreas; ++a) {
      const std::size_t truths = std::accumulate(areas[a].begin(), areas[a].end(), std::size_t{0},
                                                 [](std::size_t sum, const Judged& image) { return sum + image.truths; });
      if (truths == 0) continue;
      for (std::size_t t = 0; t < kThresholds; ++t) {
        const Curve c = curve(areas[a], kLimits.back(), t, truths);
        recall[a].add(c.recall);
        for (const double p : c.precision) {
          precision[a].add(p);
          if (a != 0) continue;
          own.add(p);
          if (t == 0) at50.add(p);
          if (t == 5) at75.add(p);
        }
        if (a != 0) continue;
        for (std::size_t l = 0; l < kLimits.size(); ++l) limited[l].add(curve(areas[a], kLimits[l], t, truths).recall);
      }
    }
    m.class_ap.push_back(own.value());
  }
  m.ap = precision[0].value();
  m.ap50 = at50.value();
  m.ap75 = at75.value();
  m.ap_small = precision[1].value();
  m.ap_medium = precision[2].value();
  m.ap_large = precision[3].value();
  m.ar1 = limited[0].value();
  m.ar10 = limited[1].value();
  m.ar100 = limited[2].value();
  m.ar_small = recall[1].value();
  m.ar_medium = recall[2].value();
  m.ar_large = recall[3].value();
  return m;
}

}  // namespace emotion
