#include "emotion/report/region_picture.h"

#include <algorithm>
#include <array>

#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <opencv2/imgproc.hpp>

namespace emotion {
namespace {

constexpr int kLeastSide = 480;  // pixels, of the longer side
// Colours that tell neighbours apart (Okabe and Ito, 2008), RGB.
const std::array<cv::Scalar, 7> kColors{cv::Scalar{230, 159, 0},  cv::Scalar{86, 180, 233}, cv::Scalar{0, 158, 115},
                                        cv::Scalar{240, 228, 66}, cv::Scalar{0, 114, 178},  cv::Scalar{213, 94, 0},
                                        cv::Scalar{204, 121, 167}};

std::string caption(const RegionFile& regions, std::int64_t i) {
  const auto name = [&](const at::Tensor& ids, const std::vector<std::string>& names) {
    if (!ids.defined()) return std::string();
    const auto id = ids[i].item<std::int64_t>();
    return id >= 0 && id < static_cast<std::int64_t>(names.size()) ? names[static_cast<std::size_t>(id)] : std::to_string(id);
  };
  const std::string attribute = name(regions.attributes, regions.attribute_names), cls = name(regions.labels, regions.classes);
  return fmt::format("{}{}{}{}{:.2f}", attribute, attribute.empty() ? "" : " ", cls, cls.empty() ? "" : " ",
                     regions.scores[i].item<float>());
}

void draw(cv::Mat& picture, const cv::Rect& box, const std::string& text, const cv::Scalar& color) {
  constexpr double kScale = 0.45;
  cv::rectangle(picture, box, color, 2, cv::LINE_AA);
  int below = 0;
  const cv::Size size = cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kScale, 1, &below);
  const int x = std::clamp(box.x, 0, std::max(0, picture.cols - size.width - 4));
  const int y = std::max(box.y, size.height + 6);
  cv::rectangle(picture, cv::Rect(x, y - size.height - 6, size.width + 4, size.height + 6), color, cv::FILLED);
  const bool bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 110;
  cv::putText(picture, text, {x + 2, y - 4}, cv::FONT_HERSHEY_SIMPLEX, kScale, bright ? cv::Scalar::all(0) : cv::Scalar::all(255),
              1, cv::LINE_AA);
}

}  // namespace

Image draw_regions(const Image& image, const RegionFile& regions) {
  const cv::Mat stored(image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels.data()));
  const double scale = std::max(1.0, static_cast<double>(kLeastSide) / std::max(image.width, image.height));
  cv::Mat picture;
  cv::resize(stored, picture, {}, scale, scale, cv::INTER_CUBIC);
  for (std::int64_t i = regions.scores.size(0); i-- > 0;) {
    const at::Tensor box = (regions.boxes[i] * scale).round().to(at::kInt).contiguous();
    const int* corner = box.const_data_ptr<int>();
    draw(picture, cv::Rect(cv::Point(corner[0], corner[1]), cv::Point(corner[2], corner[3])), caption(regions, i),
         kColors[static_cast<std::size_t>(i) % kColors.size()]);
  }
  Image drawn{picture.cols, picture.rows, {}};
  drawn.pixels.assign(picture.data, picture.data + picture.total() * 3);
  return drawn;
}

}  // namespace emotion
