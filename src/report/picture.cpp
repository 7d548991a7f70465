#include "emotion/report/picture.h"

#include <algorithm>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/data/decode.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/report/html.h"

namespace emotion {

namespace {

std::string encode(const Image& image, const char* extension, const std::vector<int>& parameters) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> bytes;
  try {
    if (cv::imencode(extension, bgr, bytes, parameters)) return {bytes.begin(), bytes.end()};
  } catch (const cv::Exception&) {  // its text is OpenCV's source line
  }
  throw RunError(fmt::format("{} x {} pixels cannot be written as {}", image.width, image.height, extension));
}

/// The shorter side `side` pixels; the longer at most kLongest times that, or a line of pixels would become a huge picture.
Image thumbnail(const Image& image, int side) {
  constexpr int kLongest = 4;
  const int shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const double scale = std::min(static_cast<double>(side) / shorter, static_cast<double>(kLongest * side) / longer);
  const auto scaled = [&](int pixels) { return std::max(1, static_cast<int>(pixels * scale + 0.5)); };
  return resize_image(image, scaled(image.width), scaled(image.height));
}

}  // namespace

std::string encode_jpeg(const Image& image) { return encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, 85}); }
std::string encode_png(const Image& image) { return encode(image, ".png", {}); }

void write_picture(const std::filesystem::path& file, const Image& image) {
  std::string bytes;
  try {
    bytes = encode(image, file.extension().c_str(), {cv::IMWRITE_JPEG_QUALITY, 85});
  } catch (const RunError& error) {
    throw RunError(fmt::format("{}: {}", file.string(), error.what()));
  }
  write_file_atomically(file, bytes);
}

Image shrink_to(const Image& image, int side) {
  const int longest = std::max(image.width, image.height);
  if (longest <= side) return image;
  const auto shrunk = [&](int pixels) {
    return std::max(1, static_cast<int>(static_cast<std::int64_t>(pixels) * side / longest));
  };
  return resize_image(image, shrunk(image.width), shrunk(image.height));
}

std::string thumbnail_html(const std::filesystem::path& file, int side, const std::string& alternative) {
  try {
    return fmt::format("<img alt=\"{}\" src=\"{}\" height=\"{}\">", html_escape(alternative),
                       data_uri("image/jpeg", encode_jpeg(thumbnail(decode_image(file), side))), side);
  } catch (const Error&) {
    return fmt::format("<span class=\"missing\">{} cannot be read</span>", html_escape(file.filename().string()));
  }
}

}  // namespace emotion
