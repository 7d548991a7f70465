#include "../../src/text/skip_gram.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "emotion/random.h"

namespace emotion {
namespace {

/// The equations of the header, pair by pair in double precision.
void expect_equations(std::size_t inputs, std::size_t outputs, bool positive) {
  const std::size_t width = padded_width(20);
  constexpr float kAlpha = 0.3F;
  Random random{1, inputs, outputs};
  std::vector<std::vector<float>> in(inputs, std::vector<float>(width)), out(outputs, std::vector<float>(width));
  for (auto* rows : {&in, &out}) {
    for (auto& row : *rows) {
      for (std::size_t d = 0; d < 20; ++d) row[d] = static_cast<float>(random.uniform() - 0.5);
    }
  }
  const auto old_in = in, old_out = out;
  std::vector<float> zeros(width);
  SkipGramTile tile{.inputs = {}, .outputs = {}, .input_count = inputs, .output_count = outputs, .first_is_positive = positive};
  for (std::size_t c = 0; c < kTileInputs; ++c) tile.inputs[c] = c < inputs ? in[c].data() : zeros.data();
  for (std::size_t t = 0; t < kTileOutputs; ++t) tile.outputs[t] = t < outputs ? out[t].data() : zeros.data();
  skip_gram_update(tile, width, kAlpha);

  std::vector<std::vector<double>> g(inputs, std::vector<double>(outputs));
  for (std::size_t c = 0; c < inputs; ++c) {
    for (std::size_t t = 0; t < outputs; ++t) {
      double dot = 0;
      for (std::size_t d = 0; d < width; ++d) dot += static_cast<double>(old_in[c][d]) * old_out[t][d];
      g[c][t] = kAlpha * ((positive && t == 0 ? 1 : 0) - 1 / (1 + std::exp(-dot)));
    }
  }
  for (std::size_t d = 0; d < width; ++d) {
    for (std::size_t c = 0; c < inputs; ++c) {
      double wanted = old_in[c][d];
      for (std::size_t t = 0; t < outputs; ++t) wanted += g[c][t] * old_out[t][d];
      ASSERT_NEAR(in[c][d], wanted, 1e-6) << "input " << c << ", number " << d;
    }
    for (std::size_t t = 0; t < outputs; ++t) {
      double wanted = old_out[t][d];
      for (std::size_t c = 0; c < inputs; ++c) wanted += g[c][t] * old_in[c][d];
      ASSERT_NEAR(out[t][d], wanted, 1e-6) << "output " << t << ", number " << d;
    }
    ASSERT_EQ(zeros[d], 0);
  }
}

TEST(SkipGramTest, NoTargetStandsTwiceInATile) {
  std::vector<float> rows(8);
  const auto size = [&](const std::vector<std::size_t>& words) {
    std::vector<float*> targets;
    for (const std::size_t word : words) targets.push_back(&rows[word]);
    return targets_of_a_tile(targets);
  };
  EXPECT_EQ(size({}), 0U);
  EXPECT_EQ(size({3}), 1U);
  EXPECT_EQ(size({0, 1, 2, 3, 4, 5, 6}), kTileOutputs);
  EXPECT_EQ(size({0, 1, 2, 1, 4, 5}), 3U);
  EXPECT_EQ(size({0, 1, 2, 3, 4, 5, 0}), kTileOutputs) << "in the next one";
  EXPECT_EQ(size({7, 7}), 1U);
}

TEST(SkipGramTest, ATileIsTheEquationsForEveryPair) {
  for (const std::size_t inputs : {1, 2, 3, 4}) {
    for (const std::size_t outputs : {1, 5, 6}) {
      expect_equations(inputs, outputs, true);
      expect_equations(inputs, outputs, false);
    }
  }
}

}  // namespace
}  // namespace emotion
