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

}  // namespace
}  // namespace emotion
