#include "emotion/report/picture.h"

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/report/html.h"

namespace emotion {

std::string encode_jpeg(const Image& image) {
  const cv::Mat rgb(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<std::uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, 85});
  return {bytes.begin(), bytes.end()};
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
