#pragma once

#include "canvas.h"
#include "emotion/random.h"
#include "world.h"

namespace emotion::synth {

/// Where and how a thing is drawn; places and sizes as parts of the side.
struct Spot {
  double x;         ///< its middle
  double flying;    ///< y of what is in the air
  double standing;  ///< y of the foot of what stands on the ground
  double size;
  double tint;  ///< 0 .. 1: varies colour and shape
  const Scene& scene;
  Random& random;
};

void draw_thing(Canvas& canvas, Thing thing, const Spot& spot);

}  // namespace emotion::synth
