#include "emotion/io/plain_pickle.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using namespace std::string_literals;
using Kind = PlainPickle::Kind;

std::string error(const std::string& bytes) {
  return error_of<DataError>([&] { PlainPickle(bytes, "p"); });
}

TEST(PlainPickle, NumbersAndTextOfEveryOpcode) {
  // Opcodes as Python's pickletools.dis names them: NONE, NEWTRUE, BININT -2, BININT1 200, BININT2 40000, LONG1 -(2**62),
  // BINFLOAT 1.5, SHORT_BINUNICODE, BINUNICODE, BINBYTES.
  const std::string bytes =
      "\x80\x04]("s
      "N\x88"
      "J\xfe\xff\xff\xff"
      "K\xc8"
      "M\x40\x9c"s
      "\x8a\x08\0\0\0\0\0\0\0\xc0"s
      "G\x3f\xf8\0\0\0\0\0\0"s
      "\x8c\x02"
      "ab"
      "X\x01\0\0\0c"s
      "B\x02\0\0\0\xff\0"s
      "e.";
  const PlainPickle pickle(bytes, "p");
  const auto list = pickle.root();
  ASSERT_EQ(list.kind(), Kind::kList);
  ASSERT_EQ(list.size(), 10U);
  EXPECT_EQ(list[0].kind(), Kind::kNone);
  EXPECT_EQ(list[1].integer(), 1);
  EXPECT_EQ(list[2].integer(), -2);
  EXPECT_EQ(list[3].integer(), 200);
  EXPECT_EQ(list[4].integer(), 40000);
  EXPECT_EQ(list[5].integer(), -(std::int64_t{1} << 62));
  EXPECT_EQ(list[5].kind(), Kind::kInt);
  EXPECT_EQ(list[6].real(), 1.5);
  EXPECT_EQ(list[7].text(), "ab");
  EXPECT_EQ(list[8].text(), "c");
  EXPECT_EQ(list[9].text(), "\xff\0"s);
  EXPECT_EQ(list[9].kind(), Kind::kBytes);
}

TEST(PlainPickle, MemoSharesAndTheLastOfTwoKeysWins) {
  // {'a': [7], 'b': the same list, 'a': (1, 2)}
  const std::string bytes =
      "\x80\x04}\x94(\x8c\x01"
      "a]\x94K\x07"
      "a\x8c\x01"
      "bh\x01\x8c\x01"
      "aK\x01K\x02\x86u."s;
  const PlainPickle pickle(bytes, "p");
  const auto dict = pickle.root();
  ASSERT_EQ(dict.size(), 3U);
  EXPECT_EQ(dict.find("b")->size(), 1U);
  EXPECT_EQ((*dict.find("b"))[0].integer(), 7);
  EXPECT_EQ(dict.find("a")->kind(), Kind::kTuple);
  EXPECT_FALSE(dict.find("c").has_value());
}

TEST(PlainPickle, WhatIsNotPlainDataIsRefused) {
  EXPECT_EQ(error("nonsense"), "p: not a pickle of protocol 2 or later (byte 0)");
  EXPECT_EQ(error("\x80\x02"
                  "cos\nsystem\nX\x02\0\0\0id\x85R."s),
            "p: refused: it wants to call os.system; only plain data are read (byte 13)");
  EXPECT_EQ(error("\x80\x04\x8c\x02os\x8c\x06system\x93."s),
            "p: refused: it wants to call os.system; only plain data are read (byte 15)");
  EXPECT_EQ(error("\x80\x04N"s), "p: truncated (byte 3)");
  EXPECT_EQ(error("\x80\x06N."s), "p: a newer pickle protocol (byte 2)");
  EXPECT_EQ(error("\x80\x02X\xff\xff\xff\xff"
                  "a."s),
            "p: truncated (byte 7)");
  EXPECT_EQ(error("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                  "a."s),
            "p: truncated (byte 11)");
  EXPECT_EQ(error("\x80\x02Nr\xff\xff\xff\xff."s), "p: broken: a place in the memo beyond the number of steps (byte 8)");
  EXPECT_EQ(error("\x80\x02h\x05."s), "p: broken: a value that was not stored is read (byte 4)");
  EXPECT_EQ(error("\x80\x02"
                  "K\x01"
                  "K\x02"
                  "a."s),
            "p: broken: an item for no list (byte 7)");
  EXPECT_EQ(error("\x80\x02"
                  "e."s),
            "p: broken: a mark is missing (byte 3)");
  EXPECT_EQ(error("\x80\x02}(K\x01u."s), "p: broken: a key without a value (byte 7)");
  EXPECT_EQ(error("\x80\x02\x8a\x09"
                  "123456789."s),
            "p: an integer of more than 64 bits (byte 4)");
  EXPECT_EQ(error("\x80\x02NNR."s), "p: broken: a call without a name or arguments (byte 5)");
  EXPECT_EQ(error("\x80\x02(t0(((."), "p: broken: a value is missing (byte 9)");
}

TEST(PlainPickle, EveryOpcodeOutsideTheListIsRefused) {
  const std::string known =
      "N\x88\x89JKM\x8aGXT\x8cU\x8d"
      "CB\x8e\x96}]\x8f)tl\x91"
      "du\x85\x86\x87"
      "ae\x90s.\x80\x95(02qr\x94hjc\x93R\x81"
      "b";
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    EXPECT_EQ(error("\x80\x02"s + static_cast<char>(opcode) + "."),
              fmt::format("p: opcode 0x{:02x} is not part of plain data (byte 3)", opcode));
    ++refused;
  }
  EXPECT_EQ(refused, 256 - static_cast<int>(known.size()));
}

TEST(PlainPickle, CopiesAreCounted) {
  // One text of 1,000 letters encoded by five bytes each time: the third is refused, before memory grows.
  std::string bytes =
      "\x80\x02"
      "c_codecs\nencode\nq\x01X\xe8\x03\0\0"s +
      std::string(1000, 'a') + "q\x02"s;
  for (int i = 0; i < 100; ++i) bytes += "0h\x01h\x02\x85R"s;
  EXPECT_THAT(error(bytes + "."), ::testing::HasSubstr("refused: it copies more than it holds"));
}

TEST(PlainPickle, DeepNestingIsNoRecursion) {
  const std::string bytes = "\x80\x02" + std::string(1'000'000, ']') + std::string(999'999, 'a') + ".";
  const PlainPickle pickle(bytes, "p");
  EXPECT_EQ(pickle.root().size(), 1U);
}

TEST(PlainPickle, DamageIsRefusedAndNeverCrashes) {
  const std::string whole =
      "\x80\x04}\x94(\x8c\x01"
      "a]\x94(K\x07M\x01\x02G\x3f\xf8\0\0\0\0\0\0e\x8c\x01"
      "bh\x01\x8c\x01"
      "aK\x01K\x02\x86u."s;
  Random random{7};
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (int change = 0; change < 3; ++change) bytes[2 + random.below(bytes.size() - 2)] = static_cast<char>(random.below(256));
    try {
      const PlainPickle pickle(bytes, "p");
      const auto root = pickle.root();
      for (std::size_t i = 0; i < root.size(); ++i) root[i].find("x");
      ++read;
    } catch (const DataError&) {
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace emotion
