#include "emotion/report/picture.h"

#include <algorithm>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/data/loader.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/report/html.h"

namespace emotion {

namespace {

std::string encode(const Image& image, const char* extension, const std::vector<int>& parameters) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> bytes;
  cv::imencode(extension, bgr, bytes, parameters);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string encode_jpeg(const Image& image) { return encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, 85}); }
std::string encode_png(const Image& image) { return encode(image, ".png", {}); }

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
    const Image image = load_image(file, Transform{.resize = side, .crop = Crop::kNone, .flip = false}, {});
    return fmt::format("<img alt=\"{}\" src=\"{}\" height=\"{}\">", html_escape(alternative),
                       data_uri("image/jpeg", encode_jpeg(image)), side);
  } catch (const Error&) {
    return fmt::format("<span class=\"missing\">{} cannot be read</span>", html_escape(file.filename().string()));
  }
}

}  // namespace emotion
