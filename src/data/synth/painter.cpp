#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "world.h"

namespace emotion::synth {
namespace {

using cv::Point;
using cv::Scalar;

/// hue, saturation and value in 0 .. 1 -> RGB
Scalar hsv(double h, double s, double v) {
  h = (h - std::floor(h)) * 6;
  s = std::clamp(s, 0.0, 1.0);
  v = std::clamp(v, 0.0, 1.0);
  const auto channel = [&](double n) {
    const double k = std::fmod(n + h, 6);
    return 255 * (v - v * s * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

class Painter {
 public:
  Painter(const Scene& scene, int size, Random& random)
      : scene_(scene), size_(size), random_(random), image_(size, size, CV_8UC3) {}

  std::vector<unsigned char> paint(std::vector<Seen>* seen) {
    sky();
    ground();
    auto things = scene_.things;
    std::sort(things.begin(), things.end(), [](const Placed& a, const Placed& b) { return a.y < b.y; });  // far ones first
    if (seen) owners_.assign(image_.total(), kNobody);
    for (std::size_t i = 0; i < things.size(); ++i) {
      if (seen) image_.copyTo(before_);
      draw(things[i]);
      if (seen) own_changes(i);
    }
    if (seen) look(things, *seen);
    veil();
    grain();
    return {image_.data, image_.data + image_.total() * 3};
  }

 private:
  static constexpr std::size_t kNobody = ~std::size_t{0};

  /// The pixels that thing i has changed are its own now.
  void own_changes(std::size_t i) {
    drawn_.push_back(0);
    for (std::size_t p = 0; p < owners_.size(); ++p) {
      if (std::equal(image_.data + 3 * p, image_.data + 3 * p + 3, before_.data + 3 * p)) continue;
      owners_[p] = i;
      ++drawn_[i];
    }
  }

  /// Boxes around what shows of each thing: at least a third of it, and some pixels.
  void look(const std::vector<Placed>& things, std::vector<Seen>& seen) const {
    std::vector<Seen> boxes;
    for (const Placed& placed : things) boxes.push_back({placed.thing, size_, size_, 0, 0, 0});
    for (std::size_t p = 0; p < owners_.size(); ++p) {
      if (owners_[p] == kNobody) continue;
      Seen& box = boxes[owners_[p]];
      const int x = static_cast<int>(p) % size_, y = static_cast<int>(p) / size_;
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

  int px(double part) const { return static_cast<int>(std::lround(part * size_)); }
  Point at(double x, double y) const { return {px(x), px(y)}; }
  int thick(double part) const { return std::max(1, px(part)); }
  void disc(double x, double y, double r, const Scalar& color) {
    cv::circle(image_, at(x, y), std::max(1, px(r)), color, cv::FILLED, cv::LINE_AA);
  }
  void line(double x0, double y0, double x1, double y1, const Scalar& color, double width) {
    cv::line(image_, at(x0, y0), at(x1, y1), color, thick(width), cv::LINE_AA);
  }
  void box(double x0, double y0, double x1, double y1, const Scalar& color) {
    cv::rectangle(image_, at(x0, y0), at(x1, y1), color, cv::FILLED);
  }
  void polygon(std::initializer_list<std::pair<double, double>> corners, const Scalar& color) {
    std::vector<Point> points;
    for (const auto& [x, y] : corners) points.push_back(at(x, y));
    cv::fillConvexPoly(image_, points, color, cv::LINE_AA);
  }
  void gradient(int from, int to, const Scalar& top, const Scalar& bottom) {
    for (int y = from; y < to; ++y) {
      const double t = static_cast<double>(y - from) / std::max(1, to - from);
      cv::line(image_, {0, y}, {size_ - 1, y}, top * (1 - t) + bottom * t, 1);
    }
  }

  void sky() {
    const double h = scene_.hue, s = scene_.saturation, v = scene_.brightness;
    const int edge = px(scene_.horizon);
    switch (scene_.weather) {
      case Weather::kSunny:
        gradient(0, edge, hsv(0.57, 0.35 + 0.4 * s, 0.7 + 0.3 * v), hsv(0.55, 0.15, 1.0));
        disc(random_.uniform(0.1, 0.9), random_.uniform(0.08, 0.25), 0.07, hsv(0.14, 0.5, 1));
        break;
      case Weather::kSunset:
        gradient(0, edge, hsv(h * 0.3 + 0.72, 0.5, 0.35 + 0.4 * v), hsv(0.06, 0.8, 0.75 + 0.25 * v));
        disc(random_.uniform(0.2, 0.8), scene_.horizon - 0.06, 0.09, hsv(0.09, 0.6, 1));
        break;
      case Weather::kNight:
        gradient(0, edge, hsv(0.66, 0.6, 0.08 + 0.1 * v), hsv(0.65, 0.5, 0.2 + 0.2 * v));
        for (int i = 0; i < 25; ++i)
          disc(random_.uniform(), random_.uniform(0, scene_.horizon), 0.004, hsv(0.15, 0.1, random_.uniform(0.6, 1)));
        disc(random_.uniform(0.1, 0.9), random_.uniform(0.1, 0.25), 0.055, hsv(0.15, 0.12, 0.95));
        break;
      case Weather::kStorm:
        gradient(0, edge, hsv(h, 0.2 + 0.3 * s, 0.12 + 0.15 * v), hsv(h, 0.35, 0.3 + 0.25 * v));
        for (int i = 0; i < 7; ++i)
          disc(random_.uniform(), random_.uniform(0, 0.25), random_.uniform(0.07, 0.15),
               hsv(0.65, 0.1, random_.uniform(0.15, 0.3)));
        break;
      case Weather::kFog: gradient(0, edge, hsv(h, 0.08, 0.55 + 0.2 * v), hsv(h, 0.05, 0.7 + 0.15 * v)); break;
      case Weather::kRain: gradient(0, edge, hsv(0.6, 0.15, 0.35 + 0.15 * v), hsv(0.6, 0.12, 0.5 + 0.2 * v)); break;
      case Weather::kRoom: gradient(0, edge, hsv(h, 0.5 * s, 0.35 + 0.6 * v), hsv(h, 0.4 * s, 0.3 + 0.55 * v)); break;
      case Weather::kAurora:
        gradient(0, edge, hsv(0.66, 0.7, 0.1), hsv(0.6, 0.6, 0.3));
        for (int i = 0; i < 5; ++i) {
          const double x = random_.uniform(), c = random_.uniform(0.3, 0.5);
          for (int j = 0; j < 4; ++j)
            line(x + 0.03 * j, 0.05, x + 0.06 * j - 0.1, scene_.horizon - 0.1, hsv(c, 0.7, 0.3 + 0.12 * j), 0.02);
        }
        break;
    }
  }

  void ground() {
    const double h = scene_.hue, s = scene_.saturation, v = scene_.brightness;
    gradient(px(scene_.horizon), size_, hsv(h, 0.75 * s, 0.3 + 0.45 * v), hsv(h + 0.02, 0.9 * s, 0.15 + 0.4 * v));
    for (int i = 0; i < 18; ++i) {
      const double y = random_.uniform(scene_.horizon, 1), x = random_.uniform();
      line(x, y, x + random_.uniform(0.02, 0.1), y, hsv(h + random_.uniform(-0.03, 0.03), 0.6 * s, v * random_.uniform(0.3, 0.8)),
           0.006);
    }
  }

  void draw(const Placed& p) {
    const double flying = scene_.horizon * (0.15 + 0.6 * p.y), standing = scene_.horizon + (0.92 - scene_.horizon) * p.y;
    const double x = p.x, r = p.size, t = p.tint;
    switch (p.thing) {
      case Thing::kBalloon:
        line(x, flying + r * 0.5, x + 0.02, flying + r * 1.4, hsv(0, 0, 0.8), 0.006);
        cv::ellipse(image_, at(x, flying), {px(r * 0.42), px(r * 0.52)}, 0, 0, 360, hsv(t, 0.85, 0.95), cv::FILLED, cv::LINE_AA);
        disc(x - r * 0.14, flying - r * 0.18, r * 0.08, hsv(t, 0.2, 1));
        break;
      case Thing::kSmiley:
        disc(x, standing - r * 0.5, r * 0.5, hsv(0.14, 0.8, 1));
        disc(x - r * 0.17, standing - r * 0.62, r * 0.06, hsv(0, 0, 0.1));
        disc(x + r * 0.17, standing - r * 0.62, r * 0.06, hsv(0, 0, 0.1));
        cv::ellipse(image_, at(x, standing - r * 0.45), {px(r * 0.27), px(r * 0.22)}, 0, 20, 160, hsv(0, 0, 0.1), thick(r * 0.06),
                    cv::LINE_AA);
        break;
      case Thing::kConfetti:
        for (int i = 0; i < 22; ++i) {
          const double cx = x + random_.uniform(-1, 1) * r * 1.6, cy = flying + random_.uniform(-1, 1) * r * 1.6;
          box(cx, cy, cx + 0.02, cy + 0.02, hsv(random_.uniform(), 0.85, 1));
        }
        break;
      case Thing::kTree:
        line(x, standing, x, standing - r * 0.7, hsv(0.07, 0.6, 0.4), r * 0.14);
        for (const double dx : {-0.25, 0.25, 0.0})
          disc(x + dx * r, standing - r * (0.85 + 0.2 * (dx == 0)), r * 0.34, hsv(0.28 + 0.08 * t, 0.6, 0.5 + 0.2 * t));
        break;
      case Thing::kCottage:
        box(x - r * 0.5, standing - r * 0.6, x + r * 0.5, standing, hsv(0.1, 0.3, 0.85));
        polygon({{x - r * 0.62, standing - r * 0.6}, {x + r * 0.62, standing - r * 0.6}, {x, standing - r * 1.1}},
                hsv(0.02, 0.7, 0.6));
        box(x - r * 0.1, standing - r * 0.35, x + r * 0.1, standing, hsv(0.08, 0.6, 0.35));
        box(x + r * 0.2, standing - r * 0.45, x + r * 0.38, standing - r * 0.25, hsv(0.14, 0.5, 1));
        break;
      case Thing::kFlower:
        for (int i = 0; i < 4; ++i) {
          const double fx = x + (i - 1.5) * r * 0.4, fy = standing - r * (0.4 + 0.1 * (i % 2));
          line(fx, standing, fx, fy, hsv(0.32, 0.7, 0.5), 0.01);
          for (int k = 0; k < 5; ++k)
            disc(fx + r * 0.11 * std::cos(1.257 * k), fy + r * 0.11 * std::sin(1.257 * k), r * 0.08, hsv(0.85 + 0.2 * t, 0.6, 1));
          disc(fx, fy, r * 0.06, hsv(0.14, 0.8, 1));
        }
        break;
      case Thing::kLake:
        cv::ellipse(image_, at(x, standing), {px(r * 1.5), px(r * 0.35)}, 0, 0, 360, hsv(0.56, 0.5, 0.8), cv::FILLED,
                    cv::LINE_AA);
        for (int i = 0; i < 3; ++i)
          line(x - r * (0.8 - 0.2 * i), standing + r * 0.1 * (i - 1), x + r * (0.3 + 0.2 * i), standing + r * 0.1 * (i - 1),
               hsv(0.56, 0.2, 0.95), 0.008);
        break;
      case Thing::kMountain: {
        const double b = scene_.horizon + 0.02, h = b - r * 1.9;
        polygon({{x - r * 1.8, b}, {x + r * 1.8, b}, {x, h}}, hsv(0.6, 0.25 + 0.2 * t, 0.3 + 0.3 * scene_.brightness));
        polygon({{x - r * 0.45, h + r * 0.48}, {x + r * 0.45, h + r * 0.48}, {x, h}}, hsv(0.6, 0.05, 0.97));
        break;
      }
      case Thing::kRainbow:
        for (int i = 0; i < 6; ++i) {
          cv::ellipse(image_, at(x, scene_.horizon), {px(r * 2.2 - 0.022 * i), px(r * 2.2 - 0.022 * i)}, 0, 180, 360,
                      hsv(0.13 * i, 0.65, 1), thick(0.022), cv::LINE_AA);
        }
        break;
      case Thing::kFirework:
        for (int i = 0; i < 14; ++i) {
          const double a = 2 * CV_PI * i / 14, c = std::cos(a), s = std::sin(a);
          line(x + 0.25 * r * c, flying + 0.25 * r * s, x + r * c, flying + r * s, hsv(t + 0.02 * i, 0.7, 1), 0.01);
          disc(x + r * c, flying + r * s, 0.012, hsv(t, 0.2, 1));
        }
        break;
      case Thing::kAirBalloon:
        disc(x, flying, r * 0.6, hsv(t, 0.8, 0.95));
        cv::ellipse(image_, at(x, flying), {px(r * 0.25), px(r * 0.6)}, 0, 0, 360, hsv(t + 0.4, 0.7, 1), cv::FILLED, cv::LINE_AA);
        line(x - r * 0.3, flying + r * 0.5, x - r * 0.1, flying + r * 0.95, hsv(0, 0, 0.2), 0.006);
        line(x + r * 0.3, flying + r * 0.5, x + r * 0.1, flying + r * 0.95, hsv(0, 0, 0.2), 0.006);
        box(x - r * 0.14, flying + r * 0.95, x + r * 0.14, flying + r * 1.15, hsv(0.08, 0.6, 0.45));
        break;
      case Thing::kSail:
        polygon({{x - r * 0.6, standing - r * 0.2},
                 {x + r * 0.6, standing - r * 0.2},
                 {x + r * 0.4, standing},
                 {x - r * 0.4, standing}},
                hsv(0.05, 0.6, 0.45));
        polygon({{x, standing - r * 1.3}, {x, standing - r * 0.25}, {x + r * 0.55, standing - r * 0.25}}, hsv(t, 0.6, 1));
        polygon({{x - r * 0.05, standing - r * 1.1}, {x - r * 0.05, standing - r * 0.25}, {x - r * 0.45, standing - r * 0.25}},
                hsv(0, 0, 1));
        break;
      case Thing::kBareTree: {
        const Scalar bark = hsv(0.07, 0.3, 0.12);
        line(x, standing, x, standing - r * 1.2, bark, r * 0.1);
        for (int i = 0; i < 6; ++i) {
          const double y = standing - r * (0.45 + 0.13 * i), d = (i % 2 ? 1 : -1) * r * (0.55 - 0.05 * i);
          line(x, y, x + d, y - r * 0.3, bark, r * 0.05);
          line(x + d * 0.5, y - r * 0.15, x + d * 0.6, y - r * 0.45, bark, r * 0.03);
        }
        break;
      }
      case Thing::kGhost: {
        const Scalar sheet = hsv(0.6, 0.05, 0.85);
        disc(x, standing - r * 0.8, r * 0.35, sheet);
        box(x - r * 0.35, standing - r * 0.8, x + r * 0.35, standing - r * 0.15, sheet);
        for (int i = 0; i < 3; ++i) disc(x + (i - 1) * r * 0.23, standing - r * 0.15, r * 0.12, sheet);
        disc(x - r * 0.13, standing - r * 0.82, r * 0.07, hsv(0, 0, 0));
        disc(x + r * 0.13, standing - r * 0.82, r * 0.07, hsv(0, 0, 0));
        disc(x, standing - r * 0.6, r * 0.09, hsv(0, 0, 0));
        break;
      }
      case Thing::kWeb:
        for (int i = 0; i < 8; ++i)
          line(x, flying, x + r * 1.2 * std::cos(CV_PI * i / 4), flying + r * 1.2 * std::sin(CV_PI * i / 4), hsv(0, 0, 0.8),
               0.005);
        for (int k = 1; k < 5; ++k) cv::circle(image_, at(x, flying), px(r * 0.25 * k), hsv(0, 0, 0.75), 1, cv::LINE_AA);
        disc(x + r * 0.3, flying + r * 0.3, r * 0.12, hsv(0, 0, 0.05));
        break;
      case Thing::kGrave:
        box(x - r * 0.28, standing - r * 0.65, x + r * 0.28, standing, hsv(0.6, 0.06, 0.5));
        disc(x, standing - r * 0.65, r * 0.28, hsv(0.6, 0.06, 0.5));
        line(x, standing - r * 0.75, x, standing - r * 0.3, hsv(0, 0, 0.25), r * 0.06);
        line(x - r * 0.13, standing - r * 0.6, x + r * 0.13, standing - r * 0.6, hsv(0, 0, 0.25), r * 0.06);
        break;
      case Thing::kFigure: {
        const Scalar dark = hsv(0.65, 0.3, 0.15 + 0.1 * t);
        disc(x, standing - r * 0.95, r * 0.13, dark);
        line(x, standing - r * 0.8, x, standing - r * 0.4, dark, r * 0.16);
        line(x, standing - r * 0.4, x - r * 0.13, standing, dark, r * 0.07);
        line(x, standing - r * 0.4, x + r * 0.13, standing, dark, r * 0.07);
        break;
      }
      case Thing::kPuddle:
        cv::ellipse(image_, at(x, standing), {px(r * 0.9), px(r * 0.2)}, 0, 0, 360, hsv(0.6, 0.2, 0.45), cv::FILLED, cv::LINE_AA);
        cv::ellipse(image_, at(x, standing), {px(r * 0.4), px(r * 0.08)}, 0, 0, 360, hsv(0.6, 0.1, 0.75), 1, cv::LINE_AA);
        break;
      case Thing::kFly:
        for (int i = 0; i < 6; ++i) {
          const double fx = x + random_.uniform(-1, 1) * r, fy = flying + random_.uniform(-1, 1) * r;
          disc(fx - 0.012, fy - 0.01, 0.012, hsv(0.6, 0.1, 0.8));
          disc(fx + 0.012, fy - 0.01, 0.012, hsv(0.6, 0.1, 0.8));
          disc(fx, fy, 0.013, hsv(0, 0, 0.05));
        }
        break;
      case Thing::kBin:
        polygon({{x - r * 0.4, standing - r * 0.8},
                 {x + r * 0.4, standing - r * 0.8},
                 {x + r * 0.3, standing},
                 {x - r * 0.3, standing}},
                hsv(0.3, 0.2, 0.35));
        for (int i = 0; i < 5; ++i)
          disc(x + (i - 2) * r * 0.17, standing - r * (0.85 + 0.06 * (i % 2)), r * 0.13, hsv(0.1 + 0.06 * i, 0.5, 0.5));
        break;
      case Thing::kSlime: {
        const Scalar slime = hsv(0.2 + 0.08 * t, 0.8, 0.6);
        cv::ellipse(image_, at(x, standing), {px(r * 0.8), px(r * 0.25)}, 0, 0, 360, slime, cv::FILLED, cv::LINE_AA);
        for (int i = 0; i < 5; ++i)
          disc(x + (i - 2) * r * 0.3, standing - r * random_.uniform(0, 0.3), r * random_.uniform(0.1, 0.22), slime);
        for (int i = 0; i < 3; ++i) disc(x + (i - 1) * r * 0.35, standing - r * 0.1, r * 0.06, hsv(0.2, 0.3, 0.9));
        break;
      }
      case Thing::kFlame:
        for (const auto& [scale, hue] : {std::pair{1.0, 0.01}, std::pair{0.7, 0.07}, std::pair{0.4, 0.14}}) {
          polygon({{x - r * 0.45 * scale, standing - r * 0.25 * scale},
                   {x, standing - r * 1.3 * scale},
                   {x + r * 0.45 * scale, standing - r * 0.25 * scale}},
                  hsv(hue, 0.9, 1));
          disc(x, standing - r * 0.3 * scale, r * 0.42 * scale, hsv(hue, 0.9, 1));
        }
        break;
      case Thing::kLightning: {
        double lx = x, ly = 0;
        for (int i = 0; i < 5; ++i) {
          const double nx = lx + random_.uniform(-0.09, 0.09), ny = ly + scene_.horizon / 5;
          line(lx, ly, nx, ny, hsv(0.16, 0.25, 1), 0.016);
          lx = nx;
          ly = ny;
        }
        break;
      }
      case Thing::kSpike:
        for (int i = 0; i < 5; ++i) {
          const double sx = x + (i - 2) * r * 0.35;
          polygon({{sx - r * 0.16, standing}, {sx + r * 0.16, standing}, {sx + r * 0.05, standing - r * (0.6 + 0.3 * (i % 2))}},
                  hsv(0.0, 0.5 * t, 0.2));
        }
        break;
      case Thing::kCloud:
        for (int i = 0; i < 4; ++i)
          disc(x + (i - 1.5) * r * 0.35, flying * 0.6 + r * 0.1 * (i % 2), r * 0.28,
               hsv(0.6, 0.05, 0.55 + 0.4 * scene_.brightness));
        break;
      case Thing::kBird:
        for (int i = 0; i < 3; ++i) {
          const double bx = x + 0.09 * (i - 1), by = flying * (0.7 + 0.1 * i);
          line(bx - 0.035, by - 0.02, bx, by, hsv(0, 0, 0.15), 0.01);
          line(bx, by, bx + 0.035, by - 0.02, hsv(0, 0, 0.15), 0.01);
        }
        break;
      case Thing::kCar:
        box(x - r * 0.6, standing - r * 0.4, x + r * 0.6, standing - r * 0.1, hsv(t, 0.6, 0.7));
        polygon({{x - r * 0.35, standing - r * 0.4},
                 {x + r * 0.35, standing - r * 0.4},
                 {x + r * 0.22, standing - r * 0.65},
                 {x - r * 0.25, standing - r * 0.65}},
                hsv(0.55, 0.2, 0.8));
        disc(x - r * 0.35, standing - r * 0.08, r * 0.12, hsv(0, 0, 0.1));
        disc(x + r * 0.35, standing - r * 0.08, r * 0.12, hsv(0, 0, 0.1));
        break;
      case Thing::kLamp:
        line(x, standing, x, standing - r * 1.3, hsv(0, 0, 0.2), r * 0.06);
        disc(x, standing - r * 1.35, r * 0.14, hsv(0.14, 0.4, 1));
        break;
      case Thing::kThings: break;
    }
  }

  /// Rain and fog lie over everything.
  void veil() {
    if (scene_.weather == Weather::kRain) {
      for (int i = 0; i < 60; ++i) {
        const double x = random_.uniform(), y = random_.uniform();
        line(x, y, x - 0.012, y + 0.05, hsv(0.6, 0.1, 0.75), 0.004);
      }
    }
    if (scene_.weather == Weather::kFog) image_ = image_ * 0.62 + hsv(0.6, 0.04, 0.72) * 0.38;
  }

  void grain() {
    unsigned char* pixel = image_.data;
    const int scale = static_cast<int>(scene_.grain * 2 * 256 / 255);
    for (std::size_t i = 0; i < image_.total() * 3; i += 6) {
      std::uint64_t bits = random_();  // one draw for six bytes
      for (std::size_t j = i; j < std::min(i + 6, image_.total() * 3); ++j, bits >>= 10) {
        const int noise = (static_cast<int>(bits & 0xff) - 128) * scale / 256;
        pixel[j] = static_cast<unsigned char>(std::clamp(pixel[j] + noise, 0, 255));
      }
    }
  }

  const Scene& scene_;
  int size_;
  Random& random_;
  cv::Mat image_, before_;
  std::vector<std::size_t> owners_;  // of each pixel: the thing drawn last there
  std::vector<int> drawn_;           // pixels each thing was drawn on
};

}  // namespace

std::vector<unsigned char> paint(const Scene& scene, int size, Random& random, std::vector<Seen>* seen) {
  return Painter(scene, size, random).paint(seen);
}

}  // namespace emotion::synth
