#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "canvas.h"
#include "things.h"
#include "world.h"

namespace emotion::synth {
namespace {

// No two draws stand in one argument list: the compiler chooses their order there, and a seed would give other pictures with
// another.
class Painter {
 public:
  Painter(const Scene& scene, int size, Random& random) : scene_(scene), random_(random), canvas_(size) {}

  std::vector<unsigned char> paint(std::vector<Seen>* seen) {
    sky();
    ground();
    auto things = scene_.things;
    std::sort(things.begin(), things.end(), [](const Placed& a, const Placed& b) { return a.y < b.y; });  // far ones first
    const cv::Mat& image = canvas_.image();
    if (seen) owners_.assign(image.total(), kNobody);
    for (std::size_t i = 0; i < things.size(); ++i) {
      if (seen) image.copyTo(before_);
      draw(things[i]);
      if (seen) own_changes(i);
    }
    if (seen) look(things, *seen);
    veil();
    grain();
    return {image.data, image.data + image.total() * 3};
  }

 private:
  static constexpr std::size_t kNobody = ~std::size_t{0};

  /// The pixels that thing i has changed are its own now.
  void own_changes(std::size_t i) {
    const unsigned char *now = canvas_.image().data, *before = before_.data;
    drawn_.push_back(0);
    for (std::size_t p = 0; p < owners_.size(); ++p) {
      if (std::equal(now + 3 * p, now + 3 * p + 3, before + 3 * p)) continue;
      owners_[p] = i;
      ++drawn_[i];
    }
  }

  /// Boxes around what shows of each thing: at least a third of it, and some pixels.
  void look(const std::vector<Placed>& things, std::vector<Seen>& seen) const {
    const int size = canvas_.size();
    std::vector<Seen> boxes;
    for (const Placed& placed : things) boxes.push_back({placed.thing, size, size, 0, 0, 0});
    for (std::size_t p = 0; p < owners_.size(); ++p) {
      if (owners_[p] == kNobody) continue;
      Seen& box = boxes[owners_[p]];
      const int x = static_cast<int>(p) % size, y = static_cast<int>(p) / size;
      box.x1 = std::min(box.x1, x);
      box.y1 = std::min(box.y1, y);
      box.x2 = std::max(box.x2, x + 1);
      box.y2 = std::max(box.y2, y + 1);
      ++box.pixels;
    }
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const bool plain = boxes[i].pixels * 3 >= drawn_[i] && boxes[i].x2 - boxes[i].x1 >= 3 && boxes[i].y2 - boxes[i].y1 >= 3;
      if (plain && boxes[i].pixels >= 12) seen.push_back(boxes[i]);
    }
  }

  /// The sun or the moon. height: of its centre, least and greatest
  void light(std::pair<double, double> height, double radius, const cv::Scalar& color) {
    const double y = random_.uniform(height.first, height.second), x = random_.uniform(0.1, 0.9);
    canvas_.disc(x, y, radius, color);
  }

  void sky() {
    const double h = scene_.hue, s = scene_.saturation, v = scene_.brightness;
    const int edge = canvas_.px(scene_.horizon);
    switch (scene_.weather) {
      case Weather::kSunny:
        canvas_.gradient(0, edge, hsv(0.57, 0.35 + 0.4 * s, 0.7 + 0.3 * v), hsv(0.55, 0.15, 1.0));
        light({0.08, 0.25}, 0.07, hsv(0.14, 0.5, 1));
        break;
      case Weather::kSunset:
        canvas_.gradient(0, edge, hsv(h * 0.3 + 0.72, 0.5, 0.35 + 0.4 * v), hsv(0.06, 0.8, 0.75 + 0.25 * v));
        canvas_.disc(random_.uniform(0.2, 0.8), scene_.horizon - 0.06, 0.09, hsv(0.09, 0.6, 1));
        break;
      case Weather::kNight:
        canvas_.gradient(0, edge, hsv(0.66, 0.6, 0.08 + 0.1 * v), hsv(0.65, 0.5, 0.2 + 0.2 * v));
        for (int i = 0; i < 25; ++i) {
          const double bright = random_.uniform(0.6, 1), y = random_.uniform(0, scene_.horizon), x = random_.uniform();
          canvas_.disc(x, y, 0.004, hsv(0.15, 0.1, bright));
        }
        light({0.1, 0.25}, 0.055, hsv(0.15, 0.12, 0.95));
        break;
      case Weather::kStorm:
        canvas_.gradient(0, edge, hsv(h, 0.2 + 0.3 * s, 0.12 + 0.15 * v), hsv(h, 0.35, 0.3 + 0.25 * v));
        for (int i = 0; i < 7; ++i) {
          const double bright = random_.uniform(0.15, 0.3), r = random_.uniform(0.07, 0.15);
          const double y = random_.uniform(0, 0.25), x = random_.uniform();
          canvas_.disc(x, y, r, hsv(0.65, 0.1, bright));
        }
        break;
      case Weather::kFog: canvas_.gradient(0, edge, hsv(h, 0.08, 0.55 + 0.2 * v), hsv(h, 0.05, 0.7 + 0.15 * v)); break;
      case Weather::kRain: canvas_.gradient(0, edge, hsv(0.6, 0.15, 0.35 + 0.15 * v), hsv(0.6, 0.12, 0.5 + 0.2 * v)); break;
      case Weather::kRoom: canvas_.gradient(0, edge, hsv(h, 0.5 * s, 0.35 + 0.6 * v), hsv(h, 0.4 * s, 0.3 + 0.55 * v)); break;
      case Weather::kAurora:
        canvas_.gradient(0, edge, hsv(0.66, 0.7, 0.1), hsv(0.6, 0.6, 0.3));
        for (int i = 0; i < 5; ++i) {
          const double x = random_.uniform(), c = random_.uniform(0.3, 0.5);
          for (int j = 0; j < 4; ++j)
            canvas_.line(x + 0.03 * j, 0.05, x + 0.06 * j - 0.1, scene_.horizon - 0.1, hsv(c, 0.7, 0.3 + 0.12 * j), 0.02);
        }
        break;
    }
  }

  void ground() {
    const double h = scene_.hue, s = scene_.saturation, v = scene_.brightness;
    canvas_.gradient(canvas_.px(scene_.horizon), canvas_.size(), hsv(h, 0.75 * s, 0.3 + 0.45 * v),
                     hsv(h + 0.02, 0.9 * s, 0.15 + 0.4 * v));
    for (int i = 0; i < 18; ++i) {
      const double y = random_.uniform(scene_.horizon, 1), x = random_.uniform();
      const double bright = random_.uniform(0.3, 0.8), hue = random_.uniform(-0.03, 0.03), length = random_.uniform(0.02, 0.1);
      canvas_.line(x, y, x + length, y, hsv(h + hue, 0.6 * s, v * bright), 0.006);
    }
  }

  void draw(const Placed& p) {
    const double flying = scene_.horizon * (0.15 + 0.6 * p.y), standing = scene_.horizon + (0.92 - scene_.horizon) * p.y;
    draw_thing(canvas_, p.thing, {p.x, flying, standing, p.size, p.tint, scene_, random_});
  }

  /// Rain and fog lie over everything.
  void veil() {
    if (scene_.weather == Weather::kRain) {
      for (int i = 0; i < 60; ++i) {
        const double x = random_.uniform(), y = random_.uniform();
        canvas_.line(x, y, x - 0.012, y + 0.05, hsv(0.6, 0.1, 0.75), 0.004);
      }
    }
    if (scene_.weather == Weather::kFog) canvas_.image() = canvas_.image() * 0.62 + hsv(0.6, 0.04, 0.72) * 0.38;
  }

  void grain() {
    unsigned char* pixel = canvas_.image().data;
    const std::size_t bytes = canvas_.image().total() * 3;
    const int scale = static_cast<int>(scene_.grain * 2 * 256 / 255);
    for (std::size_t i = 0; i < bytes; i += 6) {
      std::uint64_t bits = random_();  // one draw for six bytes
      for (std::size_t j = i; j < std::min(i + 6, bytes); ++j, bits >>= 10) {
        const int noise = (static_cast<int>(bits & 0xff) - 128) * scale / 256;
        pixel[j] = static_cast<unsigned char>(std::clamp(pixel[j] + noise, 0, 255));
      }
    }
  }

  const Scene& scene_;
  Random& random_;
  Canvas canvas_;
  cv::Mat before_;                   // the picture without the thing that is drawn
  std::vector<std::size_t> owners_;  // of each pixel: the thing drawn last there
  std::vector<int> drawn_;           // pixels each thing was drawn on
};

}  // namespace

std::vector<unsigned char> paint(const Scene& scene, int size, Random& random, std::vector<Seen>* seen) {
  return Painter(scene, size, random).paint(seen);
}

}  // namespace emotion::synth
