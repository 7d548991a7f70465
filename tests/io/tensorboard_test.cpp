#include "emotion/io/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/file.h"

namespace emotion {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// tag, step and value of a scalar, as one string.
std::vector<std::string> lines(const std::vector<EventScalar>& scalars) {
  std::vector<std::string> text;
  for (const auto& s : scalars) text.push_back(s.tag + " " + std::to_string(s.step) + " " + std::to_string(s.value));
  return text;
}

const fs::path kPythons = fs::path(EMOTION_TEST_DATA) / "fixtures/events.out.tfevents.python";

TEST(TensorBoard, ReadsWhatItsOwnWriterWrote) {
  EXPECT_THAT(lines(read_events(kPythons)), ElementsAre("Loss/train 1 2.500000", "lr 1 0.125000", "Loss/train 2 1.250000",
                                                        "val/accuracy 2 0.100000", "Loss/train 300 0.750000"));
}

TEST(TensorBoard, AResumedRunDropsWhatItRepeats) {
  const ScratchFolder folder;
  {
    EventWriter writer(folder.path());
    for (int step = 1; step <= 4; ++step) writer.add_scalar("loss", step, step);
    writer.add_text("note", 4, "passed over");
  }
  EventWriter resumed(folder.path(), 2);
  resumed.add_scalar("loss", 3, -3);
  resumed.flush();
  EXPECT_THAT(lines(read_event_folder(folder.path())), ElementsAre("loss 1 1.000000", "loss 2 2.000000", "loss 3 -3.000000"));
}

TEST(TensorBoard, ARecordThatIsNotWholeIsLeftOut) {
  const ScratchFolder folder;
  const std::string text = read_file(kPythons);
  write_file_atomically(folder.path() / "cut", text.substr(0, text.size() - 3));
  EXPECT_EQ(read_events(folder.path() / "cut").size(), 4U);
  write_file_atomically(folder.path() / "empty", "");
  EXPECT_TRUE(read_events(folder.path() / "empty").empty());
}

TEST(TensorBoard, DamageIsNamedWithItsPlace) {
  const ScratchFolder folder;
  const fs::path file = folder.path() / "damaged";
  std::string text = read_file(kPythons);
  text[14] ^= 1;  // in the content of the first record
  write_file_atomically(file, text);
  EXPECT_THAT(error_of<DataError>([&] { read_events(file); }), HasSubstr("damaged: the record at byte 0 has another checksum"));
  text = std::string(64, 'x');
  write_file_atomically(file, text);
  EXPECT_THAT(error_of<DataError>([&] { read_events(file); }),
              HasSubstr("the record at byte 0 has a size with another checksum"));
}

}  // namespace
}  // namespace emotion
