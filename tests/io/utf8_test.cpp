#include "emotion/io/utf8.h"

#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

// RFC 3629, section 4: what each first byte may be followed by.
TEST(Utf8Test, WellFormedTextAndItsNeighbours) {
  for (const char* good : {"", "plain.jpg", "caf\xc3\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf", "\xc2\x80"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"caf\xe9.jpg", "\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x82z"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(Utf8Test, TheErrorCanBeRead) {
  EXPECT_NO_THROW(check_utf8_name("d/caf\xc3\xa9.jpg"));
  EXPECT_EQ(error_of<DataError>([] { check_utf8_name("d/\xc3\xa9/caf\xe9.jpg"); }),
            "d/\xc3\xa9/caf\\xe9.jpg: the name is not UTF-8; rename it (convmv does that for whole folders)");
}

// Pairs as Unicode's UnicodeData.txt has them.
TEST(Utf8Test, SmallLettersOfCapitals) {
  const std::pair<const char*, const char*> pairs[] = {{"", ""},
                                                       {"Calm SKY 9[`{@", "calm sky 9[`{@"},
                                                       {"CAFÉ", "café"},
                                                       {"ÀÖØÞ×÷", "àöøþ×÷"},
                                                       {"Straße", "straße"},
                                                       {"ŁÓDŹ", "łódź"},
                                                       {"ČĎĹŇŐŠŽŸ", "čďĺňőšžÿ"},
                                                       {"ĀĮĲĶŊŒŶȘȚ", "āįĳķŋœŷșț"},
                                                       {"İIıiŉĸſ", "İiıiŉĸſ"},
                                                       {"ΆΈΉΊΌΎΏΪΫ", "άέήίόύώϊϋ"},
                                                       {"ΑΓΑΠΗ ΧΑΡΑ", "αγαπη χαρα"},
                                                       {"ΛΌΓΟΣ", "λόγος"},
                                                       {"ΦΌΒΟΣ, ΣΑΣ", "φόβος, σας"},
                                                       {"Σ Σ.", "σ σ."},
                                                       {"ЁЂЏ РАДОСТЬ Щ", "ёђџ радость щ"},
                                                       {"ҐӘӀӁӐ", "ґәӏӂӑ"},
                                                       {"ԸԱ 日本 😀 Ａ", "ԸԱ 日本 😀 Ａ"},
                                                       {"A\xc3", "a\xc3"},
                                                       {"\xc9T\x80", "\xc9t\x80"}};
  for (const auto& [text, lower] : pairs) {
    EXPECT_EQ(small_letters(text), lower);
    EXPECT_EQ(small_letters(lower), lower);
  }
}

// Editors of Windows write one; it is no part of the first word.
TEST(Utf8Test, AByteOrderMarkIsNoText) {
  EXPECT_EQ(without_byte_order_mark("\xef\xbb\xbfjoy"), "joy");
  EXPECT_EQ(without_byte_order_mark("joy\xef\xbb\xbf"), "joy\xef\xbb\xbf");
  EXPECT_EQ(without_byte_order_mark("\xef\xbb"), "\xef\xbb");
  const ScratchFolder folder;
  write_text(folder.path() / "words.txt", "\xef\xbb\xbfjoy\nawe\n");
  EXPECT_EQ(read_text(folder.path() / "words.txt"), "joy\nawe\n");
}

}  // namespace
}  // namespace emotion
