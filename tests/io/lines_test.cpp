#include "emotion/io/lines.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace emotion {
namespace {

/// `NUMBER:LINE` of each.
std::vector<std::string> numbered(std::string_view text) {
  std::vector<std::string> lines;
  for (const auto [line, number] : Lines(text)) lines.push_back(std::to_string(number) + ":" + std::string(line));
  return lines;
}

using Expected = std::vector<std::string>;

TEST(LinesTest, EndInLfOrCrLf) {
  EXPECT_EQ(numbered("one\ntwo\n"), (Expected{"1:one", "2:two"}));
  EXPECT_EQ(numbered("one\r\ntwo\r\n"), (Expected{"1:one", "2:two"}));
  EXPECT_EQ(numbered("one\r\ntwo\nthree\r\n"), (Expected{"1:one", "2:two", "3:three"}));
}

TEST(LinesTest, TheLastMayEndWithTheText) {
  EXPECT_EQ(numbered("one"), (Expected{"1:one"}));
  EXPECT_EQ(numbered("one\ntwo"), (Expected{"1:one", "2:two"}));
  EXPECT_EQ(numbered("one\r\ntwo\r"), (Expected{"1:one", "2:two"}));
}

TEST(LinesTest, EmptyOnesAreCounted) {
  EXPECT_EQ(numbered(""), Expected{});
  EXPECT_EQ(numbered("\n"), (Expected{"1:"}));
  EXPECT_EQ(numbered("\r\n"), (Expected{"1:"}));
  EXPECT_EQ(numbered("\n\none\n\n"), (Expected{"1:", "2:", "3:one", "4:"}));
}

TEST(LinesTest, ACarriageReturnWithinALineStays) {
  EXPECT_EQ(numbered("one\rtwo\nthree"), (Expected{"1:one\rtwo", "2:three"}));
  EXPECT_EQ(numbered("one\r\r\n\rtwo\n"), (Expected{"1:one\r", "2:\rtwo"}));
}

TEST(LinesTest, ArePartsOfTheText) {
  const std::string text("a\0b\ncd", 6);
  const Lines lines(text);
  auto line = lines.begin();
  EXPECT_EQ((*line).text, std::string_view("a\0b", 3));
  EXPECT_EQ((*++line).text.data(), text.data() + 4);
  EXPECT_TRUE(++line == lines.end());
}

}  // namespace
}  // namespace emotion
