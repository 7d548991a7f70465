#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/random.h"

namespace emotion::synth {

/// Mikels' eight emotions in the order of the wheel: neighbours are related, the far side is opposite.
enum Mood { kAmusement, kContentment, kAwe, kExcitement, kFear, kSadness, kDisgust, kAnger, kMoods };
inline constexpr std::array<const char*, kMoods> kMoodNames{"amusement", "contentment", "awe",     "excitement",
                                                            "fear",      "sadness",     "disgust", "anger"};
inline bool is_positive(int mood) { return mood <= kExcitement; }

enum class Weather { kSunny, kSunset, kNight, kStorm, kFog, kRain, kRoom, kAurora };
enum class Thing {
  kBalloon,
  kSmiley,
  kConfetti,
  kTree,
  kCottage,
  kFlower,
  kLake,
  kMountain,
  kRainbow,
  kFirework,
  kAirBalloon,
  kSail,
  kBareTree,
  kGhost,
  kWeb,
  kGrave,
  kFigure,
  kPuddle,
  kFly,
  kBin,
  kSlime,
  kFlame,
  kLightning,
  kSpike,
  kCloud,
  kBird,
  kCar,
  kLamp,
  kThings
};

/// One object of a picture; places and sizes as parts of the side.
struct Placed {
  Thing thing;
  double x, y, size;
  double tint;  ///< 0 .. 1: varies colour and shape
};

struct Scene {
  int mood, second;  ///< second: a weaker mood that is mixed in
  double strength;   ///< 0 .. 1: how plainly the mood shows
  Weather weather;
  double hue, saturation, brightness;  ///< of the ground light: degrees / 360, 0 .. 1, 0 .. 1
  double horizon;                      ///< part of the side
  double grain;                        ///< noise of the picture, levels
  std::vector<Placed> things;
};

Scene make_scene(Random& random);

/// The stock classes: four words a mood, mood by mood.
std::vector<std::string> emotion_words();
/// Words a picture of this scene carries: emotional ones (of `said_mood`, which is another mood where the list is wrong) and
/// others.
struct Words {
  std::vector<std::string> emotional, others;
};
Words make_words(const Scene& scene, int said_mood, int said_second, Random& random);

/// Names of the things, by Thing: classes of a detector.
std::vector<std::string> thing_names();

/// Where a thing shows: the pixels of it that nothing covers.
struct Seen {
  Thing thing;
  int x1, y1, x2, y2;  ///< behind the last pixel
  int pixels;          ///< that show
};

/// The first word of every thing, and those of a scene's things, each once.
std::vector<std::string> all_thing_names();
std::vector<std::string> thing_names(const Scene& scene);

/// Around a thing, wherever between sky and ground it stands: x, y, width, height in pixels.
std::array<float, 4> thing_box(const Placed& thing, int size);
/// A scene's things as a detector that knows them would write them, largest first: noisy features [n, F], boxes, scores.
void write_regions(const std::filesystem::path& file, const Scene& scene, int size, Random& random);

/// RGB pixels [size, size, 3] of a scene. The same on every machine for one version of OpenCV. `seen`, where it is given: the
/// things that show enough to be found.
std::vector<unsigned char> paint(const Scene& scene, int size, Random& random, std::vector<Seen>* seen = nullptr);

/// A drawn face that shows a mood, now and then another one: RGB pixels [size, size, 3].
std::vector<unsigned char> paint_face(int mood, int size, Random& random);
/// Puts a face into a picture, a quarter to two fifths of its side.
void paste_face(std::vector<unsigned char>& pixels, int size, std::vector<unsigned char>& face, int face_size, Random& random);

}  // namespace emotion::synth
