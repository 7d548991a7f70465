#include "emotion/commands/data.h"

#include <algorithm>

#include <fmt/format.h>

#include "emotion/data/import_plain.h"
#include "emotion/data/import_published.h"
#include "emotion/data/import_shards.h"
#include "emotion/error.h"

namespace emotion {
namespace {

/// Refuses flags that the format would not read.
void check_flags(const ImportOptions& o) {
  if (std::ranges::count(all_import_formats(), o.format) == 0) return;  // which is told as that
  const ImportOptions none;
  const bool csv = o.format == "csv", plain = csv || o.format == "folder", shards = o.format == "webdataset";
  const bool drawn = !shards && o.format != "coco", published = !plain && !shards;
  const char* const own = shards ? ": the names of the shards are the splits; emotion_data split draws others"
                                 : ": the files of annotations are the splits; emotion_data split draws others";
  if (!plain && (!o.positive.empty() || !o.negative.empty()))
    throw ConfigError("import " + o.format + ": --positive and --negative are for folder and csv");
  struct Flag {
    bool given;
    const char* name;
    bool read;
    const char* problem;
  };
  for (const Flag& flag : {Flag{!o.file.empty(), "--file", csv || shards, " is for csv and webdataset"},
                           {o.image_column != none.image_column, "--image-column", csv, " is for csv"},
                           {o.label_column != none.label_column, "--label-column", csv, " is for csv"},
                           {o.keywords_column != none.keywords_column, "--keywords-column", csv, " is for csv"},
                           {o.split_column != none.split_column, "--split-column", csv, " is for csv"},
                           {o.separator != none.separator, "--separator", csv, " is for csv"},
                           {!o.split.empty(), "--split", drawn, own},
                           {o.seed != none.seed, "--seed", drawn, own},
                           {o.stratify, "--stratify", !shards, own},
                           {o.folds != 0, "--folds", published, " is for published data sets"},
                           {!o.without.empty(), "--without", published, " is for published data sets"}}) {
    if (flag.given && !flag.read) throw ConfigError(fmt::format("import {}: {}{}", o.format, flag.name, flag.problem));
  }
}

}  // namespace
}  // namespace emotion

void emotion_data_import(const emotion::ImportOptions& o) {
  using namespace emotion;
  if (o.root.empty() || o.out.empty()) throw ConfigError("import needs --root DIR and --out DATASET");
  check_flags(o);
  if (o.format == "webdataset") {
    import_shards({.root = o.root, .out = o.out, .classes = o.file});
    return;
  }
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
