#include "decode_jpeg.h"

#include <cstdio>
// jpeglib.h wants stdio before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "emotion/error.h"
#include "fast_huffman.h"

namespace emotion {
namespace {

/// Value of the EXIF orientation tag in an APP1 marker; 1 (upright) if there is none or it is malformed.
int exif_orientation(std::span<const std::uint8_t> app1) {
  if (app1.size() < 14 || !std::equal(app1.begin(), app1.begin() + 6, "Exif\0")) return 1;
  const auto tiff = app1.subspan(6);
  const bool big = tiff[0] == 'M';
  const auto number = [&](std::size_t at, int size) -> std::uint32_t {
    std::uint32_t value = 0;
    if (at > tiff.size() || tiff.size() - at < static_cast<std::size_t>(size)) return 0;
    for (int i = 0; i < size; ++i) value |= std::uint32_t{tiff[at + static_cast<std::size_t>(i)]} << 8 * (big ? size - 1 - i : i);
    return value;
  };
  const std::size_t directory = number(4, 4);
  const std::uint32_t entries = number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(entry, 2) == 0x0112) {
      const std::uint32_t value = number(entry + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

/// One JPEG in memory. libjpeg's errors leave as exceptions: it is built with unwind tables where Debian builds it (amd64,
/// arm64).
class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, const std::filesystem::path& file) : bytes_(bytes), file_(file) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) { self(info).refuse(self(info).message()); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level >= 0) return;  // a trace
      const int code = info->err->msg_code;
      if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE) self(info).refuse(self(info).message());
    };
    info_.client_data = this;
    jpeg_create_decompress(&info_);
    try {
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
      read_header();
      check_image_size(info_.image_width, info_.image_height, file_);
      for (auto* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
        if (marker->marker == JPEG_APP0 + 1) orientation_ = exif_orientation({marker->data, marker->data_length});
        if (orientation_ != 1) break;
      }
    } catch (...) {
      jpeg_destroy_decompress(&info_);
      throw;
    }
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  int orientation() const { return orientation_; }
  bool turned() const { return orientation_ >= 5; }
  int width() const { return static_cast<int>(info_.image_width); }
  int height() const { return static_cast<int>(info_.image_height); }

  /// Rows and columns of the stored picture at scale `eighths` / 8 that cover `part` (in full-size pixels).
  ScaledRegion read(int eighths, const Region& part) {
    try {
      return read_rows(eighths, part, true);
    } catch (const DamagedScan&) {
      jpeg_abort_decompress(&info_);
      read_header();
      return read_rows(eighths, part, false);
    }
  }

 private:
  /// Thrown through libjpeg where FastHuffman meets data that libjpeg is to judge.
  struct DamagedScan {};

  static Decoder& self(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

  void read_header() {
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
    const bool cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  }

  void use_fast_huffman() {
    huffman_.emplace(info_);
    FastHuffman::replace(info_, [](j_decompress_ptr info, JBLOCKROW* blocks) -> boolean {
      if (!self(reinterpret_cast<j_common_ptr>(info)).huffman_->decode(*info, blocks)) throw DamagedScan();
      return TRUE;
    });
  }

  ScaledRegion read_rows(int eighths, const Region& part, bool fast) {
    info_.scale_num = static_cast<unsigned>(eighths);
    info_.scale_denom = 8;
    info_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info_);
    if (fast && FastHuffman::takes(info_)) use_fast_huffman();
    const int out_width = static_cast<int>(info_.output_width), out_height = static_cast<int>(info_.output_height);
    const double sx = static_cast<double>(out_width) / width(), sy = static_cast<double>(out_height) / height();
    const int left = std::clamp(static_cast<int>(std::floor(part.x * sx)), 0, out_width - 1);
    const int top = std::clamp(static_cast<int>(std::floor(part.y * sy)), 0, out_height - 1);
    const int right = std::clamp(static_cast<int>(std::ceil((part.x + part.width) * sx)), left + 1, out_width);
    const int bottom = std::clamp(static_cast<int>(std::ceil((part.y + part.height) * sy)), top + 1, out_height);
    ScaledRegion region;
    region.box = {part.x * sx - left, part.y * sy - top, (part.x + part.width) * sx - left, (part.y + part.height) * sy - top};
    region.image.width = right - left;
    region.image.height = bottom - top;
    region.image.pixels.resize(static_cast<std::size_t>(right - left) * static_cast<std::size_t>(bottom - top) * 3);

    JDIMENSION first = static_cast<JDIMENSION>(left), count = static_cast<JDIMENSION>(right - left);
    if (right - left < out_width) jpeg_crop_scanline(&info_, &first, &count);  // widens to whole blocks
    if (top > 0) jpeg_skip_scanlines(&info_, static_cast<JDIMENSION>(top));
    std::vector<std::uint8_t> line(static_cast<std::size_t>(info_.output_width) *
                                   static_cast<std::size_t>(info_.output_components));
    for (int y = 0; y < region.image.height; ++y) {
      std::uint8_t* row = line.data();
      jpeg_read_scanlines(&info_, &row, 1);
      copy_row(line.data() + (static_cast<std::size_t>(left) - first) * static_cast<std::size_t>(info_.output_components),
               region.image.row(y), region.image.width);
    }
    if (bottom == out_height) {
      jpeg_finish_decompress(&info_);
    } else {
      jpeg_abort_decompress(&info_);
    }
    return region;
  }

  [[noreturn]] void refuse(const std::string& reason) const { throw DataError(file_.string() + ": broken JPEG: " + reason); }

  std::string message() {
    char text[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), text);
    return text;
  }

  void copy_row(const std::uint8_t* from, std::uint8_t* to, int count) const {
    if (info_.out_color_space == JCS_RGB) {
      std::copy_n(from, static_cast<std::size_t>(count) * 3, to);
      return;
    }
    // Adobe stores CMYK inverted: a stored value is 255 minus the ink.
    for (int x = 0; x < count; ++x, from += 4, to += 3) {
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - from[c]) * from[3] + 128;
        to[c] = static_cast<std::uint8_t>(from[3] - (((product >> 8) + product) >> 8));
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::filesystem::path file_;
  std::optional<FastHuffman> huffman_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  int orientation_ = 1;
};

/// Stored pixel (x, y) of upright pixel (u, v), for a stored picture of `width` x `height`.
std::pair<int, int> stored_place(int orientation, int u, int v, int width, int height) {
  switch (orientation) {
    case 2: return {width - 1 - u, v};
    case 3: return {width - 1 - u, height - 1 - v};
    case 4: return {u, height - 1 - v};
    case 5: return {v, u};
    case 6: return {v, height - 1 - u};
    case 7: return {width - 1 - v, height - 1 - u};
    case 8: return {width - 1 - v, u};
    default: return {u, v};
  }
}

}  // namespace

void check_image_size(std::int64_t width, std::int64_t height, const std::filesystem::path& file) {
  constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;
  if (width <= 0 || height <= 0 || width > kMaxPixels || height > kMaxPixels / width) {
    throw DataError(
        fmt::format("{}: a picture of {} x {} pixels is refused; at most 2^28 are read", file.string(), width, height));
  }
}

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() > 3 && bytes[0] == std::byte{0xff} && bytes[1] == std::byte{0xd8} && bytes[2] == std::byte{0xff};
}

Image orient_image(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  Image upright;
  upright.width = orientation >= 5 ? image.height : image.width;
  upright.height = orientation >= 5 ? image.width : image.height;
  upright.pixels.resize(image.pixels.size());
  for (int v = 0; v < upright.height; ++v) {
    std::uint8_t* to = upright.row(v);
    for (int u = 0; u < upright.width; ++u, to += 3) {
      const auto [x, y] = stored_place(orientation, u, v, image.width, image.height);
      std::memcpy(to, image.row(y) + static_cast<std::size_t>(x) * 3, 3);
    }
  }
  return upright;
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  Decoder decoder(bytes, file);
  return orient_image(decoder.read(8, {0, 0, decoder.width(), decoder.height()}).image, decoder.orientation());
}

ScaledRegion decode_jpeg_region(std::span<const std::byte> bytes, const std::filesystem::path& file, int min_size,
                                const std::function<Region(int width, int height)>& choose) {
  Decoder decoder(bytes, file);
  const int width = decoder.width(), height = decoder.height();
  const Region upright = decoder.turned() ? choose(height, width) : choose(width, height);
  // The upright rectangle's opposite corners, as they are stored.
  const auto [ax, ay] = stored_place(decoder.orientation(), upright.x, upright.y, width, height);
  const auto [bx, by] =
      stored_place(decoder.orientation(), upright.x + upright.width - 1, upright.y + upright.height - 1, width, height);
  const Region stored{std::min(ax, bx), std::min(ay, by), std::abs(ax - bx) + 1, std::abs(ay - by) + 1};
  int eighths = 8;
  while (eighths > 1 && std::min(stored.width, stored.height) * (eighths / 2) >= min_size * 8) eighths /= 2;
  ScaledRegion region = decoder.read(eighths, stored);
  const int w = region.image.width, h = region.image.height;
  const auto box = region.box;
  switch (decoder.orientation()) {  // the box turns with its picture
    case 2: region.box = {w - box[2], box[1], w - box[0], box[3]}; break;
    case 3: region.box = {w - box[2], h - box[3], w - box[0], h - box[1]}; break;
    case 4: region.box = {box[0], h - box[3], box[2], h - box[1]}; break;
    case 5: region.box = {box[1], box[0], box[3], box[2]}; break;
    case 6: region.box = {h - box[3], box[0], h - box[1], box[2]}; break;
    case 7: region.box = {h - box[3], w - box[2], h - box[1], w - box[0]}; break;
    case 8: region.box = {box[1], w - box[2], box[3], w - box[0]}; break;
    default: break;
  }
  region.image = orient_image(std::move(region.image), decoder.orientation());
  return region;
}

}  // namespace emotion
