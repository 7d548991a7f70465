#include <algorithm>
#include <numeric>

#include <ATen/ops/empty.h>

#include "emotion/io/weights.h"
#include "world.h"

namespace emotion::synth {
namespace {

constexpr std::int64_t kThingCount = static_cast<std::int64_t>(Thing::kThings), kWidth = kThingCount + 4;
constexpr double kNoise = 0.35;

}  // namespace

void write_regions(const std::filesystem::path& file, const Scene& scene, int size, Random& random) {
  std::vector<std::size_t> order(scene.things.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scene.things[a].size > scene.things[b].size; });
  const auto n = static_cast<std::int64_t>(order.size());
  at::Tensor features = at::empty({n, kWidth}), boxes = at::empty({n, 4}), scores = at::empty({n});
  for (std::int64_t row = 0; row < n; ++row) {
    const Placed& thing = scene.things[order[static_cast<std::size_t>(row)]];
    float* feature = features.data_ptr<float>() + row * kWidth;
    for (std::int64_t k = 0; k < kWidth; ++k) feature[k] = static_cast<float>(kNoise * random.normal());
    feature[static_cast<std::int64_t>(thing.thing)] += 1;
    feature[kThingCount] += static_cast<float>(thing.tint);
    feature[kThingCount + 1] += static_cast<float>(thing.size);
    const auto [x, y, w, h] = thing_box(thing, size);
    float* box = boxes.data_ptr<float>() + row * 4;
    box[0] = x;
    box[1] = y;
    box[2] = x + w;
    box[3] = y + h;
    scores.data_ptr<float>()[row] = static_cast<float>(std::clamp(0.5 + 1.5 * thing.size, 0.0, 1.0));
  }
  StateDict state;
  state.add("features", features);
  state.add("boxes", boxes);
  state.add("scores", scores);
  state.metadata.emplace("top", "0");  // every thing of the scene
  write_safetensors(file, state);
}

}  // namespace emotion::synth
