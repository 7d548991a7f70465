#include "decode_png.h"

#include <png.h>

#include <cstring>
#include <string>
#include <vector>

#include "decode_jpeg.h"
#include "emotion/error.h"

namespace emotion {
namespace {

/// One PNG in memory. libpng's errors leave as exceptions: it is built with unwind tables where Debian builds it (amd64, arm64).
/// Its warnings (profiles that are known to be wrong, broken notes) say nothing of the pixels.
class PngDecoder {
 public:
  PngDecoder(std::span<const std::byte> bytes, const std::filesystem::path& file) : rest_(bytes), file_(file) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this, [](png_structp png, png_const_charp text) { self(png_get_error_ptr(png)).refuse(text); },
        [](png_structp, png_const_charp) {});
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, this,
                    [](png_structp png, png_bytep to, std::size_t count) { self(png_get_io_ptr(png)).take(to, count); });
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image read() {
    png_read_info(png_, info_);
    Image image{static_cast<int>(png_get_image_width(png_, info_)), static_cast<int>(png_get_image_height(png_, info_)), {}};
    check_image_size(image.width, image.height, file_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_expand(png_);  // palettes, 1, 2 and 4 bits
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const std::size_t row = static_cast<std::size_t>(image.width) * 3;
    if (png_get_rowbytes(png_, info_) != row) refuse("of an unknown kind");
    image.pixels.resize(row * static_cast<std::size_t>(image.height));
    std::vector<png_bytep> rows;
    for (int y = 0; y < image.height; ++y) rows.push_back(image.row(y));
    png_read_image(png_, rows.data());
    png_read_end(png_, info_);
    return orient_image(std::move(image), orientation());
  }

 private:
  static PngDecoder& self(void* pointer) { return *static_cast<PngDecoder*>(pointer); }
  [[noreturn]] void refuse(const char* text) const { throw DataError(file_.string() + ": broken PNG: " + text); }
  void take(png_bytep to, std::size_t count) {
    if (count > rest_.size()) refuse("it ends too early");
    std::memcpy(to, rest_.data(), count);
    rest_ = rest_.subspan(count);
  }

  int orientation() {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) == 0 || !exif) return 1;
    std::vector<std::uint8_t> marker{'E', 'x', 'i', 'f', 0, 0};  // as it stands in a JPEG
    marker.insert(marker.end(), exif, exif + size);
    return exif_orientation(marker);
  }

  std::span<const std::byte> rest_;
  const std::filesystem::path& file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Image decode_png(std::span<const std::byte> bytes, const std::filesystem::path& file) { return PngDecoder(bytes, file).read(); }

}  // namespace emotion
