#include "emotion/commands/data.h"

#include "emotion/data/import.h"
#include "emotion/data/importers.h"
#include "emotion/data/pack.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"

void emotion_data_import(const emotion::ImportOptions& o) {
  using namespace emotion;
  if (o.root.empty() || o.out.empty()) throw ConfigError("import needs --root DIR and --out DATASET");
  if (o.format == "webdataset" && o.stratify)
    throw ConfigError("import webdataset: the names of the shards are the splits; emotion_data split draws others");
  const bool plain = o.format == "folder" || o.format == "csv";
  if (!plain && (!o.positive.empty() || !o.negative.empty()))
    throw ConfigError("import " + o.format + ": --positive and --negative are for folder and csv");
  if (o.format == "webdataset") {
    import_shards({.root = o.root, .out = o.out, .classes = o.file});
    return;
  }
  if (plain && o.folds != 0) throw ConfigError("import " + o.format + ": --folds is for published data sets");
  if (plain && !o.without.empty()) throw ConfigError("import " + o.format + ": --without is for published data sets");
  if (!plain && !o.file.empty()) throw ConfigError("import " + o.format + ": --file is for csv");
  const ClassPolarity polarity{o.positive, o.negative};
  if (o.format == "folder") {
    import_folder({.root = o.root, .out = o.out, .split = o.split, .seed = o.seed, .stratify = o.stratify, .polarity = polarity});
  } else if (o.format == "csv") {
    if (o.file.empty()) throw ConfigError("import csv needs --file FILE");
    import_csv({.file = o.file,
                .root = o.root,
                .out = o.out,
                .image_column = o.image_column,
                .label_column = o.label_column,
                .keywords_column = o.keywords_column,
                .split_column = o.split_column,
                .separator = o.separator,
                .split = o.split,
                .seed = o.seed,
                .stratify = o.stratify,
                .polarity = polarity});
  } else {
    import_published({.format = o.format,
                      .root = o.root,
                      .out = o.out,
                      .split = o.split,
                      .folds = o.folds,
                      .seed = o.seed,
                      .without = o.without,
                      .stratify = o.stratify});
  }
}

void emotion_data_synth(const emotion::SynthOptions& options) {
  emotion::write_synth({.kind = options.kind,
                        .out = options.out,
                        .count = options.count,
                        .size = options.size,
                        .seed = options.seed,
                        .workers = options.workers});
}
