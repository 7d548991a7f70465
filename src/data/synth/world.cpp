#include "world.h"

#include <algorithm>
#include <cmath>

namespace emotion::synth {
namespace {

using WordList = std::vector<std::string_view>;

const std::array<std::array<std::string_view, 4>, kMoods> kEmotionWords{{{"amusement", "playful", "cheerful", "funny"},
                                                                         {"contentment", "calm", "peaceful", "serene"},
                                                                         {"awe", "wonder", "majestic", "inspiring"},
                                                                         {"excitement", "thrilling", "energetic", "adventurous"},
                                                                         {"fear", "scary", "horror", "anxious"},
                                                                         {"sadness", "lonely", "gloomy", "melancholy"},
                                                                         {"disgust", "repulsive", "gross", "nasty"},
                                                                         {"anger", "furious", "rage", "hostile"}}};

/// What people write beside the emotion itself.
const std::array<WordList, kMoods> kMoodWords{
    {{"party", "smile", "joke", "carnival", "kids", "laughter", "toy", "clown", "birthday", "game", "colorful", "holiday"},
     {"garden", "relaxation", "home", "meadow", "tea", "rest", "harmony", "spring", "idyll", "leisure", "cozy", "comfort"},
     {"summit", "panorama", "universe", "landmark", "vast", "scenic", "heritage", "grandeur", "horizon", "epic", "view",
      "wilderness"},
     {"festival", "speed", "concert", "sport", "celebration", "race", "crowd", "jump", "victory", "journey", "dance", "action"},
     {"darkness", "haunted", "shadow", "mystery", "halloween", "danger", "threat", "nightmare", "creepy", "evil", "spooky",
      "abandoned"},
     {"tears", "grief", "funeral", "loss", "alone", "depression", "autumn", "goodbye", "memory", "broken", "solitude", "regret"},
     {"garbage", "dirt", "rotten", "smell", "waste", "mold", "pollution", "filth", "insect", "toxic", "trash", "decay"},
     {"conflict", "protest", "fight", "explosion", "war", "shout", "violence", "destruction", "riot", "aggression", "tension",
      "crash"}}};

const std::array<WordList, static_cast<std::size_t>(Thing::kThings)> kThingWords{
    {{"balloon", "helium", "string", "float"},
     {"smiley", "face", "emoji", "yellow"},
     {"confetti", "paper", "decoration", "scatter"},
     {"tree", "leaf", "forest", "green"},
     {"cottage", "house", "roof", "village"},
     {"flower", "blossom", "petal", "bloom"},
     {"lake", "water", "reflection", "shore"},
     {"mountain", "peak", "snow", "hiking"},
     {"rainbow", "arc", "spectrum", "sky"},
     {"fireworks", "sparks", "newyear", "pyrotechnics"},
     {"hotair", "basket", "flight", "ride"},
     {"sail", "boat", "sea", "regatta"},
     {"branch", "bare", "winter", "dead"},
     {"ghost", "spirit", "sheet", "phantom"},
     {"spider", "web", "net", "crawl"},
     {"gravestone", "cemetery", "cross", "tomb"},
     {"person", "silhouette", "walk", "adult"},
     {"puddle", "wet", "street", "mirror"},
     {"fly", "bug", "wing", "swarm"},
     {"bin", "container", "litter", "alley"},
     {"slime", "goo", "sticky", "drip"},
     {"fire", "flame", "burn", "heat"},
     {"lightning", "thunder", "bolt", "electricity"},
     {"spike", "sharp", "barrier", "metal"},
     {"cloud", "cumulus", "fluffy", "air"},
     {"bird", "gull", "fly", "animal"},
     {"car", "vehicle", "road", "transport"},
     {"lamp", "light", "post", "evening"}}};

const std::array<WordList, 8> kWeatherWords{{{"sun", "blue", "summer", "daylight", "bright", "outdoor"},
                                             {"sunset", "orange", "dusk", "golden", "warm", "outdoor"},
                                             {"night", "moon", "stars", "dark", "midnight", "outdoor"},
                                             {"storm", "thunderstorm", "dramatic", "wind", "black", "outdoor"},
                                             {"fog", "mist", "haze", "grey", "morning", "outdoor"},
                                             {"rain", "drops", "weather", "cold", "umbrella", "outdoor"},
                                             {"room", "interior", "wall", "indoor", "floor", "studio"},
                                             {"aurora", "arctic", "polar", "cosmos", "northern", "outdoor"}}};

const WordList kCommonWords{
    "photography", "background", "nature",     "color",    "concept",   "image",       "beautiful",   "travel",    "art",
    "design",      "vertical",   "horizontal", "people",   "landscape", "closeup",     "composition", "picture",   "scene",
    "symbol",      "texture",    "object",     "abstract", "season",    "day",         "environment", "lifestyle", "element",
    "space",       "pattern",    "style",      "creative", "modern",    "traditional", "single",      "group",     "small"};

/// How likely each weather is under each mood; rows need not sum to 1.
constexpr double kWeatherOf[kMoods][8] = {{6, 2, .3, .1, .2, .4, 4, .1},  {5, 4, .5, .1, .6, .3, 2, .2},
                                          {3, 3, 3, .4, .5, .1, .1, 5},   {3, 3, 4, .5, .2, .2, 1.5, .3},
                                          {.1, .5, 5, 3, 3, 1, 1.5, .2},  {.4, 1, 1.5, 1, 3, 6, 1, .1},
                                          {1, .5, .7, .5, 2, 1.5, 5, .1}, {.6, 2, 1.5, 6, .5, .5, 1.5, .1}};

const std::array<std::vector<Thing>, kMoods> kThingsOf{{{Thing::kBalloon, Thing::kSmiley, Thing::kConfetti, Thing::kBalloon},
                                                        {Thing::kTree, Thing::kCottage, Thing::kFlower, Thing::kLake},
                                                        {Thing::kMountain, Thing::kRainbow, Thing::kMountain, Thing::kLake},
                                                        {Thing::kFirework, Thing::kAirBalloon, Thing::kSail, Thing::kFirework},
                                                        {Thing::kBareTree, Thing::kGhost, Thing::kWeb, Thing::kGhost},
                                                        {Thing::kGrave, Thing::kFigure, Thing::kPuddle, Thing::kBareTree},
                                                        {Thing::kFly, Thing::kBin, Thing::kSlime, Thing::kSlime},
                                                        {Thing::kFlame, Thing::kLightning, Thing::kSpike, Thing::kFlame}}};
const std::vector<Thing> kNeutralThings{Thing::kCloud, Thing::kBird, Thing::kCar, Thing::kLamp, Thing::kTree, Thing::kFigure};

/// hue (degrees), saturation, brightness of the light of each mood.
constexpr double kLight[kMoods][3] = {{48, .75, .95}, {110, .5, .85}, {215, .6, .75}, {20, .85, .9},
                                      {265, .45, .3}, {215, .25, .5}, {75, .55, .5},  {5, .8, .55}};

template <class Range>
const auto& choose(const Range& range, Random& random) {
  return range[random.below(std::size(range))];
}

int pick_weighted(std::span<const double> weights, Random& random) {
  double sum = 0;
  for (const double w : weights) sum += w;
  double x = random.uniform() * sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if ((x -= weights[i]) < 0) return static_cast<int>(i);
  }
  return static_cast<int>(weights.size()) - 1;
}

/// A mood related to `mood`: a neighbour on the wheel of the same polarity, rarely any other.
int related_mood(int mood, Random& random) {
  if (random.uniform() < 0.15) return static_cast<int>(random.below(kMoods));
  const int side = is_positive(mood) ? 0 : 4;
  const int step = random.uniform() < 0.5 ? 1 : 3;
  return side + (mood - side + step) % 4;
}

void add_distinct(std::vector<std::string>& words, std::string_view word) {
  if (std::find(words.begin(), words.end(), word) == words.end()) words.emplace_back(word);
}

/// A long tail of rare words: rank r with probability ~ 1 / r (Zipf), spelt from its rank.
std::string rare_word(Random& random) {
  constexpr double kWords = 6000;
  const auto rank = static_cast<unsigned>(std::exp(random.uniform() * std::log(kWords)));
  constexpr std::array<const char*, 12> kSyllables{"ba", "lo", "mi", "ren", "ta", "vo", "ku", "sel", "do", "na", "fi", "gor"};
  std::string word;
  for (unsigned r = rank + 143; r > 0; r /= 12) word += kSyllables[r % 12];
  return word;
}

}  // namespace

Scene make_scene(Random& random) {
  Scene scene{};
  scene.mood = static_cast<int>(random.below(kMoods));
  scene.second = related_mood(scene.mood, random);
  scene.strength = random.uniform(0.35, 1.0);
  const int source = random.uniform() < 0.8 ? scene.mood : scene.second;
  scene.weather = random.uniform() < 0.12 ? static_cast<Weather>(random.below(8))
                                          : static_cast<Weather>(pick_weighted(kWeatherOf[source], random));
  const double mix = random.uniform(0, 0.45);
  const double* first = kLight[scene.mood];
  const double* second = kLight[scene.second];
  scene.hue = std::fmod(first[0] + 28 * random.normal() + 720, 360) / 360;
  scene.saturation = std::clamp((1 - mix) * first[1] + mix * second[1] + 0.12 * random.normal(), 0.05, 1.0);
  scene.brightness = std::clamp((1 - mix) * first[2] + mix * second[2] + 0.12 * random.normal(), 0.15, 1.0);
  scene.horizon = random.uniform(0.5, 0.72);
  scene.grain = random.uniform(2, 9);
  const auto count = 3 + random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = random.uniform();
    const double typical = 0.72 * scene.strength;
    const auto& things = x < typical          ? kThingsOf[static_cast<std::size_t>(scene.mood)]
                         : x < typical + 0.12 ? kThingsOf[static_cast<std::size_t>(scene.second)]
                                              : kNeutralThings;
    scene.things.push_back(
        {choose(things, random), random.uniform(0.1, 0.9), random.uniform(0, 1), random.uniform(0.12, 0.3), random.uniform()});
  }
  return scene;
}

std::vector<std::string> emotion_words() {
  std::vector<std::string> words;
  for (const auto& mood : kEmotionWords) words.insert(words.end(), mood.begin(), mood.end());
  return words;
}

std::vector<std::string> thing_names() {
  return {"balloon",     "smiley",   "confetti",  "tree",   "cottage", "flowers",    "lake",   "mountain", "rainbow", "firework",
          "air balloon", "sailboat", "bare tree", "ghost",  "web",     "gravestone", "figure", "puddle",   "flies",   "bin",
          "slime",       "flame",    "lightning", "spikes", "cloud",   "birds",      "car",    "lamp"};
}

std::vector<std::string> all_thing_names() {
  std::vector<std::string> names;
  for (const auto& words : kThingWords) names.emplace_back(words[0]);
  return names;
}

std::vector<std::string> thing_names(const Scene& scene) {
  std::vector<std::string> names;
  for (const Placed& placed : scene.things) add_distinct(names, kThingWords[static_cast<std::size_t>(placed.thing)][0]);
  return names;
}

std::array<float, 4> thing_box(const Placed& thing, int size) {
  const double left = std::max(0.0, thing.x - thing.size), right = std::min(1.0, thing.x + thing.size);
  return {static_cast<float>(left * size), 0.1F * static_cast<float>(size), static_cast<float>((right - left) * size),
          0.85F * static_cast<float>(size)};
}

Words make_words(const Scene& scene, int said_mood, int said_second, Random& random) {
  Words words;
  const int side = is_positive(said_mood) ? 0 : 4;
  for (int mood = 0; mood < kMoods; ++mood) {
    const bool related = mood >= side && mood < side + 4;
    const double chance = mood == said_mood ? 0.86 : mood == said_second ? 0.5 : related ? 0.16 : 0.035;
    for (const auto word : kEmotionWords[static_cast<std::size_t>(mood)]) {
      if (random.uniform() < chance) add_distinct(words.emotional, word);
    }
  }
  if (words.emotional.empty()) add_distinct(words.emotional, kEmotionWords[static_cast<std::size_t>(said_mood)][0]);

  for (const auto word : kWeatherWords[static_cast<std::size_t>(scene.weather)]) {
    if (random.uniform() < 0.75) add_distinct(words.others, word);
  }
  for (const Placed& placed : scene.things) {
    for (const auto word : kThingWords[static_cast<std::size_t>(placed.thing)]) {
      if (random.uniform() < 0.8) add_distinct(words.others, word);
    }
  }
  const auto said = 3 + random.below(4);
  for (std::uint64_t i = 0; i < said; ++i) {
    const int mood = random.uniform() < 0.75 ? scene.mood : scene.second;
    add_distinct(words.others, choose(kMoodWords[static_cast<std::size_t>(mood)], random));
  }
  // Common words by Zipf's law, then rare ones: 49 in all on average.
  const auto target = 42 + static_cast<std::int64_t>(std::lround(7 * random.normal()));
  while (static_cast<std::int64_t>(words.others.size()) < std::clamp<std::int64_t>(target, 20, 70)) {
    if (random.uniform() < 0.45) {
      const auto rank =
          static_cast<std::size_t>(std::exp(random.uniform() * std::log(static_cast<double>(kCommonWords.size()) + 1))) - 1;
      add_distinct(words.others, kCommonWords[std::min(rank, kCommonWords.size() - 1)]);
    }
    add_distinct(words.others, rare_word(random));
  }
  random.shuffle(std::span(words.others));
  return words;
}

}  // namespace emotion::synth
