#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reproduce_support.h"

// What emotion_reproduce finds there: a result of an earlier call, a training of the user's own, data that has changed since.
namespace emotion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ReproduceAgainTest : public ReproduceTest {
 protected:
  /// A table of one row whose training begins with the network runs/net.
  void table_with_network() const {
    write_text(root_ / "configs/begun.yaml",
               "task: classifier\noutput: runs/begun\nmodel: {init: runs/net}\n"
               "data: {train: {dataset: data/made, split: train}, val: {dataset: data/made, split: val}}\n");
    write_table("toy_2", "toy/2", measured("Acc", kMeasure), "Acc", "  - {name: begun, config: begun.yaml, printed: [50]}\n");
  }
  /// A data set whose splits are a line each, of that picture.
  void lines(const std::string& name, const std::vector<std::string>& splits, const std::string& picture) const {
    dataset(name, splits);
    for (const auto& split : splits)
      write_text(root_ / name / (split + ".jsonl"), "{\"image\": \"" + picture + "\", \"labels\": [\"a\"]}\n");
  }
  /// A checkpoint after some epochs, as far as it says when it was written.
  void write_state(const std::string& run, int epochs) const {
    std::string header = fmt::format(
        R"({{"__metadata__":{{"step":"{0}","evaluated":"1","best_step":"-1","best_value":"0","epoch":"{0}","offset":"0",)"
        R"("extra_epoch":"0","extra_offset":"0","processes":"1","loss_window":"[]"}}}})",
        epochs);
    std::string size(8, '\0');  // little-endian
    size[0] = static_cast<char>(header.size() % 256);
    size[1] = static_cast<char>(header.size() / 256);
    write_text(root_ / run / "checkpoints/last/state.safetensors", size + header);
  }
};

TEST_F(ReproduceAgainTest, ATrainingOfTheUsersThatHasNotEndedIsNotUsed) {
  table_with_network();
  write_text(root_ / "runs/net/config.yaml", "train: {epochs: 3}\n");
  write_text(root_ / "runs/net/checkpoints/best/model.safetensors", "epoch 2");
  write_state("runs/net", 2);
  const std::string open =
      "runs/net: its training has not ended; wait for it, or go on with: emotion_train --config runs/net --resume";
  EXPECT_THAT(run({"--list", "--table", "toy/2"}).output, HasSubstr(open + "\n"));
  EXPECT_EQ(run({"--table", "toy/2"}).code, 1);
  EXPECT_THAT(csv(), HasSubstr("toy/2,begun,Acc,top1,50,,,0,,\"failed: " + open + "\",\n"));
  EXPECT_EQ(calls(""), "");
  write_state("runs/net", 3);
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("toy/2,begun,Acc,top1,50,51.0000"));
}

TEST_F(ReproduceAgainTest, ATrainingOnDataThatHasChangedSinceWaitsForAgain) {
  lines("data/made", {"train", "val"}, "0.png");
  ASSERT_EQ(run({"--table", "toy/2"}).code, 0);
  lines("data/made", {"train", "val", "test"}, "0.png");  // what was trained on is the same
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_EQ(count(""), 2) << calls("");

  lines("data/made", {"train"}, "first.png");
  dataset("data/made", {"train", "val"});
  const auto refused = run({"--table", "toy/2"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,,,0,,failed: split train of data/made changed since the training began; "
                               "--again trains anew,\n"));
  EXPECT_EQ(count(""), 2) << "nothing is thrown away or measured: " << calls("");

  lines("data/made", {"train", "val"}, "0.png");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0) << "the old data, put back";
  EXPECT_EQ(count(""), 2);
  lines("data/made", {"train", "val"}, "first.png");
  EXPECT_EQ(run({"--table", "toy/2", "--again"}).code, 0);
  EXPECT_EQ(count("train"), 2) << calls("");
  EXPECT_EQ(count("eval"), 2);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Acc,top1,50,51.0000"));
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_EQ(run({"--table", "toy/2", "--again"}).code, 0);
  EXPECT_EQ(count(""), 4) << calls("");
}

TEST_F(ReproduceAgainTest, WhatWasMadeOfDataThatHasChangedSinceWaitsForAgain) {
  lines("data/source", {"train"}, "0.png");
  write_text(root_ / "configs/tables/toy_2.yaml",
             "table: toy/2\ntitle: Toy\nsource: Nobody, 2020\nmade:\n"
             "  data/made:\n    run: [emotion_data split data/source --out data/made]\nmeasurements:\n" +
                 measured("Acc", kMeasure) + "columns: [Acc]\nrows:\n  - {name: same, config: same.yaml, printed: [50]}\n");
  ASSERT_EQ(run({"--table", "toy/2"}).code, 0);
  lines("data/source", {"train"}, "first.png");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 1);
  EXPECT_THAT(csv(), HasSubstr("failed: split train of data/source changed since "));
  EXPECT_EQ(count(""), 3) << calls("");
  EXPECT_EQ(run({"--table", "toy/2", "--again"}).code, 0);
  EXPECT_EQ(count("data"), 2);
  EXPECT_EQ(count("train"), 2);
  EXPECT_EQ(count("eval"), 2);
}

TEST_F(ReproduceAgainTest, AMeasurementOnDataThatHasChangedSinceIsRedone) {
  write_table("toy_2", "toy/2", measured("Acc", kMeasure + " --data data/faces --split dev"), "Acc",
              "  - {name: same, config: same.yaml, printed: [50]}\n");
  lines("data/faces", {"dev"}, "0.png");
  ASSERT_EQ(run({"--table", "toy/2"}).code, 0);
  lines("data/faces", {"dev"}, "first.png");
  const auto again = run({"--table", "toy/2"});
  EXPECT_EQ(again.code, 0) << again.errors;
  EXPECT_THAT(again.errors, HasSubstr(" split dev of data/faces changed since; measuring again\n"));
  EXPECT_EQ(count("train"), 1);
  EXPECT_EQ(count("eval"), 2);
  EXPECT_THAT(run({"--table", "toy/2"}).errors, Not(HasSubstr("again")));
  EXPECT_EQ(count("eval"), 2);
}

TEST_F(ReproduceAgainTest, OtherWeightsOfTheSameNameAreMeasured) {
  write_text(
      root_ / "configs/plain.yaml",
      "task: classifier\ndata: {train: {dataset: data/lost, split: train}}\nmodel: {backbone: resnet34, init: data/net.pth}\n");
  write_table("toy_2", "toy/2", measured("Acc", kMeasure), "Acc",
              "  - {name: plain, config: plain.yaml, trained: false, printed: [50]}\n");
  write_text(root_ / "data/net.pth", "weights");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  write_text(root_ / "data/net.pth", "others!");
  EXPECT_THAT(run({"--table", "toy/2"}).errors, HasSubstr(" data/net.pth changed since; measuring again\n"));
  EXPECT_EQ(count("eval"), 2);
}

TEST_F(ReproduceAgainTest, AnOlderResultThatDoesNotSayWhatItWasMadeOfIsTaken) {
  lines("data/made", {"train", "val"}, "0.png");
  ASSERT_EQ(run({"--table", "toy/2"}).code, 0);
  std::vector<fs::path> notes;
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "out")) {
    if (entry.path().filename().string().ends_with("inputs.json")) notes.push_back(entry.path());
  }
  EXPECT_EQ(notes.size(), 2U) << "of the training and of the measurement";
  for (const auto& note : notes) fs::remove(note);
  lines("data/made", {"train", "val"}, "first.png");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_EQ(count(""), 2) << calls("");
}

TEST_F(ReproduceAgainTest, AMeasurementWithoutItsFigureIsTriedAgain) {
  write_text(root_ / "fake/emotion_eval", R"(#!/bin/bash
echo "eval $*" >> calls
while [ $# -gt 0 ]; do case "$1" in --output) out="$2";; esac; shift; done
if [ -e polarity ]; then echo '{"top1": 0.5, "hard_errors": 0.25}'; else echo '{"top1": 0.5}'; fi > "$out/metrics.json"
)");
  write_table("toy_2", "toy/2", measured("Acc", kMeasure) + measured("Hard", kMeasure, "hard_errors"), "Acc, Hard",
              "  - {name: same, config: same.yaml, printed: [50, 20]}\n");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 1);
  EXPECT_THAT(csv(), HasSubstr("metrics.json: it has no figure 'hard_errors',\n"));
  EXPECT_EQ(count("eval"), 2);
  write_text(root_ / "polarity", "");
  EXPECT_EQ(run({"--table", "toy/2"}).code, 0);
  EXPECT_THAT(csv(), HasSubstr("toy/2,same,Hard,hard_errors,20,25.0000"));
  EXPECT_EQ(count("train"), 1);
  EXPECT_EQ(count("eval"), 3) << calls("eval");
}

}  // namespace
}  // namespace emotion
