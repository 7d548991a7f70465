#include "things.h"

#include <cmath>
#include <utility>

namespace emotion::synth {
namespace {

// Draws within an argument list are in the order that the compiler takes: changed calls change the pictures of every seed.

void balloon(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.line(x, flying + r * 0.5, x + 0.02, flying + r * 1.4, hsv(0, 0, 0.8), 0.006);
  canvas.ellipse(x, flying, r * 0.42, r * 0.52, hsv(t, 0.85, 0.95));
  canvas.disc(x - r * 0.14, flying - r * 0.18, r * 0.08, hsv(t, 0.2, 1));
}

void smiley(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.disc(x, standing - r * 0.5, r * 0.5, hsv(0.14, 0.8, 1));
  canvas.disc(x - r * 0.17, standing - r * 0.62, r * 0.06, hsv(0, 0, 0.1));
  canvas.disc(x + r * 0.17, standing - r * 0.62, r * 0.06, hsv(0, 0, 0.1));
  canvas.arc(x, standing - r * 0.45, r * 0.27, r * 0.22, 20, 160, hsv(0, 0, 0.1), r * 0.06);
}

void confetti(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 22; ++i) {
    const double cx = x + random.uniform(-1, 1) * r * 1.6, cy = flying + random.uniform(-1, 1) * r * 1.6;
    canvas.box(cx, cy, cx + 0.02, cy + 0.02, hsv(random.uniform(), 0.85, 1));
  }
}

void tree(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.line(x, standing, x, standing - r * 0.7, hsv(0.07, 0.6, 0.4), r * 0.14);
  for (const double dx : {-0.25, 0.25, 0.0})
    canvas.disc(x + dx * r, standing - r * (0.85 + 0.2 * (dx == 0)), r * 0.34, hsv(0.28 + 0.08 * t, 0.6, 0.5 + 0.2 * t));
}

void cottage(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.box(x - r * 0.5, standing - r * 0.6, x + r * 0.5, standing, hsv(0.1, 0.3, 0.85));
  canvas.polygon({{x - r * 0.62, standing - r * 0.6}, {x + r * 0.62, standing - r * 0.6}, {x, standing - r * 1.1}},
                 hsv(0.02, 0.7, 0.6));
  canvas.box(x - r * 0.1, standing - r * 0.35, x + r * 0.1, standing, hsv(0.08, 0.6, 0.35));
  canvas.box(x + r * 0.2, standing - r * 0.45, x + r * 0.38, standing - r * 0.25, hsv(0.14, 0.5, 1));
}

void flower(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 4; ++i) {
    const double fx = x + (i - 1.5) * r * 0.4, fy = standing - r * (0.4 + 0.1 * (i % 2));
    canvas.line(fx, standing, fx, fy, hsv(0.32, 0.7, 0.5), 0.01);
    for (int k = 0; k < 5; ++k)
      canvas.disc(fx + r * 0.11 * std::cos(1.257 * k), fy + r * 0.11 * std::sin(1.257 * k), r * 0.08,
                  hsv(0.85 + 0.2 * t, 0.6, 1));
    canvas.disc(fx, fy, r * 0.06, hsv(0.14, 0.8, 1));
  }
}

void lake(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.ellipse(x, standing, r * 1.5, r * 0.35, hsv(0.56, 0.5, 0.8));
  for (int i = 0; i < 3; ++i)
    canvas.line(x - r * (0.8 - 0.2 * i), standing + r * 0.1 * (i - 1), x + r * (0.3 + 0.2 * i), standing + r * 0.1 * (i - 1),
                hsv(0.56, 0.2, 0.95), 0.008);
}

void mountain(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  const double b = scene.horizon + 0.02, h = b - r * 1.9;
  canvas.polygon({{x - r * 1.8, b}, {x + r * 1.8, b}, {x, h}}, hsv(0.6, 0.25 + 0.2 * t, 0.3 + 0.3 * scene.brightness));
  canvas.polygon({{x - r * 0.45, h + r * 0.48}, {x + r * 0.45, h + r * 0.48}, {x, h}}, hsv(0.6, 0.05, 0.97));
}

void rainbow(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 6; ++i) {
    canvas.arc(x, scene.horizon, r * 2.2 - 0.022 * i, r * 2.2 - 0.022 * i, 180, 360, hsv(0.13 * i, 0.65, 1), 0.022);
  }
}

void firework(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 14; ++i) {
    const double a = 2 * CV_PI * i / 14, c = std::cos(a), s = std::sin(a);
    canvas.line(x + 0.25 * r * c, flying + 0.25 * r * s, x + r * c, flying + r * s, hsv(t + 0.02 * i, 0.7, 1), 0.01);
    canvas.disc(x + r * c, flying + r * s, 0.012, hsv(t, 0.2, 1));
  }
}

void air_balloon(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.disc(x, flying, r * 0.6, hsv(t, 0.8, 0.95));
  canvas.ellipse(x, flying, r * 0.25, r * 0.6, hsv(t + 0.4, 0.7, 1));
  canvas.line(x - r * 0.3, flying + r * 0.5, x - r * 0.1, flying + r * 0.95, hsv(0, 0, 0.2), 0.006);
  canvas.line(x + r * 0.3, flying + r * 0.5, x + r * 0.1, flying + r * 0.95, hsv(0, 0, 0.2), 0.006);
  canvas.box(x - r * 0.14, flying + r * 0.95, x + r * 0.14, flying + r * 1.15, hsv(0.08, 0.6, 0.45));
}

void sail(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.polygon(
      {{x - r * 0.6, standing - r * 0.2}, {x + r * 0.6, standing - r * 0.2}, {x + r * 0.4, standing}, {x - r * 0.4, standing}},
      hsv(0.05, 0.6, 0.45));
  canvas.polygon({{x, standing - r * 1.3}, {x, standing - r * 0.25}, {x + r * 0.55, standing - r * 0.25}}, hsv(t, 0.6, 1));
  canvas.polygon({{x - r * 0.05, standing - r * 1.1}, {x - r * 0.05, standing - r * 0.25}, {x - r * 0.45, standing - r * 0.25}},
                 hsv(0, 0, 1));
}

void bare_tree(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  const cv::Scalar bark = hsv(0.07, 0.3, 0.12);
  canvas.line(x, standing, x, standing - r * 1.2, bark, r * 0.1);
  for (int i = 0; i < 6; ++i) {
    const double y = standing - r * (0.45 + 0.13 * i), d = (i % 2 ? 1 : -1) * r * (0.55 - 0.05 * i);
    canvas.line(x, y, x + d, y - r * 0.3, bark, r * 0.05);
    canvas.line(x + d * 0.5, y - r * 0.15, x + d * 0.6, y - r * 0.45, bark, r * 0.03);
  }
}

void ghost(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  const cv::Scalar sheet = hsv(0.6, 0.05, 0.85);
  canvas.disc(x, standing - r * 0.8, r * 0.35, sheet);
  canvas.box(x - r * 0.35, standing - r * 0.8, x + r * 0.35, standing - r * 0.15, sheet);
  for (int i = 0; i < 3; ++i) canvas.disc(x + (i - 1) * r * 0.23, standing - r * 0.15, r * 0.12, sheet);
  canvas.disc(x - r * 0.13, standing - r * 0.82, r * 0.07, hsv(0, 0, 0));
  canvas.disc(x + r * 0.13, standing - r * 0.82, r * 0.07, hsv(0, 0, 0));
  canvas.disc(x, standing - r * 0.6, r * 0.09, hsv(0, 0, 0));
}

void web(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 8; ++i)
    canvas.line(x, flying, x + r * 1.2 * std::cos(CV_PI * i / 4), flying + r * 1.2 * std::sin(CV_PI * i / 4), hsv(0, 0, 0.8),
                0.005);
  for (int k = 1; k < 5; ++k) canvas.ring(x, flying, r * 0.25 * k, hsv(0, 0, 0.75));
  canvas.disc(x + r * 0.3, flying + r * 0.3, r * 0.12, hsv(0, 0, 0.05));
}

void grave(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.box(x - r * 0.28, standing - r * 0.65, x + r * 0.28, standing, hsv(0.6, 0.06, 0.5));
  canvas.disc(x, standing - r * 0.65, r * 0.28, hsv(0.6, 0.06, 0.5));
  canvas.line(x, standing - r * 0.75, x, standing - r * 0.3, hsv(0, 0, 0.25), r * 0.06);
  canvas.line(x - r * 0.13, standing - r * 0.6, x + r * 0.13, standing - r * 0.6, hsv(0, 0, 0.25), r * 0.06);
}

void figure(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  const cv::Scalar dark = hsv(0.65, 0.3, 0.15 + 0.1 * t);
  canvas.disc(x, standing - r * 0.95, r * 0.13, dark);
  canvas.line(x, standing - r * 0.8, x, standing - r * 0.4, dark, r * 0.16);
  canvas.line(x, standing - r * 0.4, x - r * 0.13, standing, dark, r * 0.07);
  canvas.line(x, standing - r * 0.4, x + r * 0.13, standing, dark, r * 0.07);
}

void puddle(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.ellipse(x, standing, r * 0.9, r * 0.2, hsv(0.6, 0.2, 0.45));
  canvas.arc(x, standing, r * 0.4, r * 0.08, 0, 360, hsv(0.6, 0.1, 0.75), 0);  // one pixel wide
}

void fly(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 6; ++i) {
    const double fx = x + random.uniform(-1, 1) * r, fy = flying + random.uniform(-1, 1) * r;
    canvas.disc(fx - 0.012, fy - 0.01, 0.012, hsv(0.6, 0.1, 0.8));
    canvas.disc(fx + 0.012, fy - 0.01, 0.012, hsv(0.6, 0.1, 0.8));
    canvas.disc(fx, fy, 0.013, hsv(0, 0, 0.05));
  }
}

void bin(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.polygon(
      {{x - r * 0.4, standing - r * 0.8}, {x + r * 0.4, standing - r * 0.8}, {x + r * 0.3, standing}, {x - r * 0.3, standing}},
      hsv(0.3, 0.2, 0.35));
  for (int i = 0; i < 5; ++i)
    canvas.disc(x + (i - 2) * r * 0.17, standing - r * (0.85 + 0.06 * (i % 2)), r * 0.13, hsv(0.1 + 0.06 * i, 0.5, 0.5));
}

void slime(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  const cv::Scalar green = hsv(0.2 + 0.08 * t, 0.8, 0.6);
  canvas.ellipse(x, standing, r * 0.8, r * 0.25, green);
  for (int i = 0; i < 5; ++i) {
    const double drop = random.uniform(0.1, 0.22), height = random.uniform(0, 0.3);
    canvas.disc(x + (i - 2) * r * 0.3, standing - r * height, r * drop, green);
  }
  for (int i = 0; i < 3; ++i) canvas.disc(x + (i - 1) * r * 0.35, standing - r * 0.1, r * 0.06, hsv(0.2, 0.3, 0.9));
}

void flame(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (const auto& [scale, hue] : {std::pair{1.0, 0.01}, std::pair{0.7, 0.07}, std::pair{0.4, 0.14}}) {
    canvas.polygon({{x - r * 0.45 * scale, standing - r * 0.25 * scale},
                    {x, standing - r * 1.3 * scale},
                    {x + r * 0.45 * scale, standing - r * 0.25 * scale}},
                   hsv(hue, 0.9, 1));
    canvas.disc(x, standing - r * 0.3 * scale, r * 0.42 * scale, hsv(hue, 0.9, 1));
  }
}

void lightning(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  double lx = x, ly = 0;
  for (int i = 0; i < 5; ++i) {
    const double nx = lx + random.uniform(-0.09, 0.09), ny = ly + scene.horizon / 5;
    canvas.line(lx, ly, nx, ny, hsv(0.16, 0.25, 1), 0.016);
    lx = nx;
    ly = ny;
  }
}

void spike(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 5; ++i) {
    const double sx = x + (i - 2) * r * 0.35;
    canvas.polygon({{sx - r * 0.16, standing}, {sx + r * 0.16, standing}, {sx + r * 0.05, standing - r * (0.6 + 0.3 * (i % 2))}},
                   hsv(0.0, 0.5 * t, 0.2));
  }
}

void cloud(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 4; ++i)
    canvas.disc(x + (i - 1.5) * r * 0.35, flying * 0.6 + r * 0.1 * (i % 2), r * 0.28,
                hsv(0.6, 0.05, 0.55 + 0.4 * scene.brightness));
}

void bird(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  for (int i = 0; i < 3; ++i) {
    const double bx = x + 0.09 * (i - 1), by = flying * (0.7 + 0.1 * i);
    canvas.line(bx - 0.035, by - 0.02, bx, by, hsv(0, 0, 0.15), 0.01);
    canvas.line(bx, by, bx + 0.035, by - 0.02, hsv(0, 0, 0.15), 0.01);
  }
}

void car(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.box(x - r * 0.6, standing - r * 0.4, x + r * 0.6, standing - r * 0.1, hsv(t, 0.6, 0.7));
  canvas.polygon({{x - r * 0.35, standing - r * 0.4},
                  {x + r * 0.35, standing - r * 0.4},
                  {x + r * 0.22, standing - r * 0.65},
                  {x - r * 0.25, standing - r * 0.65}},
                 hsv(0.55, 0.2, 0.8));
  canvas.disc(x - r * 0.35, standing - r * 0.08, r * 0.12, hsv(0, 0, 0.1));
  canvas.disc(x + r * 0.35, standing - r * 0.08, r * 0.12, hsv(0, 0, 0.1));
}

void lamp(Canvas& canvas, const Spot& spot) {
  const auto& [x, flying, standing, r, t, scene, random] = spot;
  canvas.line(x, standing, x, standing - r * 1.3, hsv(0, 0, 0.2), r * 0.06);
  canvas.disc(x, standing - r * 1.35, r * 0.14, hsv(0.14, 0.4, 1));
}

}  // namespace

void draw_thing(Canvas& canvas, Thing thing, const Spot& spot) {
  switch (thing) {
    case Thing::kBalloon: return balloon(canvas, spot);
    case Thing::kSmiley: return smiley(canvas, spot);
    case Thing::kConfetti: return confetti(canvas, spot);
    case Thing::kTree: return tree(canvas, spot);
    case Thing::kCottage: return cottage(canvas, spot);
    case Thing::kFlower: return flower(canvas, spot);
    case Thing::kLake: return lake(canvas, spot);
    case Thing::kMountain: return mountain(canvas, spot);
    case Thing::kRainbow: return rainbow(canvas, spot);
    case Thing::kFirework: return firework(canvas, spot);
    case Thing::kAirBalloon: return air_balloon(canvas, spot);
    case Thing::kSail: return sail(canvas, spot);
    case Thing::kBareTree: return bare_tree(canvas, spot);
    case Thing::kGhost: return ghost(canvas, spot);
    case Thing::kWeb: return web(canvas, spot);
    case Thing::kGrave: return grave(canvas, spot);
    case Thing::kFigure: return figure(canvas, spot);
    case Thing::kPuddle: return puddle(canvas, spot);
    case Thing::kFly: return fly(canvas, spot);
    case Thing::kBin: return bin(canvas, spot);
    case Thing::kSlime: return slime(canvas, spot);
    case Thing::kFlame: return flame(canvas, spot);
    case Thing::kLightning: return lightning(canvas, spot);
    case Thing::kSpike: return spike(canvas, spot);
    case Thing::kCloud: return cloud(canvas, spot);
    case Thing::kBird: return bird(canvas, spot);
    case Thing::kCar: return car(canvas, spot);
    case Thing::kLamp: return lamp(canvas, spot);
    case Thing::kThings: return;
  }
}

}  // namespace emotion::synth
