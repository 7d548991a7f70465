#include <chrono>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reproduce_support.h"

// Runs the command itself. Its trainings and measurements are small scripts under the commands' names, so that failures, kills
// and what is run again can be seen. The real commands: reproduce_real_test.cpp; the project's own tables:
// project_tables_test.cpp.
namespace emotion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ReproduceTest, ListsRowsWhatTheyNeedAndThePapersFigure) {
  const auto result = run({"--list", "--table", "toy/1"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("toy/1: Toy (Nobody, 2020)\n  good  [good.yaml]\n"));
  EXPECT_THAT(result.output, HasSubstr("Acc            paper  50.00  emotion_eval top1  data/made to be made\n"));
  EXPECT_THAT(result.output, HasSubstr("data/lost missing\n"));
  EXPECT_EQ(calls(""), "") << "--list must run nothing";
  EXPECT_FALSE(fs::exists(root_ / "out"));
}

TEST_F(ReproduceTest, WhatIsMadeOfSomethingMissingIsMissing) {
  config("third", "lr: 0.1", "data/third");
  write_text(root_ / "configs/tables/toy_3.yaml",
             "table: toy/3\ntitle: Toy\nsource: Nobody, 2020\nmade:\n"
             "  data/second:\n    run: [emotion_data split data/lost --out data/second]\n"
             "  data/third:\n    run: [emotion_data split data/second --out data/third]\nmeasurements:\n" +
                 measured("Acc", kMeasure) + "columns: [Acc]\nrows:\n  - {name: third, config: third.yaml, printed: [50]}\n");
  const auto result = run({"--list", "--table", "toy/3"});
  EXPECT_THAT(result.output, HasSubstr("data/lost missing, data/second missing, data/third missing\n")) << result.errors;
}

TEST_F(ReproduceTest, AFailingRowAndARowWithoutDataLeaveTheOthersAlone) {
  const auto result = run({"--seeds", "1,3"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, HasSubstr("1 cells failed; why stands below their tables, and in the log of each: out\n"));
  // 0.51 and 0.53: 52 +- 1.4142, 2 above the paper's 50.
  EXPECT_THAT(csv(), HasSubstr("toy/1,good,Acc,top1,50,52.0000,1.4142,2,2.0000,,51.0000 53.0000\n"));
  EXPECT_THAT(csv(), HasSubstr("toy/1,bad,Acc,top1,50,,,0,,failed: emotion_train ended with 1: step 7: the loss is NaN; lower "
                               "optimizer.lr,\n"));
  EXPECT_THAT(csv(), HasSubstr("toy/1,lost,Acc,top1,50,,,0,,not run: data/lost is missing,\n"));
  EXPECT_THAT(result.output, HasSubstr("| lost | 50.00 → not run [2] |\n"));
  EXPECT_EQ(read_file(root_ / "out/tables.md"), result.output);
}

TEST_F(ReproduceTest, RowsThatAskForTheSameTrainingShareIt) {
  EXPECT_EQ(run({"--table", "toy"}).code, 1);
  EXPECT_EQ(count("data"), 1);
  EXPECT_EQ(count("train"), 2) << calls("train");  // good (= same) and bad
  EXPECT_EQ(count("eval"), 1);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,51.0000,"));
  EXPECT_THAT(read_file(root_ / "out/tables.html"), HasSubstr("/seed-1/report.html\">same</a>"));
}

TEST_F(ReproduceTest, TheSameCommandAgainSkipsWhatIsFinishedAndTriesTheRest) {
  run({"--table", "toy/1"});
  config("bad", "lr: 0.3", "data/made");  // mended
  const auto again = run({"--table", "toy/1"});
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_EQ(count("data"), 1);
  EXPECT_EQ(count("train"), 3) << calls("train");  // good, bad, the mended one
  EXPECT_THAT(csv(), HasSubstr("toy/1,bad,Acc,top1,50,51.0000"));
  run({"--table", "toy/1"});
  EXPECT_EQ(count(""), 1 + 3 + 2);
}

TEST_F(ReproduceTest, AnotherSettingIsAnotherTraining) {
  run({"--table", "toy/2"});
  run({"--table", "toy/2", "--set", "train.epochs=2"});
  EXPECT_EQ(count("train"), 2);
  EXPECT_EQ(count("data"), 1);
}

// A row's training and what it is made of may be of different tasks: a key goes to those that have it.
TEST_F(ReproduceTest, ASettingIsForTheTasksThatHaveItsKey) {
  const std::string data = "data: {train: {dataset: data/made, split: train}, val: {dataset: data/made, split: val}}\n";
  write_text(root_ / "configs/words.yaml", "task: textcnn\noutput: runs/words\n" + data);
  write_text(root_ / "configs/net.yaml",
             "task: emotionnet\noutput: runs/net\n" + data + "text: {textcnn: runs/words}\nloss: {embedding_weight: 0}\n");
  write_text(root_ / "configs/tables/toy_3.yaml",
             "table: toy/3\ntitle: Toy\nsource: Nobody, 2020\nmade:\n  runs/words: {train: words.yaml}\n"
             "  data/made:\n    run: [emotion_data synth affect --count 10 --out data/made]\nmeasurements:\n" +
                 measured("Acc", kMeasure) + "columns: [Acc]\nrows:\n  - {name: net, config: net.yaml, printed: [50]}\n");
  const auto result = run({"--table", "toy/3", "--set", "model.backbone=resnet18", "--set", "model.dropout=0.25"});
  EXPECT_EQ(result.code, 0) << result.errors << result.output;
  std::map<std::string, std::string> trained;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "out")) {
    if (entry.path().filename() != "config.yaml") continue;
    const std::string text = read_file(entry.path());
    trained[text.substr(0, text.find('\n'))] = text;
  }
  ASSERT_EQ(trained.size(), 2U);
  EXPECT_THAT(trained["task: emotionnet"], HasSubstr("  backbone: resnet18\n"));
  EXPECT_THAT(trained["task: emotionnet"], Not(HasSubstr("dropout")));
  EXPECT_THAT(trained["task: textcnn"], HasSubstr("  dropout: 0.25\n"));
  EXPECT_THAT(trained["task: textcnn"], Not(HasSubstr("backbone")));
  for (const auto& [setting, error] :
       {std::pair{"model.detector.head=64", "it has no effect on what these tables train (emotionnet, textcnn); leave it out"},
        {"model.backbon=resnet18", "unknown key model.backbon; did you mean model.backbone?"}}) {
    const auto refused = run({"--table", "toy/3", "--set", setting});
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.errors, std::string("--set ") + setting + ": " + error + "\n");
  }
}

TEST_F(ReproduceTest, SigintSavesAndTheNextCallGoesOn) {
  write_text(root_ / "slow", "");
  const Process process(root_, command_words(words({"--table", "toy/2"})));
  wait_for_training();
  process.send(SIGINT);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.errors, HasSubstr("interrupted; what is finished is kept, the same command goes on with the rest\n"));
  EXPECT_EQ(count("saved"), 1);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,,,0,,open: not finished yet,\n"));
  fs::remove(root_ / "slow");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,51.0000"));
  EXPECT_EQ(count("data"), 1);
  EXPECT_THAT(calls("train"), HasSubstr("--resume"));
}

TEST_F(ReproduceTest, KilledAtOnceItsTrainingEndsTooAndTheNextCallGoesOn) {
  write_text(root_ / "slow", "");
  const Process process(root_, command_words(words({"--table", "toy/2"})));
  wait_for_training();
  EXPECT_EQ(run({"--table", "toy/2"}).errors,
            "out: another emotion_reproduce works there; wait for it or give another --output\n");
  process.send(SIGKILL);
  EXPECT_EQ(process.wait().code, 128 + SIGKILL);
  for (int i = 0; i < 200 && count("saved") == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(count("saved"), 1);  // the training was told to save when its parent died
  fs::remove(root_ / "slow");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,51.0000"));
}

TEST_F(ReproduceTest, AScaleMakesItsOwnDataAndDropsWeightsOnceMeasured) {
  write_text(root_ / "configs/scales/small.yaml",
             "replaces_data: true\nmade: {data/made: {run: [emotion_data synth stock --out data/made]}}\n"
             "settings: {classifier: [train.epochs=2]}\n");
  fs::create_directories(root_ / "data/made");  // not looked at
  const auto result = run({"--scale", "small", "--table", "toy/2", "--seeds", "1"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(calls("data"), HasSubstr("data synth stock --out out/made/made-"));
  const fs::path run_folder = fs::directory_iterator(root_ / "out/runs")->path() / "seed-1";
  EXPECT_THAT(read_file(run_folder / "config.yaml"), HasSubstr("epochs: 2\n"));
  EXPECT_THAT(read_file(run_folder / "config.yaml"), HasSubstr("dataset: out/made/made-"));
  EXPECT_FALSE(fs::exists(run_folder / "checkpoints"));
  EXPECT_TRUE(fs::exists(run_folder / "report.html"));
  EXPECT_THAT(result.output, HasSubstr("Scale small: small networks on another world"));
}

TEST_F(ReproduceTest, ASplitThatADataSetLacksIsMissingBeforeAnythingRuns) {
  dataset("data/made", {"train", "test"});  // the configs validate on val
  const std::string probe = "emotion_probe --checkpoint {checkpoint} --data data/faces --output {output}";
  write_table("toy_2", "toy/2",
              measured("Probed", probe) + measured("On val", probe + " --test-split=val") +
                  measured("Evaluated", kMeasure + " --data data/faces --split dev"),
              "Probed, On val, Evaluated", "  - {name: same, config: same.yaml, printed: [1, 2, 3]}\n");
  dataset("data/faces", {"train", "val"});
  auto listed = run({"--list", "--table", "toy/2"});
  EXPECT_THAT(listed.output, HasSubstr("    needs data/faces there, data/made there, split val of data/made missing\n"));
  EXPECT_THAT(listed.output, HasSubstr("top1  split test of data/faces missing\n"));
  EXPECT_THAT(listed.output, HasSubstr("top1  split dev of data/faces missing\n"));
  const auto result = run({"--table", "toy"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(calls(""), "");
  EXPECT_THAT(csv(), HasSubstr("toy/1,good,Acc,top1,50,,,0,,not run: split val of data/made is missing,\n"));
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,On val,top1,2,,,0,,not run: split val of data/made is missing,\n"));

  dataset("data/made", {"train", "val"});
  listed = run({"--list", "--table", "toy/2"});
  EXPECT_THAT(listed.output, HasSubstr("On val         paper   2.00  emotion_probe top1  \n"));
  EXPECT_THAT(listed.output, Not(HasSubstr("split val")));
  EXPECT_EQ(run({"--table", "toy/1"}).code, 1);  // bad alone fails
  EXPECT_THAT(csv(), HasSubstr("toy/1,good,Acc,top1,50,51.0000"));
}

TEST_F(ReproduceTest, NamesBelowConfigsLieWhereTheConfigsDo) {
  write_table("toy_2", "toy/2", measured("Acc", kMeasure + " --synonyms configs/words.tsv --set data.targets=configs/words.tsv"),
              "Acc", "  - {name: same, config: same.yaml, printed: [50]}\n");
  fs::create_directories(root_ / "far/away");
  fs::rename(root_ / "configs", root_ / "far/away/settings");
  EXPECT_THAT(run({"--configs", "far/away/settings", "--list", "--table", "toy/2"}).output,
              HasSubstr("far/away/settings/words.tsv missing\n"));
  write_text(root_ / "far/away/settings/words.tsv", "a\tb\n");
  const auto result = run({"--configs", "far/away/settings", "--table", "toy/2"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(calls("eval"),
              HasSubstr("--synonyms far/away/settings/words.tsv --set data.targets=far/away/settings/words.tsv\n"));
}

TEST_F(ReproduceTest, AColumnMayHaveAConfigOfItsOwn) {
  config("other", "lr: 0.7", "data/made");
  write_table("toy_2", "toy/2", measured("A", kMeasure) + measured("B", kMeasure), "A, B",
              "  - {name: two, config: {A: good.yaml, B: other.yaml}, printed: [50, 50]}\n"
              "  - {name: one, config: good.yaml, printed: [50, 50]}\n");
  EXPECT_THAT(run({"--list", "--table", "toy/2"}).output, HasSubstr("  two  [good.yaml, other.yaml]\n"));
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_EQ(count("train"), 2) << calls("train");
  // A of both rows is one measurement; B of `two` is of the other training.
  EXPECT_EQ(count("eval"), 3) << calls("eval");
  std::set<std::string> rates;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "out/runs")) {
    if (entry.path().filename() != "config.yaml") continue;
    const std::string text = read_file(entry.path());
    rates.insert(text.substr(text.find("  lr: "), 9));
  }
  EXPECT_THAT(rates, ::testing::ElementsAre("  lr: 0.1", "  lr: 0.7"));
}

/// top1 = fold / 10 + seed / 100; fails where there is a file refuse-FOLD-SEED.
constexpr const char* kFoldEval = R"(#!/bin/bash
echo "eval $*" >> calls
while [ $# -gt 0 ]; do
  case "$1" in --checkpoint) run="$2";; --split) fold="${2#fold}"; fold="${fold%-test}";; --output) out="$2";; esac; shift
done
seed="${run##*seed-}"
[ -e "refuse-$fold-$seed" ] && { echo 'no such fold' >&2; exit 3; }
printf '{"top1": 0.%s%s}' "$fold" "$seed" > "$out/metrics.json"
)";

// Two folds of each of two rows that differ by a setting alone.
TEST_F(ReproduceTest, ASeedsFigureIsTheMeanOfItsFolds) {
  write_text(root_ / "fake/emotion_eval", kFoldEval);
  write_table(
      "toy_2", "toy/2",
      measured("Acc", "emotion_eval --checkpoint {checkpoint} --data data/made --split fold{fold}-test --output {output}") +
          "    folds: [2, 4]\n"
          "    settings: ['data.train.split=fold{fold}-train', 'data.val.split=fold{fold}-test']\n",
      "Acc",
      "  - {name: plain, config: good.yaml, printed: [50]}\n"
      "  - {name: changed, config: good.yaml, settings: [optimizer.lr=0.7], printed: [null]}\n");
  // A fold that is missing is missing before any other of them runs.
  dataset("data/made", {"fold2-train", "fold2-test", "fold4-train"});
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("toy/2,plain,Acc,top1,50,,,0,,not run: split fold4-test of data/made is missing,\n"));
  EXPECT_EQ(calls(""), "");
  fs::remove_all(root_ / "data");

  const auto result = run({"--table", "toy/2", "--seeds", "1,3"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(count("train"), 8) << calls("train");
  EXPECT_EQ(count("eval"), 8) << calls("eval");
  // Seed 1: (0.21 + 0.41) / 2, seed 3: (0.23 + 0.43) / 2.
  EXPECT_THAT(csv(), HasSubstr("toy/2,plain,Acc,top1,50,32.0000,1.4142,2,-18.0000,,31.0000 33.0000\n"));
  EXPECT_THAT(csv(), HasSubstr("toy/2,changed,Acc,top1,,32.0000,1.4142,2,,,31.0000 33.0000\n"));
  std::set<std::string> trained;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "out/runs")) {
    if (entry.path().filename() != "config.yaml") continue;
    const std::string text = read_file(entry.path());
    trained.insert(text.substr(text.find("split: "), 18) + text.substr(text.find("  lr: "), 9));
  }
  EXPECT_THAT(trained, ::testing::ElementsAre("split: fold2-train  lr: 0.1", "split: fold2-train  lr: 0.7",
                                              "split: fold4-train  lr: 0.1", "split: fold4-train  lr: 0.7"));
  const std::string html = read_file(root_ / "out/tables.html");
  const auto link = [&](const std::string& row) {
    const std::size_t end = html.find("\">" + row + "</a>");
    return html.substr(html.rfind('"', end - 1), end - html.rfind('"', end - 1));
  };
  EXPECT_NE(link("plain"), link("changed"));

  write_text(root_ / "refuse-4-3", "");
  EXPECT_EQ(run({"--table", "toy/2", "--seeds", "1,3", "--set", "train.epochs=2"}).code, 1);
  EXPECT_THAT(csv(),
              HasSubstr("toy/2,plain,Acc,top1,50,31.0000,,1,-19.0000,failed: emotion_eval ended with 3: no such fold,31.0000\n"));
}

TEST_F(ReproduceTest, ARowThatIsNotTrainedIsMeasuredAsItsWeightsAre) {
  write_text(root_ / "configs/plain.yaml",
             "task: classifier\ndata: {train: {dataset: data/lost, split: train}, resize: 40, size: 32}\n"
             "model: {backbone: resnet34, init: data/net.pth}\n");
  write_table("toy_2", "toy/2", measured("Acc", kMeasure), "Acc",
              "  - {name: plain, config: plain.yaml, trained: false, printed: [50]}\n");
  EXPECT_THAT(run({"--list", "--table", "toy/2"}).output, HasSubstr("  plain  [plain.yaml, not trained]\n"));
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("not run: data/net.pth is missing"));
  write_text(root_ / "data/net.pth", "weights");
  EXPECT_EQ(run({"--table", "toy/2", "--device", "cpu"}).code, 0);
  EXPECT_EQ(count("train"), 0);
  // Its training data is not asked for; the network and its input are told to the command.
  EXPECT_THAT(calls("eval"), HasSubstr("eval --checkpoint data/net.pth --output out/results/"));
  EXPECT_THAT(calls("eval"), HasSubstr(" --set model.backbone=resnet34 --set data.resize=40 --set data.size=32 --device cpu\n"));
  EXPECT_THAT(csv(), HasSubstr("toy/2,plain,Acc,top1,50,12.5000,"));
}

TEST_F(ReproduceTest, JobsIsTheNumberOfCommandsAtATime) {
  EXPECT_EQ(run({"--table", "toy/2", "--seeds", "1,2,3", "--jobs", "1"}).code, 0);
  EXPECT_EQ(read_file(root_ / "order"), "begin\nend\nbegin\nend\nbegin\nend\n");
  write_text(root_ / "meet", "");  // a training ends once another is there
  const auto two = run({"--table", "toy/2", "--seeds", "4,5", "--jobs", "2"});
  EXPECT_EQ(two.code, 0) << two.errors;
}

TEST_F(ReproduceTest, WeightsThatAreKeptStay) {
  write_text(root_ / "configs/scales/small.yaml",
             "replaces_data: true\nmade: {data/made: {run: [emotion_data synth stock --out data/made]}}\n");
  EXPECT_EQ(run({"--scale", "small", "--table", "toy/2", "--seeds", "1", "--keep-weights"}).code, 0);
  const fs::path run_folder = fs::directory_iterator(root_ / "out/runs")->path() / "seed-1";
  EXPECT_TRUE(fs::exists(run_folder / "checkpoints/best/model.safetensors"));
}

TEST_F(ReproduceTest, RefusesUnknownNames) {
  EXPECT_EQ(run({"--table", "toy/3"}).errors, "--table toy/3: there are toy/1, toy/2; did you mean toy/1?\n");
  EXPECT_EQ(run({"--table", "toy/3"}).code, 2);
  write_text(root_ / "configs/scales/small.yaml", "replaces_data: true\n");
  EXPECT_EQ(run({"--scale", "smal"}).errors, "--scale smal: there are paper, small; did you mean small?\n");
  EXPECT_EQ(run({"--configs", "nowhere"}).errors,
            "nowhere/tables: no such folder; run from the source tree, or give its configs by --configs\n");
  EXPECT_EQ(run({"--compare", "fake"}).errors, "--compare: two run folders at least are wanted\n");
  EXPECT_EQ(run({"--compare", "fake", "--compare", "out"}).errors,
            "fake: not a run folder: there is no config.yaml, and no scalar in a TensorBoard event file\n");
  EXPECT_EQ(run({"--seeds", "1,2,1"}).errors,
            "--seeds: 1 stands twice, and would be one training counted as two; leave one out\n");
  EXPECT_EQ(run({"--seeds", "1,2,1"}).code, 2);
  EXPECT_EQ(run({"--set", "train.epochs=2", "--set", "seed=5"}).errors,
            "--set seed=5: every row is trained with the seeds of --seeds; give --seeds 5\n");
  EXPECT_EQ(run({"--set", "seed=5"}).code, 2);
}

// Nothing is run where runs are compared.
TEST_F(ReproduceTest, AComparisonTakesNoFlagsOfTables) {
  EXPECT_EQ(run({"--compare", "fake", "--compare", "out", "--again"}).code, 2);
  for (const auto& [flag, value] : {std::pair<std::string, std::string>{"--scale", "synth"},
                                    {"--seeds", "1"},
                                    {"--jobs", "1"},
                                    {"--device", "cpu"},
                                    {"--set", "train.epochs=1"},
                                    {"--configs", "configs"}}) {
    const auto result = run({"--compare", "fake", "--compare", "out", flag, value});
    EXPECT_EQ(result.code, 2) << flag;
    EXPECT_THAT(result.errors, HasSubstr("excludes")) << flag;
    EXPECT_THAT(result.errors, HasSubstr(flag));
  }
}

TEST_F(ReproduceTest, AMetricThatIsNotThereIsAFailureNotAZero) {
  write_text(root_ / "configs/tables/toy_2.yaml",
             "table: toy/2\ntitle: Toy\nsource: Nobody, 2020\n"
             "made:\n  data/made:\n    run: [emotion_data synth affect --count 10 --out data/made]\n"
             "measurements:\n  Acc:\n    command: emotion_eval --checkpoint {checkpoint} --output {output}\n    metric: "
             "per_class.joy.ap\n"
             "columns: [Acc]\nrows:\n  - {name: same, config: same.yaml, printed: [50]}\n");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 1);
  EXPECT_THAT(csv(), HasSubstr("metrics.json: it has no figure 'per_class.joy.ap'"));
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,per_class.joy.ap,50,,,0,,failed"));
}

}  // namespace
}  // namespace emotion
