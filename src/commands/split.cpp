#include "emotion/data/split.h"

#include "emotion/commands/curation.h"

void emotion_data_split(const emotion::SplitOptions& o) {
  using namespace emotion;
  write_new_splits(Dataset::open(o.data),
                   {.ratio = o.ratio,
                    .counts = o.counts,
                    .names = o.names,
                    .folds = o.folds,
                    .groups = o.groups,
                    .key = o.key,
                    .seed = o.seed,
                    .stratify = o.stratify},
                   o.out);
}
