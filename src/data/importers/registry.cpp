#include "formats.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "boxes.h"
#include "emotion/data/import_formats.h"
#include "emotion/error.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

struct Format {
  std::string_view name;
  void (*read)(const std::filesystem::path& root, ImportDraft& draft);
  std::string ratio;  ///< drawn where no split is published: the paper's
  PublishedCounts published;
};

/// In the order of kImportFormatNames. Counts are those of the publications; archives in circulation differ.
const std::vector<Format>& formats() {
  static const std::vector<Format> table{
      {"abstract",
       read_abstract,
       "80/20",
       {{{"amusement", 25},
         {"anger", 3},
         {"awe", 15},
         {"contentment", 63},
         {"disgust", 18},
         {"excitement", 36},
         {"fear", 36},
         {"sadness", 32}},
        {},
        0}},
      {"affectnet",
       read_affectnet,
       "80/20",
       {{{"neutral", 75374},
         {"happy", 134915},
         {"sad", 25959},
         {"surprise", 14590},
         {"fear", 6878},
         {"disgust", 4303},
         {"anger", 25382}},
        {{"train", 283901}, {"val", 3500}},
        0}},
      {"affectnet8", read_affectnet8, "80/20", {{}, {{"train", 287651}, {"val", 4000}}, 0}},
      {"artphoto",
       read_artphoto,
       "80/20",
       {{{"amusement", 101},
         {"anger", 77},
         {"awe", 102},
         {"contentment", 70},
         {"disgust", 70},
         {"excitement", 105},
         {"fear", 115},
         {"sadness", 166}},
        {},
        0}},
      {"emoset", read_emoset, "80/5/15", {{}, {{"train", 94481}, {"val", 5905}, {"test", 17716}}, 118102}},
      {"emotic", read_emotic, "80/20", {{}, {}, 34320}},
      {"emotion6",
       read_emotion6,
       "80/20",
       {{{"anger", 330}, {"disgust", 330}, {"fear", 330}, {"joy", 330}, {"sadness", 330}, {"surprise", 330}}, {}, 0}},
      {"emotionroi",
       read_emotionroi,
       "70/30",
       {{{"anger", 330}, {"disgust", 330}, {"fear", 330}, {"joy", 330}, {"sadness", 330}, {"surprise", 330}},
        {{"train", 1386}, {"test", 594}},
        0}},
      {"fer2013",
       read_fer2013,
       "80/20",
       {{{"angry", 3995},
         {"disgust", 436},
         {"fear", 4097},
         {"happy", 7215},
         {"sad", 4830},
         {"surprise", 3171},
         {"neutral", 4965}},
        {{"train", 28709}, {"val", 3589}, {"test", 3589}},
        0,
        "train"}},
      {"ferplus", read_ferplus, "80/20", {}},
      {"fi",
       read_fi,
       "80/5/15",  // You et al. 2016, and Stimuli-aware VEA after them
       {{{"amusement", 4942},
         {"anger", 1266},
         {"awe", 3151},
         {"contentment", 5374},
         {"disgust", 1658},
         {"excitement", 2963},
         {"fear", 1032},
         {"sadness", 2922}},
        {},
        0}},
      {"iapsa",
       read_iapsa,
       "80/20",
       {{{"amusement", 37},
         {"anger", 8},
         {"awe", 54},
         {"contentment", 63},
         {"disgust", 74},
         {"excitement", 55},
         {"fear", 42},
         {"sadness", 62}},
        {},
        0}},
      {"se30k8", read_se30k8, "22/3/5", {{}, {}, 30000}},
      {"stockemotion", read_stockemotion, "106/3/7", {{}, {{"train", 1060000}, {"val", 33000}, {"test", 71000}}, 0}},
      {"ube", read_ube, "80/20", {{}, {}, 3045}},
      {"webemo", read_webemo, "80/20", {{}, {{"train", 213952}, {"test", 53489}}, 0}},
  };
  return table;
}

}  // namespace

std::vector<std::string> all_import_formats() {
  std::vector<std::string> names{"folder", "csv", "webdataset"};
  for (const auto& format : kImportFormatNames) names.emplace_back(format.name);
  return names;
}

void import_published(const PublishedImport& request) {
  if (has_boxes(request.format)) {
    if (request.stratify) throw ConfigError("import " + request.format + ": --stratify is for data sets of labels, not of boxes");
    if (request.folds != 0) throw ConfigError("import " + request.format + ": --folds is for data sets with one class a picture");
    if (!request.without.empty())
      throw ConfigError("import " + request.format + ": --without is for data sets of labelled pictures, not of boxes");
    return import_boxes(
        {.format = request.format, .root = request.root, .out = request.out, .split = request.split, .seed = request.seed});
  }
  const auto found = std::find_if(formats().begin(), formats().end(), [&](const Format& f) { return f.name == request.format; });
  if (found == formats().end()) {
    const std::vector<std::string> names = all_import_formats();
    throw ConfigError(fmt::format("import format '{}' is not known{}; there are {}", request.format,
                                  did_you_mean(request.format, names), fmt::join(names, ", ")));
  }
  if (!std::filesystem::is_directory(request.root)) throw DataError(request.root.string() + ": --root is not a folder");
  ImportDraft draft(request);
  found->read(request.root, draft);
  draft.finish(found->ratio, found->published);
}

}  // namespace emotion
