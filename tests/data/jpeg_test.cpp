// Our JPEG decoding beside libjpeg's own, on pictures that libjpeg writes here: the same pixels, and the same refusals.
#include <cstdio>
// jpeglib.h wants stdio before it.
#include <jpeglib.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "emotion/data/decode.h"
#include "emotion/error.h"

namespace emotion {
namespace {

struct Kind {
  int width, height, quality;
  int horizontal = 2, vertical = 2;  ///< sampling factors of the first component
  int components = 3;
  unsigned restart = 0;  ///< MCUs
  bool optimized = false, progressive = false;
};

std::string name(const Kind& k) {
  return std::to_string(k.width) + "x" + std::to_string(k.height) + " quality " + std::to_string(k.quality) + " sampling " +
         std::to_string(k.horizontal) + std::to_string(k.vertical) + " components " + std::to_string(k.components) + " restart " +
         std::to_string(k.restart) + (k.optimized ? " optimized" : "") + (k.progressive ? " progressive" : "");
}

/// Slopes, an edge and noise, so that blocks have few and many coefficients, and large ones.
std::vector<std::byte> encode(const Kind& kind) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(kind.width);
  info.image_height = static_cast<JDIMENSION>(kind.height);
  info.input_components = kind.components;
  info.in_color_space = kind.components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, kind.quality, TRUE);
  info.comp_info[0].h_samp_factor = kind.horizontal;
  info.comp_info[0].v_samp_factor = kind.vertical;
  info.restart_interval = kind.restart;
  info.optimize_coding = static_cast<boolean>(kind.optimized);
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::mt19937 draw(static_cast<unsigned>(kind.width * 7919 + kind.quality));
  std::vector<unsigned char> row(static_cast<std::size_t>(kind.width * kind.components));
  for (int y = 0; y < kind.height; ++y) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const int x = static_cast<int>(i) / kind.components, noise = x > kind.width / 2 ? static_cast<int>(draw() % 120) : 0;
      row[i] = static_cast<unsigned char>(
          (x * 2 + y * 3 + static_cast<int>(i) % 3 * 40 + (y > kind.height / 3 ? 128 : 0) + noise) & 255);
    }
    unsigned char* line = row.data();
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  const auto* first = reinterpret_cast<const std::byte*>(bytes);
  std::vector<std::byte> result(first, first + size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

struct Refused {};

/// libjpeg alone; nothing where it warns of missing or impossible data.
std::optional<std::vector<std::uint8_t>> plain_libjpeg(const std::vector<std::byte>& bytes) {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  errors.error_exit = [](j_common_ptr) { throw Refused(); };
  // JWRN_JPEG_EOF, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE by their texts: jerror.h's numbers are what decode_jpeg.cpp goes by.
  errors.emit_message = [](j_common_ptr common, int level) {
    if (level >= 0) return;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    const std::string message = text;
    for (const char* refused : {"Premature end", "Corrupt JPEG data: premature end", "Corrupt JPEG data: bad Huffman code"}) {
      if (message.starts_with(refused)) throw Refused();
    }
  };
  jpeg_create_decompress(&info);
  std::optional<std::vector<std::uint8_t>> pixels;
  try {
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&info, TRUE);
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    std::vector<std::uint8_t> all(std::size_t{info.output_width} * info.output_height * 3);
    while (info.output_scanline < info.output_height) {
      unsigned char* line = all.data() + std::size_t{info.output_scanline} * info.output_width * 3;
      jpeg_read_scanlines(&info, &line, 1);
    }
    jpeg_finish_decompress(&info);
    pixels = std::move(all);
  } catch (const Refused&) {
  }
  jpeg_destroy_decompress(&info);
  return pixels;
}

std::optional<std::vector<std::uint8_t>> ours(const std::vector<std::byte>& bytes) {
  try {
    return decode_image(bytes, "picture.jpg").pixels;
  } catch (const DataError&) {
    return std::nullopt;
  }
}

const std::vector<Kind> kKinds{
    {.width = 64, .height = 48, .quality = 75},
    {.width = 61, .height = 47, .quality = 100},
    {.width = 130, .height = 67, .quality = 98, .horizontal = 1, .vertical = 1},
    {.width = 75, .height = 50, .quality = 90, .horizontal = 2, .vertical = 1},
    {.width = 75, .height = 50, .quality = 85, .horizontal = 1, .vertical = 2},
    {.width = 80, .height = 33, .quality = 80, .horizontal = 4, .vertical = 1},
    {.width = 90, .height = 90, .quality = 95, .restart = 1},
    {.width = 200, .height = 90, .quality = 60, .restart = 5},
    {.width = 90, .height = 40, .quality = 100, .horizontal = 1, .vertical = 1, .components = 1},
    {.width = 100, .height = 100, .quality = 99, .optimized = true},
    {.width = 100, .height = 100, .quality = 20, .restart = 3, .optimized = true},
    {.width = 64, .height = 64, .quality = 90, .progressive = true},
    {.width = 1, .height = 1, .quality = 90},
    {.width = 8, .height = 1, .quality = 1},
};

TEST(JpegTest, EveryKindGivesThePixelsOfLibjpeg) {
  for (const Kind& kind : kKinds) {
    const auto bytes = encode(kind);
    const auto expected = plain_libjpeg(bytes);
    ASSERT_TRUE(expected) << name(kind);
    EXPECT_TRUE(ours(bytes) == expected) << name(kind);
  }
}

TEST(JpegTest, DamageIsJudgedAsLibjpegJudgesIt) {
  std::mt19937 draw(1);
  int refused = 0, read = 0;
  for (const Kind& kind : kKinds) {
    const auto whole = encode(kind);
    for (int i = 0; i < 60; ++i) {
      auto bytes = whole;
      if (i % 4 == 0) {
        bytes.resize(draw() % bytes.size());
      } else {  // in the last two thirds, where most of the scan is
        for (int change = 0; change < 1 + i % 3; ++change)
          bytes[bytes.size() / 3 + draw() % (bytes.size() * 2 / 3)] = std::byte(draw());
      }
      if (bytes.size() < 4) continue;
      const auto expected = plain_libjpeg(bytes);
      EXPECT_TRUE(ours(bytes) == expected) << name(kind) << ", damage " << i;
      (expected ? read : refused) += 1;
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(read, 50);
}

}  // namespace
}  // namespace emotion
