#include "emotion/data/pack.h"

#include "emotion/commands/curation.h"

void emotion_data_pack(const emotion::PackOptions& o) {
  emotion::pack_dataset(emotion::Dataset::open(o.data), {.out = o.out, .samples = o.samples});
}
