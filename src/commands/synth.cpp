#include "emotion/data/synth.h"

#include "emotion/commands/data.h"

void emotion_data_synth(const emotion::SynthOptions& options) {
  emotion::write_synth({.kind = options.kind,
                        .out = options.out,
                        .count = options.count,
                        .size = options.size,
                        .seed = options.seed,
                        .workers = options.workers});
}
