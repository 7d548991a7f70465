#include "emotion/data/decode.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <streambuf>
#include <string>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "decode_jpeg.h"
#include "decode_png.h"
#include "emotion/error.h"
#include "emotion/io/tar.h"

namespace emotion {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic, std::size_t at = 0) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

/// The first frame on its canvas. OpenCV as Debian builds it has no GIF.
class GifDecoder {
 public:
  GifDecoder(std::span<const std::byte> bytes, const std::filesystem::path& file) : rest_(bytes), file_(file) {
    int error = 0;
    gif_ = DGifOpen(
        this,
        [](GifFileType* gif, GifByteType* to, int count) {
          auto& rest = static_cast<GifDecoder*>(gif->UserData)->rest_;
          const std::size_t n = std::min(rest.size(), static_cast<std::size_t>(count));
          std::memcpy(to, rest.data(), n);
          rest = rest.subspan(n);
          return static_cast<int>(n);
        },
        &error);
    if (gif_ == nullptr) refuse(error);
  }
  ~GifDecoder() { DGifCloseFile(gif_, nullptr); }
  GifDecoder(const GifDecoder&) = delete;
  GifDecoder& operator=(const GifDecoder&) = delete;

  Image first_frame() {
    check_image_size(gif_->SWidth, gif_->SHeight, file_);
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    while (type != TERMINATE_RECORD_TYPE) {
      check(DGifGetRecordType(gif_, &type));
      if (type == IMAGE_DESC_RECORD_TYPE) return read_frame();
      if (type == EXTENSION_RECORD_TYPE) skip_extension();
    }
    throw DataError(file_.string() + ": broken GIF: there is no picture in it");
  }

 private:
  [[noreturn]] void refuse(int error) const {
    const char* text = GifErrorString(error);
    throw DataError(file_.string() + ": broken GIF: " + (text ? text : "unknown error"));
  }
  void check(int result) const {
    if (result == GIF_ERROR) refuse(gif_->Error);
  }
  void skip_extension() {
    int code = 0;
    GifByteType* data = nullptr;
    check(DGifGetExtension(gif_, &code, &data));
    while (data != nullptr) check(DGifGetExtensionNext(gif_, &data));
  }
  static void paint(const ColorMapObject& map, int index, std::uint8_t* to) {
    const GifColorType color = index < map.ColorCount ? map.Colors[index] : GifColorType{0, 0, 0};
    to[0] = color.Red;
    to[1] = color.Green;
    to[2] = color.Blue;
  }

  Image read_frame() {
    check(DGifGetImageDesc(gif_));
    const GifImageDesc& frame = gif_->Image;
    const ColorMapObject* map = frame.ColorMap ? frame.ColorMap : gif_->SColorMap;
    if (map == nullptr) throw DataError(file_.string() + ": broken GIF: there is no colour map");
    if (frame.Left < 0 || frame.Top < 0 || frame.Width <= 0 || frame.Height <= 0 || frame.Left + frame.Width > gif_->SWidth ||
        frame.Top + frame.Height > gif_->SHeight) {
      throw DataError(file_.string() + ": broken GIF: a frame leaves the canvas");
    }
    Image image{gif_->SWidth, gif_->SHeight, {}};
    image.pixels.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
    if (gif_->SColorMap) {
      for (std::size_t i = 0; i < image.pixels.size(); i += 3) paint(*gif_->SColorMap, gif_->SBackGroundColor, &image.pixels[i]);
    }
    std::vector<GifPixelType> line(static_cast<std::size_t>(frame.Width));
    const auto read_row = [&](int y) {
      check(DGifGetLine(gif_, line.data(), frame.Width));
      std::uint8_t* to = image.row(frame.Top + y) + static_cast<std::size_t>(frame.Left) * 3;
      for (const GifPixelType index : line) paint(*map, index, std::exchange(to, to + 3));
    };
    if (!frame.Interlace) {
      for (int y = 0; y < frame.Height; ++y) read_row(y);
    } else {
      constexpr int kStart[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
      for (int pass = 0; pass < 4; ++pass) {
        for (int y = kStart[pass]; y < frame.Height; y += kStep[pass]) read_row(y);
      }
    }
    return image;
  }

  std::span<const std::byte> rest_;
  std::filesystem::path file_;
  GifFileType* gif_ = nullptr;
};

/// What std::cerr writes through: nothing comes of a thread while it is muted.
class MutableErrors final : public std::streambuf {
 public:
  explicit MutableErrors(std::streambuf* to) : to_(to) {}
  static inline thread_local bool muted = false;

 protected:
  int overflow(int c) override {
    return muted || c == traits_type::eof() ? traits_type::not_eof(c) : to_->sputc(static_cast<char>(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override { return muted ? count : to_->sputn(text, count); }
  int sync() override { return muted ? 0 : to_->pubsync(); }

 private:
  std::streambuf* to_;
};

/// Where OpenCV catches an error of its own it writes several lines to std::cerr: while this lives, those of its thread are lost.
class QuietOpenCV {
 public:
  QuietOpenCV() {
    // Stays until the process ends: other threads may be writing.
    static MutableErrors* const errors = new MutableErrors(std::cerr.rdbuf());
    static const bool installed = std::cerr.rdbuf(errors) != nullptr;
    MutableErrors::muted = installed;
  }
  ~QuietOpenCV() { MutableErrors::muted = false; }
  QuietOpenCV(const QuietOpenCV&) = delete;
  QuietOpenCV& operator=(const QuietOpenCV&) = delete;
};

/// A WebP file of several pictures has a chunk ANIM; chunks are a name, a size and as many bytes, made even.
bool is_animated_webp(std::span<const std::byte> bytes) {
  if (!starts_with(bytes, "RIFF") || !starts_with(bytes, "WEBP", 8)) return false;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    if (starts_with(bytes, "ANIM", at)) return true;
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size |= std::to_integer<std::size_t>(bytes[at + 4 + i]) << 8 * i;
    at += 8 + size + size % 2;
  }
  return false;
}

/// WebP, BMP, TIFF: 8-bit colours, upright, alpha dropped.
Image decode_with_opencv(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  const QuietOpenCV quiet;
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8U, const_cast<std::byte*>(bytes.data()));
  cv::Mat bgr;
  try {
    bgr = cv::imdecode(input, cv::IMREAD_COLOR);
  } catch (const cv::Exception& error) {
    throw DataError(file.string() + ": broken picture: " + error.err);
  }
  if (bgr.empty() && is_animated_webp(bytes))
    throw DataError(file.string() + ": animated WebP is not read; save one of its pictures as a file of its own");
  if (bgr.empty()) throw DataError(file.string() + ": broken picture, or truncated");
  check_image_size(bgr.cols, bgr.rows, file);
  Image image{bgr.cols, bgr.rows, {}};
  image.pixels.resize(bgr.total() * 3);
  cv::Mat rgb(bgr.rows, bgr.cols, CV_8UC3, image.pixels.data());
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return image;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  if (bytes.empty()) throw DataError(file.string() + ": the file is empty");
  if (is_jpeg(bytes)) return decode_jpeg(bytes, file);
  if (starts_with(bytes, "GIF8")) return GifDecoder(bytes, file).first_frame();
  const bool png = starts_with(bytes, "\x89PNG\r\n\x1a\n");
  if (png) {
    if (bytes.size() < 24) throw DataError(file.string() + ": broken picture, or truncated");
    check_image_size(big_endian(bytes, 16), big_endian(bytes, 20), file);
    return decode_png(bytes, file);
  }
  const bool webp = starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8);
  const bool tiff = starts_with(bytes, std::string_view("II*\0", 4)) || starts_with(bytes, std::string_view("MM\0*", 4));
  if (!webp && !tiff && !starts_with(bytes, "BM")) {
    throw DataError(file.string() + ": not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read");
  }
  return decode_with_opencv(bytes, file);
}

Image decode_image(const std::filesystem::path& file) {
  const std::string bytes = read_file_or_member(file);
  return decode_image(std::as_bytes(std::span(bytes)), file);
}

}  // namespace emotion
