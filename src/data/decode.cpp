#include "emotion/data/decode.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// A number of `size` bytes; 0 where the file ends before them.
std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at, std::size_t size, bool big_endian) {
  if (at > bytes.size() || bytes.size() - at < size) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= std::to_integer<std::uint32_t>(bytes[at + i]) << 8 * (big_endian ? size - 1 - i : i);
  return value;
}

/// The first frame on its canvas. OpenCV as Debian builds it has no GIF.
///
/// Around a frame that is smaller, the canvas is as Pillow fills it: with the frame's transparent colour, else with the first
/// colour of its map, never with the canvas's own background.
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
      if (type == EXTENSION_RECORD_TYPE) read_extension();
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
  void read_extension() {
    int code = 0;
    GifByteType* data = nullptr;  // its length, then its bytes
    check(DGifGetExtension(gif_, &code, &data));
    GraphicsControlBlock control{};
    if (code == GRAPHICS_EXT_FUNC_CODE && data != nullptr && DGifExtensionToGCB(data[0], data + 1, &control) == GIF_OK &&
        control.TransparentColor != NO_TRANSPARENT_COLOR)
      around_ = control.TransparentColor;
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
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) paint(*map, around_, &image.pixels[i]);
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
  int around_ = 0;  // the colour of the canvas, in the frame's map
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

bool is_tiff(std::span<const std::byte> bytes) {
  return starts_with(bytes, std::string_view("II*\0", 4)) || starts_with(bytes, std::string_view("MM\0*", 4));
}

bool is_webp(std::span<const std::byte> bytes) { return starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8); }

/// What the first chunk of that name in a WebP file holds; chunks are a name, a size and as many bytes, made even.
std::optional<std::span<const std::byte>> webp_chunk(std::span<const std::byte> bytes, std::string_view name) {
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::size_t size = number_at(bytes, at + 4, 4, false);
    if (starts_with(bytes, name, at)) return bytes.subspan(at + 8, std::min(size, bytes.size() - at - 8));
    at += 8 + size + size % 2;
  }
  return std::nullopt;
}

/// A WebP file of several pictures has a chunk ANIM.
bool is_animated_webp(std::span<const std::byte> bytes) { return is_webp(bytes) && webp_chunk(bytes, "ANIM").has_value(); }

/// As Pillow has it: the chunk EXIF counts where VP8X says that there is one.
int webp_orientation(std::span<const std::byte> bytes) {
  constexpr std::byte kHasExif{0x08};
  const auto header = webp_chunk(bytes, "VP8X"), exif = webp_chunk(bytes, "EXIF");
  if (!header || header->empty() || !exif || (header->front() & kHasExif) == std::byte{0}) return 1;
  constexpr std::string_view kPrefix("Exif\0\0", 6);  // as in a JPEG, which some programs write here as well
  std::vector<std::uint8_t> marker;
  if (!starts_with(*exif, kPrefix)) marker.assign(kPrefix.begin(), kPrefix.end());
  for (const std::byte byte : *exif) marker.push_back(std::to_integer<std::uint8_t>(byte));
  return exif_orientation(marker);
}

struct Size {
  std::int64_t width = 0, height = 0;
};

Size bmp_size(std::span<const std::byte> bytes) {
  // OS/2's header has 16 bits a side. A negative height: rows from the top.
  if (number_at(bytes, 14, 4, false) == 12) return {number_at(bytes, 18, 2, false), number_at(bytes, 20, 2, false)};
  const auto side = [&](std::size_t at) { return std::int64_t{static_cast<std::int32_t>(number_at(bytes, at, 4, false))}; };
  return {side(18), std::abs(side(22))};
}

/// The first value of a tag, and the bytes that hold it.
struct TiffValue {
  std::uint32_t value = 0;
  std::size_t at = 0, size = 0;
};

/// Of the first directory, whose picture is read. An entry is the tag, the type, the number of values, and those or, where they
/// have more than four bytes, their place.
TiffValue tiff_value(std::span<const std::byte> bytes, std::uint32_t tag) {
  constexpr std::uint32_t kShort = 3;
  const bool big = starts_with(bytes, "MM");
  const std::size_t directory = number_at(bytes, 4, 4, big), entries = number_at(bytes, directory, 2, big);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (number_at(bytes, entry, 2, big) != tag) continue;
    const std::size_t size = number_at(bytes, entry + 2, 2, big) == kShort ? 2 : 4, count = number_at(bytes, entry + 4, 4, big);
    const std::size_t at = count * size <= 4 ? entry + 8 : number_at(bytes, entry + 8, 4, big);
    return {number_at(bytes, at, size, big), at, size};
  }
  return {};
}

Size tiff_size(std::span<const std::byte> bytes) { return {tiff_value(bytes, 256).value, tiff_value(bytes, 257).value}; }

/// What OpenCV is given of a TIFF, for Pillow's colours. It has libtiff draw the picture on black, and what was multiplied by an
/// alpha that is apart from the colours cannot be taken back: libtiff is told that it is in them, and leaves them as they are.
struct TiffAlpha {
  static constexpr std::uint32_t kInColours = 1, kApart = 2;  // the tag ExtraSamples; Corel Draw writes 999 for the latter
  std::vector<std::byte> changed;                             // the file in place of the one that says kApart
  bool divide = false;                                        // it is in them: Pillow takes it out

  explicit TiffAlpha(std::span<const std::byte> bytes) {
    const TiffValue extra = tiff_value(bytes, 338);
    if (extra.value >= kApart) {
      changed.assign(bytes.begin(), bytes.end());
      std::fill_n(changed.begin() + static_cast<std::ptrdiff_t>(extra.at), extra.size, std::byte{0});
      changed[extra.at + (starts_with(bytes, "MM") ? extra.size - 1 : 0)] = std::byte{kInColours};
    }
    const bool rgba = tiff_value(bytes, 258).value == 8 && tiff_value(bytes, 262).value == 2 && tiff_value(bytes, 277).value == 4;
    divide = extra.value == kInColours && rgba;
  }
};

void divide_by_alpha(cv::Mat& bgra) {
  for (int y = 0; y < bgra.rows; ++y) {
    auto* pixel = bgra.ptr<std::uint8_t>(y);
    for (int x = 0; x < bgra.cols; ++x, pixel += 4) {
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(pixel[3] == 0 ? 0 : std::min(255, 255 * pixel[c] / pixel[3]));
    }
  }
}

/// OpenCV makes room for all pixels before it reads one: what the header says is checked first.
void check_told_size(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  if (is_webp(bytes)) return;  // its sides have 14 bits
  const Size size = starts_with(bytes, "BM") ? bmp_size(bytes) : tiff_size(bytes);
  if (size.width > 0 && size.height > 0) check_image_size(size.width, size.height, file);
}

/// WebP, BMP, TIFF: 8-bit colours, upright, alpha dropped.
Image decode_with_opencv(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  check_told_size(bytes, file);
  const TiffAlpha alpha(is_tiff(bytes) ? bytes : std::span<const std::byte>());
  if (!alpha.changed.empty()) bytes = alpha.changed;
  const QuietOpenCV quiet;
  // A WebP is turned below: versions of OpenCV that do so as well would turn it twice.
  int flags = is_webp(bytes) ? cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION : cv::IMREAD_COLOR;
  if (alpha.divide) flags = cv::IMREAD_UNCHANGED;
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8U, const_cast<std::byte*>(bytes.data()));
  cv::Mat bgr;
  try {
    bgr = cv::imdecode(input, flags);
  } catch (const cv::Exception& error) {
    throw DataError(file.string() + ": broken picture: " + error.err);
  }
  if (bgr.empty() && is_animated_webp(bytes))
    throw DataError(file.string() + ": animated WebP is not read; save one of its pictures as a file of its own");
  if (bgr.empty()) throw DataError(file.string() + ": broken picture, or truncated");
  if (bgr.type() == CV_8UC4) divide_by_alpha(bgr);
  check_image_size(bgr.cols, bgr.rows, file);
  Image image{bgr.cols, bgr.rows, {}};
  image.pixels.resize(bgr.total() * 3);
  cv::Mat rgb(bgr.rows, bgr.cols, CV_8UC3, image.pixels.data());
  cv::cvtColor(bgr, rgb, bgr.channels() == 4 ? cv::COLOR_BGRA2RGB : cv::COLOR_BGR2RGB);
  return is_webp(bytes) ? orient_image(std::move(image), webp_orientation(bytes)) : image;
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  if (bytes.empty()) throw DataError(file.string() + ": the file is empty");
  if (is_jpeg(bytes)) return decode_jpeg(bytes, file);
  if (starts_with(bytes, "GIF8")) return GifDecoder(bytes, file).first_frame();
  const bool png = starts_with(bytes, "\x89PNG\r\n\x1a\n");
  if (png) {
    if (bytes.size() < 24) throw DataError(file.string() + ": broken picture, or truncated");
    check_image_size(number_at(bytes, 16, 4, true), number_at(bytes, 20, 4, true), file);
    return decode_png(bytes, file);
  }
  if (!is_webp(bytes) && !is_tiff(bytes) && !starts_with(bytes, "BM")) {
    throw DataError(file.string() + ": not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read");
  }
  return decode_with_opencv(bytes, file);
}

Image decode_image(const std::filesystem::path& file) {
  const std::string bytes = read_file_or_member(file);
  return decode_image(std::as_bytes(std::span(bytes)), file);
}

}  // namespace emotion
