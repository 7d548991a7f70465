#include "emotion/loss/detection_metrics.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "emotion/io/file.h"

namespace emotion {
namespace {

std::array<double, 4> corners(const nlohmann::json& box) {
  const double x = box[0].get<double>(), y = box[1].get<double>();
  return {x, y, x + box[2].get<double>(), y + box[3].get<double>()};
}

// tests/reference/make_coco_golden.py: crowds, equal scores, small and large objects, a class without truth.
TEST(DetectionMetrics, AreThoseOfPycocotools) {
  const auto golden = nlohmann::json::parse(read_file(std::string(EMOTION_TEST_DATA) + "/fixtures/coco.json"));
  DetectionEvaluation evaluation(4);
  for (int image = 0; image < golden["images"].get<int>(); ++image) {
    std::vector<FoundBox> found;
    std::vector<TruthBox> truth;
    for (const auto& f : golden["found"]) {
      if (f["image_id"] == image)
        found.push_back({corners(f["bbox"]), f["category_id"].get<std::int64_t>(), f["score"].get<double>()});
    }
    for (const auto& t : golden["truth"]) {
      if (t["image_id"] == image)
        truth.push_back({corners(t["bbox"]), t["category_id"].get<std::int64_t>(), t["area"].get<double>(), t["iscrowd"] == 1});
    }
    evaluation.add(found, truth);
  }
  const DetectionMetrics m = evaluation.metrics();
  const std::vector<double> values{m.ap,  m.ap50, m.ap75,  m.ap_small, m.ap_medium, m.ap_large,
                                   m.ar1, m.ar10, m.ar100, m.ar_small, m.ar_medium, m.ar_large};
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], golden["stats"][i].get<double>(), 1e-9) << i;
  for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(m.class_ap[k], golden["class_ap"][k].get<double>(), 1e-9) << k;
}

// One object, overlapped by 0.6: right at thresholds .50, .55 and .60. The other find is of another place.
TEST(DetectionMetrics, CountsThresholdsUpToTheOverlap) {
  DetectionEvaluation evaluation(1);
  evaluation.add({{{0, 0, 10, 6}, 0, 0.9}, {{50, 50, 60, 60}, 0, 0.8}}, {{{0, 0, 10, 10}, 0, 100}});
  const DetectionMetrics m = evaluation.metrics();
  EXPECT_NEAR(m.ap, 0.3, 1e-12);
  EXPECT_NEAR(m.ap50, 1, 1e-12);
  EXPECT_EQ(m.ap75, 0);
  EXPECT_NEAR(m.ap_small, 0.3, 1e-12);
  EXPECT_EQ(m.ap_large, -1);
}

TEST(DetectionMetrics, NothingFoundAndNothingThere) {
  DetectionEvaluation evaluation(2);
  evaluation.add({}, {});
  EXPECT_EQ(evaluation.metrics().ap, -1);
  evaluation.add({}, {{{0, 0, 10, 10}, 1, 100}});
  EXPECT_EQ(evaluation.metrics().ap, 0);
}

}  // namespace
}  // namespace emotion
