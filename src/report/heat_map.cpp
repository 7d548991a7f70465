#include "emotion/report/heat_map.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <opencv2/imgproc.hpp>

namespace emotion {

Image heat_map(const Image& picture, const at::Tensor& map, const std::array<double, 4>& view) {
  const cv::Mat rgb(picture.height, picture.width, CV_8UC3, const_cast<std::uint8_t*>(picture.pixels.data()));
  Image result{picture.width, picture.height, std::vector<std::uint8_t>(picture.pixels.size())};
  cv::Mat blended(picture.height, picture.width, CV_8UC3, result.pixels.data());
  cv::addWeighted(rgb, 0.5, cv::Mat(rgb.size(), CV_8UC3, cv::Scalar(255, 255, 255)), 0.5, 0, blended);

  const cv::Rect seen(static_cast<int>(std::lround(view[0])), static_cast<int>(std::lround(view[1])),
                      std::max(1, static_cast<int>(std::lround(view[2]))), std::max(1, static_cast<int>(std::lround(view[3]))));
  const cv::Rect shown = seen & cv::Rect(0, 0, rgb.cols, rgb.rows);
  if (shown.empty()) return result;
  const at::Tensor dense = (map - map.min()) / (map.max() - map.min()).clamp_min(1e-12);
  const at::Tensor levels = (dense * 255).to(at::kByte).contiguous();
  const cv::Mat small(static_cast<int>(levels.size(0)), static_cast<int>(levels.size(1)), CV_8U, levels.data_ptr<std::uint8_t>());
  cv::Mat large, colors;
  cv::resize(small, large, seen.size(), 0, 0, cv::INTER_CUBIC);
  cv::applyColorMap(large, colors, cv::COLORMAP_TURBO);
  cv::cvtColor(colors, colors, cv::COLOR_BGR2RGB);
  cv::Mat target = blended(shown);
  cv::addWeighted(rgb(shown), 0.55, colors(shown - seen.tl()), 0.45, 0, target);
  return result;
}

}  // namespace emotion
