#include "emotion/report/paper_table.h"

#include <cmath>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/report/table_result.h"

namespace emotion {
namespace {

using ::testing::HasSubstr;

const std::string kHead =
    "table: toy/1\ntitle: Toy\nsource: Nobody, 2020\n"
    "measurements:\n"
    "  Acc:\n    command: emotion_eval --checkpoint {checkpoint} --output {output}\n    metric: top1\n"
    "  Hard:\n    command: emotion_eval --checkpoint {checkpoint} --output {output}\n    metric: hard_errors\n    "
    "lower_is_better: true\n"
    "columns: [Acc, Hard]\n"
    "rows:\n"
    "  - {name: with, config: with.yaml, printed: [65.81, null]}\n"
    "  - {name: without, config: without.yaml, printed: [64.76, 12]}\n"
    "  - {name: cited, printed: [61.13, null]}\n";

class TableTest : public ::testing::Test {
 protected:
  PaperTable read(const std::string& text, const Scale& scale = {}) const {
    write_text(folder_.path() / "t.yaml", text);
    return read_paper_table(folder_.path() / "t.yaml", scale);
  }
  std::string refuse(const std::string& text) const {
    const std::string error = error_of<ConfigError>([&] { read(text); });
    const std::string root = folder_.path().string() + "/";
    return error.starts_with(root) ? error.substr(root.size()) : error;
  }
  /// Two rows of two columns, two seeds each, numbers by hand.
  TableResult result() const {
    TableResult r{.table = read(kHead + "orderings:\n  - {claim: a above b, better: with, worse: without}\n"), .seeds = {1, 2}};
    r.cells = {{{{70.0, 72.0}, ""}, {{10.0, 12.0}, ""}},
               {{{69.0, 68.0}, ""}, {{13.0, 14.0}, ""}},
               {{{std::nullopt, std::nullopt}, "cited"}, {{std::nullopt, std::nullopt}, "cited"}}};
    r.runs = {"", "", ""};
    return r;
  }
  ScratchFolder folder_;
};

TEST(Statistics, MeanDeviationAndStudentsInterval) {
  // Values 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, deviation sqrt(7), t(2) = 4.303: half width 4.303 sqrt(7 / 3) = 6.573.
  const double values[] = {1, 2, 6};
  const Estimate e = estimate(values);
  EXPECT_DOUBLE_EQ(e.mean, 3);
  EXPECT_DOUBLE_EQ(e.deviation, std::sqrt(7.0));
  EXPECT_NEAR(e.low, 3 - 6.573, 1e-3);
  EXPECT_NEAR(e.high, 3 + 6.573, 1e-3);
}

TEST(Statistics, ManyMeasurementsTendToTheNormalQuantile) {
  std::vector<double> values;
  for (int i = 0; i < 61; ++i) values.push_back(i % 2 == 0 ? 1 : -1);
  const Estimate e = estimate(values);  // t(60) = 2.0003
  EXPECT_NEAR((e.high - e.mean) / (e.deviation / std::sqrt(61.0)), 2.0003, 2e-3);
}

TEST(Statistics, VerdictLooksAtTheWholeInterval) {
  const double holds[] = {1.0, 1.2, 1.1}, fails[] = {-1.0, -1.2, -1.1}, open[] = {2.0, -1.0, 0.5}, one[] = {9.0};
  EXPECT_EQ(judge(holds), Verdict::kHolds);
  EXPECT_EQ(judge(fails), Verdict::kFails);
  EXPECT_EQ(judge(open), Verdict::kOpen);
  EXPECT_EQ(judge(one), Verdict::kOpen);  // one seed has no interval, however large the difference
  EXPECT_EQ(judge({}), Verdict::kUnknown);
}

TEST_F(TableTest, ReadsRowsColumnsAndOrderings) {
  const PaperTable t =
      read(kHead + "orderings:\n  - {claim: more is better, increasing: [cited, without, with], columns: [Acc]}\n");
  EXPECT_EQ(t.id, "toy/1");
  ASSERT_EQ(t.rows.size(), 3U);
  EXPECT_EQ(t.rows[0].printed[0], 65.81);
  EXPECT_EQ(t.rows[0].printed[1], std::nullopt);
  EXPECT_TRUE(t.columns[1].lower_is_better);
  ASSERT_EQ(t.orderings.size(), 3U);  // the ends first, then each step
  EXPECT_EQ(t.orderings[0].better, 0U);
  EXPECT_EQ(t.orderings[0].worse, 2U);
  EXPECT_EQ(t.orderings[2].claim, "more is better: with above without");
  EXPECT_EQ(t.orderings[0].columns, std::vector<std::size_t>{0});
}

TEST_F(TableTest, AClaimAboutEachColumnIsAnOrderingOfEach) {
  const PaperTable t = read(kHead +
                            "orderings:\n  - {claim: a above b, better: with, worse: without, each: true}\n"
                            "  - {claim: more, increasing: [cited, without], columns: [Acc], each: true}\n");
  ASSERT_EQ(t.orderings.size(), 3U);
  EXPECT_EQ(t.orderings[0].claim, "a above b: Acc");
  EXPECT_EQ(t.orderings[0].columns, std::vector<std::size_t>{0});
  EXPECT_EQ(t.orderings[1].claim, "a above b: Hard");
  EXPECT_EQ(t.orderings[1].columns, std::vector<std::size_t>{1});
  EXPECT_EQ(t.orderings[2].claim, "more: without above cited: Acc");
  EXPECT_EQ(t.orderings[2].better, 1U);
  EXPECT_EQ(refuse(kHead + "orderings: [{claim: c, better: with, worse: without, each: yes}]\n"),
            "t.yaml:17:60: each must be true or false");
}

TEST_F(TableTest, AScaleStandsInForRecipesAndMeasurements) {
  write_text(folder_.path() / "small.yaml",
             "replaces_data: true\n"
             "made: {data/toy: {run: [emotion_data synth affect --count 10 --out data/toy]}}\n"
             "measurements: {Acc: {command: emotion_probe --output x, metric: mAP}}\n"
             "settings: {emotionnet: [train.epochs=1]}\n");
  const Scale scale = read_scale(folder_.path() / "small.yaml");
  EXPECT_EQ(scale.name, "small");
  const PaperTable t = read(kHead + "made: {data/toy: {train: a.yaml}, runs/b: {train: b.yaml}}\n", scale);
  EXPECT_EQ(t.columns[0].metric, "mAP");
  EXPECT_EQ(t.columns[1].metric, "hard_errors");
  EXPECT_THAT(t.made.at("data/toy").commands, ::testing::ElementsAre("emotion_data synth affect --count 10 --out data/toy"));
  EXPECT_EQ(t.made.at("runs/b").train, "b.yaml");
  EXPECT_THAT(scale.settings.at("emotionnet"), ::testing::ElementsAre("train.epochs=1"));
}

TEST_F(TableTest, RefusesWhatItCannotMean) {
  EXPECT_EQ(refuse("table: a\ntitel: b\n"), "t.yaml:2:1: a table has no key 'titel'; did you mean title?");
  EXPECT_EQ(refuse(kHead + "orderings: [{claim: c, better: wiht, worse: without}]\n"),
            "t.yaml:17:32: there is no row 'wiht'; did you mean with?");
  EXPECT_EQ(refuse(kHead + "  - {name: with, printed: [1, 2]}\n"), "t.yaml:17:5: row 'with' stands twice");
  EXPECT_EQ(refuse(kHead + "  - {name: short, printed: [1]}\n"),
            "t.yaml:17:28: row 'short' has 1 printed figures, the table has 2 columns; null where none is printed");
  EXPECT_EQ(refuse(kHead + "made: {data/x: {run: [rm -rf data/x]}}\n"),
            "t.yaml:17:16: 'rm -rf data/x' is none of this project's commands; a recipe runs emotion_.. alone");
  EXPECT_EQ(refuse(kHead + "made: {/etc/x: {train: a.yaml}}\n"), "t.yaml:17:8: '/etc/x' is neither below data/ nor below runs/");
  EXPECT_EQ(refuse(kHead + "made: {data/x: {}}\n"), "t.yaml:17:16: a recipe is either train: CONFIG or run: [COMMAND, ..]");
  const std::string folds = ": folds: [..] and {fold} in its command or settings go together";
  for (const std::string wrong : {"folds: [0, 1]", "settings: ['data.val.split=fold{fold}']"}) {
    std::string text = kHead;
    EXPECT_THAT(refuse(text.insert(text.find("metric: top1"), wrong + "\n    ")),
                ::testing::EndsWith("measurement 'Acc'" + folds));
  }
}

TEST_F(TableTest, OrderingIsTheMeanOverColumnsOfPairsThatShareASeed) {
  // Acc: +1, +4; hard errors, lower is better: +3, +2; means 2 and 3.
  const auto judged = judge_orderings(result());
  ASSERT_EQ(judged.size(), 1U);
  EXPECT_THAT(judged[0].differences, ::testing::ElementsAre(2.0, 3.0));
  // mean 2.5, deviation 0.7071, t(1) = 12.706: half 12.706 * 0.5 = 6.353
  EXPECT_EQ(judged[0].verdict, Verdict::kOpen);
  EXPECT_EQ(verdict_text(judged[0]),
            "not decided, the mean is as the claim: +2.50 [−3.85, +8.85] over 2 seeds, mean of Acc, Hard");
}

TEST_F(TableTest, OrderingLeavesOutWhatWasNotMeasured) {
  TableResult r = result();
  r.cells[0][1] = {{std::nullopt, std::nullopt}, "not run: data/x is missing"};
  r.cells[1][0].by_seed[1] = std::nullopt;
  const auto judged = judge_orderings(r);
  EXPECT_THAT(judged[0].columns, ::testing::ElementsAre("Acc"));
  EXPECT_THAT(judged[0].differences, ::testing::ElementsAre(1.0));
  EXPECT_EQ(verdict_text(judged[0]), "one seed decides nothing: +1.00 (as the claim)");
  r.cells[0][0].by_seed = {std::nullopt, std::nullopt};
  EXPECT_EQ(verdict_text(judge_orderings(r)[0]), "not measured");
}

TEST_F(TableTest, ACitedRowStandsWithItsPrintedFiguresAtThePapersScaleAlone) {
  TableResult r = result();
  r.table = read(kHead + "orderings:\n  - {claim: above the other work, better: with, worse: cited}\n");
  EXPECT_EQ(verdict_text(judge_orderings(r)[0]), "figures of another work: compared at the paper's scale alone");
  r.as_in_paper = true;
  // Acc alone is printed: 70 - 61.13, 72 - 61.13; mean 9.87, deviation 1.4142, half 12.706 * 1 = 12.706.
  const auto judged = judge_orderings(r);
  EXPECT_THAT(judged[0].columns, ::testing::ElementsAre("Acc"));
  ASSERT_EQ(judged[0].differences.size(), 2U);
  EXPECT_NEAR(judged[0].differences[0], 8.87, 1e-9);
  EXPECT_NEAR(judged[0].differences[1], 10.87, 1e-9);
  EXPECT_EQ(verdict_text(judged[0]), "not decided, the mean is as the claim: +9.87 [−2.84, +22.58] over 2 seeds");
}

TEST_F(TableTest, AnOrderTheOtherWayRoundIsSaidPlainly) {
  TableResult r = result();
  std::swap(r.cells[0], r.cells[1]);
  r.seeds = {1, 2, 3};
  for (auto& line : r.cells) {
    for (auto& cell : line) cell.by_seed.push_back(cell.by_seed[0]);
  }
  for (auto& line : r.cells) line[1].by_seed = line[0].by_seed = {line[0].by_seed[0], line[0].by_seed[0], line[0].by_seed[0]};
  r.cells[0][1].by_seed = {14.0, 14.0, 14.0};
  r.cells[1][1].by_seed = {12.0, 12.0, 12.0};
  // Acc 69 - 70 = -1, hard errors 12 - 14 = -2, at every seed: -1.5 without spread.
  EXPECT_EQ(verdict_text(judge_orderings(r)[0]),
            "DOES NOT HOLD, the order is the other way round: −1.50 [−1.50, −1.50] over 3 seeds, mean of Acc, Hard");
}

TEST_F(TableTest, EqualFiguresAreNoDifference) {
  TableResult r = result();
  r.cells[1] = r.cells[0];
  EXPECT_EQ(verdict_text(judge_orderings(r)[0]),
            "not decided, no difference: +0.00 [+0.00, +0.00] over 2 seeds, mean of Acc, Hard");
  for (auto& line : r.cells) line[0].by_seed[1] = line[1].by_seed[0] = line[1].by_seed[1] = std::nullopt;
  EXPECT_EQ(verdict_text(judge_orderings(r)[0]), "one seed decides nothing: +0.00 (no difference)");
}

TEST_F(TableTest, NumbersByHandInEveryForm) {
  TableResult r = result();
  r.cells[1][1] = {{std::nullopt, std::nullopt}, "not run: data/x, data/y are missing"};
  const std::vector<TableResult> all{r};
  const std::string markdown = tables_markdown(all, "paper");
  // 70, 72: mean 71, deviation sqrt(2); 71 - 65.81 = 5.19. 10, 12: mean 11, nothing printed.
  EXPECT_THAT(markdown, HasSubstr("| with | 65.81 → 71.00 ± 1.41 (+5.19) | – → 11.00 ± 1.41 |\n"));
  EXPECT_THAT(markdown, HasSubstr("| without | 64.76 → 68.50 ± 0.71 (+3.74) | 12.00 → not run [1] |\n"));
  EXPECT_THAT(markdown, HasSubstr("| cited | 61.13 → cited | – → cited |\n"));
  EXPECT_THAT(markdown, HasSubstr("\n[1] not run: data/x, data/y are missing\n"));
  const std::string csv = tables_csv(all);
  EXPECT_THAT(csv, HasSubstr("toy/1,with,Acc,top1,65.81,71.0000,1.4142,2,5.1900,,70.0000 72.0000\n"));
  EXPECT_THAT(csv, HasSubstr("toy/1,without,Hard,hard_errors,12,,,0,,\"not run: data/x, data/y are missing\",\n"));
  const std::string html = tables_html(all, "paper");
  EXPECT_THAT(html, HasSubstr("<td>65.81 → 71.00 ± 1.41 (+5.19)</td>"));
  EXPECT_THAT(html, HasSubstr("[1] not run: data/x, data/y are missing"));
}

TEST_F(TableTest, ACellWithASeedLessSaysSo) {
  TableResult r = result();
  r.cells[0][0] = {{70.0, std::nullopt}, "failed: emotion_train ended with 1: the loss is NaN"};
  EXPECT_THAT(tables_markdown(std::vector{r}, "synth"), HasSubstr("65.81 → 70.00 (+4.19), 1 of 2 seeds [1]"));
  EXPECT_THAT(tables_markdown(std::vector{r}, "synth"), HasSubstr("[1] failed: emotion_train ended with 1: the loss is NaN"));
}

/// The project's own tables, as printed: a table measured to be what the paper says.
std::vector<TableResult> printed_tables() {
  std::vector<TableResult> results;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(EMOTION_TEST_DATA) / "../../configs/tables")) {
    if (entry.path().extension() != ".yaml") continue;
    TableResult r{.table = read_paper_table(entry.path(), {}), .seeds = {1}, .as_in_paper = true};
    for (const auto& row : r.table.rows) {
      auto& cells = r.cells.emplace_back();
      for (const auto& printed : row.printed) cells.push_back({{printed}, ""});
    }
    r.runs.resize(r.table.rows.size());
    results.push_back(std::move(r));
  }
  return results;
}

TEST(PapersTables, EveryClaimAgreesWithThePrintedFigures) {
  std::size_t compared = 0;
  for (const TableResult& r : printed_tables()) {
    for (const OrderingResult& o : judge_orderings(r)) {
      if (o.differences.empty()) continue;  // a claim about a curve, or about what is printed for one row alone
      ++compared;
      EXPECT_GT(o.differences[0], 0) << r.table.id << ": " << o.ordering.claim;
    }
  }
  EXPECT_GE(compared, 25U);
}

// The paper beats four of the five; figures that beat one by much and miss three are not that, whatever their mean.
TEST(PapersTables, AGainOnOneSetDoesNotHideLossesOnOthers) {
  for (TableResult& r : printed_tables()) {
    if (r.table.id != "emotionnet/2") continue;
    r.seeds = {1, 2};
    for (auto& line : r.cells) {
      for (auto& cell : line) cell.by_seed.push_back(cell.by_seed[0]);
    }
    const std::vector<double> measured{60.0, 92.0, 50.0, 60.0, 24.0, 22.0};
    for (std::size_t c = 0; c < measured.size(); ++c) r.cells[2][c].by_seed = {measured[c], measured[c]};
    std::vector<std::string> verdicts;
    for (const OrderingResult& o : judge_orderings(r)) {
      if (o.ordering.claim.starts_with("EmotionNet above the previous best"))
        verdicts.push_back(o.ordering.claim + ": " + verdict_text(o));
    }
    const std::string claim = "EmotionNet above the previous best: ",
                      fails = ": DOES NOT HOLD, the order is the other way round: ";
    // 60 - 61.13, 92 - 74.30, 24 - 25.44, 22 - 22.48
    EXPECT_THAT(verdicts, ::testing::ElementsAre(claim + "DE" + fails + "−1.13 [−1.13, −1.13] over 2 seeds",
                                                 claim + "UBE: holds: +17.70 [+17.70, +17.70] over 2 seeds",
                                                 claim + "EMOTIC-B" + fails + "−1.44 [−1.44, −1.44] over 2 seeds",
                                                 claim + "EMOTIC-I" + fails + "−0.48 [−0.48, −0.48] over 2 seeds"));
    return;
  }
  FAIL() << "there is no table emotionnet/2";
}

TEST(PapersTables, EveryRowOfAnAblationIsInAClaim) {
  std::size_t tables = 0;
  for (const TableResult& r : printed_tables()) {
    const auto& id = r.table.id;
    if (id != "emotionnet/3" && id != "emotionnet/4" && id != "emotionnet/5" && id != "stimuli/2") continue;
    ++tables;
    std::set<std::size_t> claimed;
    for (const Ordering& o : r.table.orderings) claimed.insert({o.better, o.worse});
    for (std::size_t row = 0; row < r.table.rows.size(); ++row)
      EXPECT_TRUE(claimed.contains(row)) << id << r.table.rows[row].name;
  }
  EXPECT_EQ(tables, 4U);
}

}  // namespace
}  // namespace emotion
