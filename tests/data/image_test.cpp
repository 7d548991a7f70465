#include <array>
#include <cmath>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/data/loader.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"

// Pixels against Pillow and torchvision: fixtures by tests/reference/make_image_fixtures.py.
namespace emotion {
namespace {

namespace fs = std::filesystem;
const fs::path kFixtures = fs::path(EMOTION_TEST_DATA) / "fixtures";

struct Difference {
  int largest = 0;
  double beyond_one = 0;  // part of the values more than one level apart
};

Difference compare(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  Difference difference;
  if (a.pixels.size() != b.pixels.size()) return {255, 1};
  std::size_t beyond = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const int distance = std::abs(int{a.pixels[i]} - int{b.pixels[i]});
    difference.largest = std::max(difference.largest, distance);
    beyond += distance > 1;
  }
  difference.beyond_one = static_cast<double>(beyond) / static_cast<double>(std::max<std::size_t>(a.pixels.size(), 1));
  return difference;
}

/// A BMP file: the simplest there is.
void write_bmp(const fs::path& file, const Image& image) {
  std::string bytes = "BM";
  const auto put = [&](std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * i);
  };
  const auto width = static_cast<std::uint32_t>(image.width), height = static_cast<std::uint32_t>(image.height);
  const std::uint32_t stride = (width * 3 + 3) / 4 * 4;
  for (const std::uint32_t value : {54 + stride * height, 0U, 54U, 40U, width, height}) put(value, 4);
  put(1, 2);
  put(24, 2);
  for (const std::uint32_t value : {0U, stride * height, 0U, 0U, 0U, 0U}) put(value, 4);
  for (int y = image.height - 1; y >= 0; --y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      for (int c = 2; c >= 0; --c) put(image.row(y)[x * 3 + static_cast<std::uint32_t>(c)], 1);
    }
    bytes.append(stride - width * 3, '\0');
  }
  write_text(file, bytes);
}

class DecodeTest : public ::testing::TestWithParam<std::string> {};

TEST_P(DecodeTest, GivesPillowsPixels) {
  const Difference difference = compare(decode_image(kFixtures / GetParam()), decode_image(kFixtures / (GetParam() + ".png")));
  EXPECT_LE(difference.largest, 2) << GetParam();
  EXPECT_LE(difference.beyond_one, 0.001) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Formats, DecodeTest,
                         ::testing::Values("odd420.jpg", "odd422.jpg", "odd444.jpg", "progressive.jpg", "restart.jpg", "grey.jpg",
                                           "cmyk.jpg", "one.jpg", "exif1.jpg", "exif2.jpg", "exif3.jpg", "exif4.jpg", "exif5.jpg",
                                           "exif6.jpg", "exif7.jpg", "exif8.jpg", "rgb.png", "rgba.png", "grey.png",
                                           "grey_alpha.png", "palette.png", "palette_transparent.png", "bilevel.png", "rgb16.png",
                                           "grey16.png", "lossy.webp", "alpha.webp", "rgb.bmp", "palette.bmp", "grey.bmp",
                                           "rgb.tiff", "grey.tiff", "rgba.tiff", "associated.tiff", "palette.gif", "plain.gif",
                                           "animated.gif"));

/// A TIFF of one pixel with the colours 100, 50 and 20 and the alpha 200; numbers from their high byte on.
std::string tiff_of_one_pixel(std::uint32_t extra_samples) {
  std::string bytes("MM\0*", 4);
  const auto put = [&](std::uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) bytes += static_cast<char>(value >> 8 * i);
  };
  constexpr std::uint32_t kShort = 3, kLong = 4, kEntries = 10, kBits = 8 + 2 + kEntries * 12 + 4, kPixel = kBits + 8;
  put(8, 4);
  put(kEntries, 2);
  const auto entry = [&](std::uint32_t tag, std::uint32_t type, std::uint32_t count, std::uint32_t value) {
    put(tag, 2);
    put(type, 2);
    put(count, 4);
    put(type == kShort && count == 1 ? value << 16 : value, 4);
  };
  entry(256, kShort, 1, 1);  // width, height
  entry(257, kShort, 1, 1);
  entry(258, kShort, 4, kBits);
  entry(259, kShort, 1, 1);  // not compressed
  entry(262, kShort, 1, 2);  // RGB
  entry(273, kLong, 1, kPixel);
  entry(277, kShort, 1, 4);  // samples
  entry(278, kShort, 1, 1);  // rows in a strip
  entry(279, kLong, 1, 4);   // bytes of it
  entry(338, kShort, 1, extra_samples);
  put(0, 4);
  for (int i = 0; i < 4; ++i) put(8, 2);
  for (const std::uint32_t value : {100U, 50U, 20U, 200U}) put(value, 1);
  return bytes;
}

// Pillow drops an alpha that is apart from the colours (2; 999 of Corel Draw) or unknown (0). One that is in them (1) it takes
// out: 255 * 100 / 200 = 127, 255 * 50 / 200 = 63, 255 * 20 / 200 = 25.
TEST(TiffTest, AlphaDarkensNoColour) {
  const auto pixel = [](std::uint32_t extra_samples) {
    const std::string bytes = tiff_of_one_pixel(extra_samples);
    return decode_image(std::as_bytes(std::span(bytes)), "a.tiff").pixels;
  };
  for (const std::uint32_t extra_samples : {0U, 2U, 999U})
    EXPECT_EQ(pixel(extra_samples), (std::vector<std::uint8_t>{100, 50, 20})) << extra_samples;
  EXPECT_EQ(pixel(1), (std::vector<std::uint8_t>{127, 63, 25}));
}

TEST(EvaluationTest, GivesTorchvisionsPixels) {
  std::size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(kFixtures / "eval")) {
    // NAME.EXT.RESIZE.SIZE.png
    const std::string name = entry.path().stem().string();
    const std::size_t last = name.rfind('.'), middle = name.rfind('.', last - 1);
    const Transform transform{.resize = std::stoi(name.substr(middle + 1)),
                              .size = std::stoi(name.substr(last + 1)),
                              .crop = Crop::kCenter,
                              .flip = false};
    const Difference difference =
        compare(load_image(kFixtures / name.substr(0, middle), transform, {}), decode_image(entry.path()));
    EXPECT_LE(difference.beyond_one, 0.001) << name;
    ++seen;
  }
  EXPECT_EQ(seen, 10U);
}

// 21 x 64 to 20 x 60: the height shrinks by 4, the width by 1, and the order of the passes shows in the rounding.
TEST(ResizeTest, TallPicturesHavePillowsOrderOfPasses) {
  const Transform transform{.resize = 20, .size = 15, .crop = Crop::kCenter, .flip = false};
  EXPECT_EQ(load_image(kFixtures / "tall.png", transform, {}).pixels, decode_image(kFixtures / "eval/tall.png.20.15.png").pixels);
}

TEST(ResizeTest, ALineOfPixelsIsNotMadeWide) {
  const ScratchFolder folder;
  const auto file = folder.path() / "line.bmp";
  write_bmp(file, Image{1, 5000, std::vector<std::uint8_t>(15000, 7)});
  EXPECT_EQ(error_of<DataError>([&] { load_image(file, {.resize = 256, .size = 224, .crop = Crop::kCenter}, {}); }),
            file.string() +
                ": 1 x 5000 pixels: too long for its width; with data.resize 256 it would have 327680000 pixels, at "
                "most 2^28 are possible");
  EXPECT_EQ(load_image(file, {.resize = 16, .size = 16, .crop = Crop::kCenter}, {}).pixels,
            std::vector<std::uint8_t>(16 * 16 * 3, 7));
}

TEST(ResizeTest, AveragesNeighboursWhenHalving) {
  // Triangle filter of width 2 around 1.0: weights of pixels 0 .. 3 are 3/8, 3/8, 1/8 and, cut at the border, renormalised.
  Image image{4, 1, {}};
  for (const int level : {0, 80, 160, 240}) image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(level));
  const Image half = resize_image(image, 2, 1);
  EXPECT_EQ(int{half.pixels[0]}, static_cast<int>((0 * 3.0 + 80 * 3.0 + 160 * 1.0) / 7 + 0.5));
  EXPECT_EQ(int{half.pixels[3]}, static_cast<int>((80 * 1.0 + 160 * 3.0 + 240 * 3.0) / 7 + 0.5));
}

TEST(ResizeTest, CroppingTheWholeToItsOwnSizeChangesNothing) {
  const Image image = decode_image(kFixtures / "odd420.jpg");
  EXPECT_EQ(crop_image(image, 0, 0, image.width, image.height).pixels, image.pixels);
  EXPECT_EQ(resize_image(image, image.width, image.height).pixels, image.pixels);
}

TEST(TrainingCropTest, ABoxMayReachFarOutOfThePicture) {
  const Transform whole{.resize = 0, .crop = Crop::kNone, .flip = false};
  const Image image = load_image(kFixtures / "rgb.png", whole, {});
  EXPECT_EQ(load_image(kFixtures / "rgb.png", whole, {}, std::array<float, 4>{-1e30F, 0, 3e38F, 1e30F}).pixels, image.pixels);
  EXPECT_EQ(error_of<DataError>([&] {
              load_image(kFixtures / "rgb.png", whole, {}, std::array<float, 4>{3e38F, 0, 3e38F, 5});
            }),
            (kFixtures / "rgb.png").string() + ": the sample's box lies outside the picture");
}

TEST(TrainingCropTest, RegionDecodingShowsWhatDecodingTheWholeShows) {
  // The same draws on a JPEG (region decoding) and on a PNG of its pixels (whole decoding): equal but for the DCT's scaling.
  const ScratchFolder folder;
  const Image whole = decode_image(kFixtures / "photo.jpg");
  ASSERT_EQ(whole.width, 300);
  write_bmp(folder.path() / "photo.bmp", whole);
  for (std::uint64_t sample = 0; sample < 40; ++sample) {
    const Transform transform{.size = 64, .crop = Crop::kRandomResized, .flip = true};
    const Image a = load_image(kFixtures / "photo.jpg", transform, {1, 0, sample});
    const Image b = load_image(folder.path() / "photo.bmp", transform, {1, 0, sample});
    ASSERT_EQ(a.pixels.size(), b.pixels.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
    EXPECT_LT(sum / static_cast<double>(a.pixels.size()), 4.0) << "sample " << sample;
  }
}

TEST(TrainingCropTest, TheSameKeyGivesTheSamePixelsAndOthersDiffer) {
  const Transform transform{.size = 32, .crop = Crop::kRandomResized};
  const auto pixels = [&](std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample) {
    return load_image(kFixtures / "photo.jpg", transform, {seed, epoch, sample}).pixels;
  };
  EXPECT_EQ(pixels(1, 2, 3), pixels(1, 2, 3));
  EXPECT_NE(pixels(1, 2, 3), pixels(2, 2, 3));
  EXPECT_NE(pixels(1, 2, 3), pixels(1, 3, 3));
  EXPECT_NE(pixels(1, 2, 3), pixels(1, 2, 4));
}

TEST(BrokenImageTest, EveryErrorNamesTheFileAndTheReason) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& name, const std::string& bytes) {
    write_text(folder.path() / name, bytes);
    const std::string text = error_of<DataError>([&] { decode_image(folder.path() / name); });
    return text.substr(std::min(text.size(), folder.path().string().size() + 1));
  };
  EXPECT_EQ(error("empty.jpg", ""), "empty.jpg: the file is empty");
  EXPECT_EQ(error("text.jpg", "<html>404</html>"), "text.jpg: not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read");
  const std::string jpeg = read_file(kFixtures / "photo.jpg");
  EXPECT_EQ(error("half.jpg", jpeg.substr(0, jpeg.size() / 2)), "half.jpg: broken JPEG: Premature end of JPEG file");
  std::string huge = read_file(kFixtures / "rgb.png");
  huge.replace(16, 8, std::string("\x00\x01\x00\x00\x00\x01\x00\x00", 8));
  EXPECT_EQ(error("huge.png", huge), "huge.png: a picture of 65536 x 65536 pixels is refused; at most 2^28 are read");
  // Half a gigabyte of pixels that are not there, told by headers alone: 32768 x 16384.
  const std::string bmp =
      "BM" + std::string(8, '\0') + std::string("\x36\0\0\0\x28\0\0\0\0\x80\0\0\0\xc0\xff\xff\x01\0\x18\0", 20);
  EXPECT_EQ(error("huge.bmp", bmp + std::string(24, '\0')),
            "huge.bmp: a picture of 32768 x 16384 pixels is refused; at most 2^28 are read");
  const std::string tiff("II*\0\x08\0\0\0\x02\0\0\x01\x04\0\x01\0\0\0\0\x80\0\0\x01\x01\x03\0\x01\0\0\0\0\x40\0\0\0\0\0\0", 38);
  EXPECT_EQ(error("huge.tiff", tiff), "huge.tiff: a picture of 32768 x 16384 pixels is refused; at most 2^28 are read");
  EXPECT_EQ(error_of<DataError>([&] { decode_image(folder.path() / "none.jpg"); }).substr(folder.path().string().size() + 1, 9),
            "none.jpg:");
  const std::string animated = std::string("RIFF\x28\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0", 30) +
                               std::string("ANIM\x06\0\0\0\0\0\0\0\0\0", 14);
  EXPECT_EQ(error("moving.webp", animated),
            "moving.webp: animated WebP is not read; save one of its pictures as a file of its own");
  EXPECT_EQ(error("half.webp", animated.substr(0, 30)), "half.webp: broken picture, or truncated");
  EXPECT_NE(error_of<DataError>([&] { decode_image(folder.path()); }), "no error");
}

// One line says what is wrong with a picture: nothing of a library's own words may stand before it.
TEST(BrokenImageTest, LibrariesSayNothingOnStderr) {
  ::testing::internal::CaptureStderr();
  int broken = 0;
  for (const char* name : {"rgb.png", "palette.png", "lossy.webp", "alpha.webp", "rgb.bmp", "grey.tiff"}) {
    const std::string whole = read_file(kFixtures / name);
    for (std::size_t i = 0; i < 40; ++i) {
      std::string bytes = whole;
      const std::size_t place = whole.size() * i / 40;
      if (i % 2 == 0)
        bytes.resize(place);
      else
        bytes[place] = static_cast<char>(bytes[place] ^ 0x55);
      try {
        decode_image(std::as_bytes(std::span(bytes)), name);
      } catch (const DataError& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        ++broken;
      }
    }
  }
  std::cerr << "others are heard\n";
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "others are heard\n");
  EXPECT_GT(broken, 100);
}

/// A PNG's chunk: length, type, data and their checksum.
std::string png_chunk(const std::string& type, const std::string& data) {
  const auto number = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  const std::string body = type + data;
  const auto sum = ::crc32_z(0, reinterpret_cast<const unsigned char*>(body.data()), body.size());
  return number(static_cast<std::uint32_t>(data.size())) + body + number(static_cast<std::uint32_t>(sum));
}

/// Big-endian TIFF: one entry, orientation (0x0112), a SHORT: 6 = the stored picture lies on its left side.
const std::string kLying("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);

Image decode_bytes(const std::string& bytes) { return decode_image(std::as_bytes(std::span(bytes)), "picture"); }

/// That `upright` is `stored` turned by orientation 6.
void expect_turned(const Image& upright, const Image& stored) {
  ASSERT_EQ(upright.width, stored.height);
  ASSERT_EQ(upright.height, stored.width);
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x) {
      for (int c = 0; c < 3; ++c)
        ASSERT_EQ(upright.pixels[static_cast<std::size_t>((y * upright.width + x) * 3 + c)],
                  stored.pixels[static_cast<std::size_t>(((stored.height - 1 - x) * stored.width + y) * 3 + c)]);
    }
  }
}

TEST(PngTest, TheOrientationOfItsExifIsApplied) {
  const std::string plain = read_file(kFixtures / "tall.png");
  std::string turned = plain;
  turned.insert(33, png_chunk("eXIf", kLying));  // behind the signature and the header
  expect_turned(decode_bytes(turned), decode_bytes(plain));
}

/// A WebP's chunk: name, size and data, made even.
std::string webp_chunk(const std::string& name, const std::string& data) {
  std::string size;
  for (int shift = 0; shift < 32; shift += 8) size += static_cast<char>(data.size() >> shift);
  return name + size + data + std::string(data.size() % 2, '\0');
}

// Pillow's exif_transpose() turns the first two; where VP8X (its first byte, bit 3) names no EXIF there is none.
TEST(WebpTest, TheOrientationOfItsExifIsApplied) {
  const std::string plain = read_file(kFixtures / "lossy.webp");
  const Image stored = decode_bytes(plain);
  ASSERT_NE(stored.width, stored.height);
  const auto with_exif = [&](char flags, const std::string& exif) {
    const std::string sides{static_cast<char>(stored.width - 1), 0, 0, static_cast<char>(stored.height - 1), 0, 0};
    const std::string body =
        "WEBP" + webp_chunk("VP8X", std::string{flags, 0, 0, 0} + sides) + plain.substr(12) + webp_chunk("EXIF", exif);
    return webp_chunk("RIFF", body);
  };
  expect_turned(decode_bytes(with_exif(0x08, kLying)), stored);
  expect_turned(decode_bytes(with_exif(0x08, std::string("Exif\0\0", 6) + kLying)), stored);
  EXPECT_EQ(decode_bytes(with_exif(0, kLying)).pixels, stored.pixels);
  EXPECT_EQ(decode_bytes(with_exif(0x08, kLying.substr(0, 9))).pixels, stored.pixels) << "malformed";
}

/// Four shades of red: `first`, twice, three and four times as much.
std::string gif_colors(char first) {
  std::string colors;
  for (int i = 1; i <= 4; ++i) colors += std::string{static_cast<char>(i * first), 0, 0};
  return colors;
}

/// A GIF of 4 x 3 pixels whose only frame has two, colours 1 and 3 of its map, at (1, 1). The background is colour 2.
std::string small_frame(const std::string& global, const std::string& control, const std::string& local) {
  const auto flags = [](const std::string& map) { return std::string(1, map.empty() ? '\0' : '\x81'); };  // four colours
  // Codes of three bits, the lowest first: clear (4), 1, 3, end (5).
  return "GIF89a" + std::string("\4\0\3\0", 4) + flags(global) + std::string("\2\0", 2) + global + control +
         std::string(",\1\0\1\0\2\0\1\0", 9) + flags(local) + local + std::string("\2\2\xcc\x0a\0;", 6);
}

std::vector<int> reds(const Image& image) {
  std::vector<int> levels;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) levels.push_back(image.pixels[i]);
  return levels;
}

// As Pillow's load_prepare() of a first frame: filled with its transparent colour, else with colour 0.
TEST(GifTest, AroundASmallerFrameTheCanvasIsAsInPillow) {
  const auto expected = [](int around, int left, int right) {
    std::vector<int> levels(12, around);
    levels[5] = left;
    levels[6] = right;
    return levels;
  };
  const auto control = [](char flags) { return std::string("!\xf9\4", 3) + std::string{flags, 0, 0, 3, 0}; };  // colour 3
  EXPECT_EQ(reds(decode_bytes(small_frame(gif_colors(10), "", ""))), expected(10, 20, 40));
  EXPECT_EQ(reds(decode_bytes(small_frame(gif_colors(10), control(1), ""))), expected(40, 20, 40));
  EXPECT_EQ(reds(decode_bytes(small_frame(gif_colors(10), control(0), ""))), expected(10, 20, 40)) << "not transparent";
  EXPECT_EQ(reds(decode_bytes(small_frame(gif_colors(10), "", gif_colors(11)))), expected(11, 22, 44));
  EXPECT_EQ(reds(decode_bytes(small_frame("", control(1), gif_colors(11)))), expected(44, 22, 44));
}

TEST(BrokenImageTest, ACutFileNeverCrashesTheDecoder) {
  const ScratchFolder folder;
  for (const char* name :
       {"odd420.jpg", "progressive.jpg", "rgb.png", "plain.gif", "palette.gif", "rgb.bmp", "lossy.webp", "exif6.jpg"}) {
    const std::string whole = read_file(kFixtures / name);
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 150) {
      const std::string cut = whole.substr(0, size);
      try {
        const Image image = decode_image(std::as_bytes(std::span(cut)), name);
        EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
      } catch (const DataError&) {
      }
    }
  }
}

TEST(RandomResizedCropTest, HasTorchvisionsDistribution) {
  const auto golden = nlohmann::json::parse(read_file(kFixtures / "random_resized_crop.json"));
  for (const auto& shape : golden) {
    // A picture whose colours are its coordinates: an 8 x 8 crop of it tells where it was.
    Image image{shape["width"], shape["height"], {}};
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        for (const int level : {x, y, 0}) image.pixels.push_back(static_cast<std::uint8_t>(level));
      }
    }
    const ScratchFolder folder;
    const fs::path file = folder.path() / "coordinates.bmp";
    write_bmp(file, image);
    const int draws = 4000;
    std::vector<int> lefts;
    for (int i = 0; i < draws; ++i) {
      const Image crop =
          load_image(file, {.size = 8, .crop = Crop::kRandomResized, .flip = false}, {9, 0, static_cast<std::uint64_t>(i)});
      // Bilinear: columns are linear in x, so the left edge is extrapolated from the two inner columns 1 and 6.
      const double slope = (crop.row(4)[18] - crop.row(4)[3]) / 5.0;
      lefts.push_back(static_cast<int>(std::lround(crop.row(4)[3] - slope - slope / 2)));
    }
    for (const auto& quantile : shape["left"]) {
      const int value = quantile[0];
      const double part =
          static_cast<double>(std::count_if(lefts.begin(), lefts.end(), [&](int left) { return left <= value; })) / draws;
      const double before =
          static_cast<double>(std::count_if(lefts.begin(), lefts.end(), [&](int left) { return left <= value - 1; })) / draws;
      // The extrapolation is good to a pixel: the golden part lies between its neighbours, within sampling error.
      const double after =
          static_cast<double>(std::count_if(lefts.begin(), lefts.end(), [&](int left) { return left <= value + 1; })) / draws;
      EXPECT_GT(quantile[1].get<double>(), before - 0.04) << shape["width"] << " left " << value << " " << part;
      EXPECT_LT(quantile[1].get<double>(), after + 0.04) << shape["width"] << " left " << value << " " << part;
    }
  }
}

}  // namespace
}  // namespace emotion
