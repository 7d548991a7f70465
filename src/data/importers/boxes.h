#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "emotion/data/annotations.h"
#include "published_counts.h"

namespace emotion {

struct BoxImport {
  std::string format;          ///< coco | visualgenome
  std::filesystem::path root;  ///< the folder as it was unpacked
  std::filesystem::path out;   ///< data set to make
  std::string split;           ///< visualgenome without lists: `80/20` -> train, val (default); drawn by seed
  std::uint64_t seed = 1;
};

/// True for the formats that import_boxes() reads.
bool has_boxes(const std::string& format);

/// Makes a data set for a detector: manifests whose labels are the classes in each picture, and annotations/SPLIT.json.
///
/// coco: annotations/instances_{train,val}YEAR.json (or annotations/{train,val,test}.json), pictures in ROOT/trainYEAR,
/// ROOT/images/trainYEAR, ROOT/images or ROOT. visualgenome: objects.json, image_data.json, pictures in VG_100K and VG_100K_2;
/// the classes are those of objects_vocab.txt (a line each, synonyms after commas), else the 1,600 most frequent names; splits
/// from train.txt, val.txt, test.txt where they are there. Pictures stay where they are; annotations of pictures that are missing
/// are left out, and their number is logged.
/// @throws ConfigError for an OUT that has a data set; DataError naming the file and the id
void import_boxes(const BoxImport& request);

/// A picture with the objects in it.
struct BoxedPicture {
  std::string image;  ///< relative to the root
  int width = 0, height = 0;
  std::vector<AnnotatedBox> boxes;
};

struct BoxedSplit {
  std::string name;
  std::vector<BoxedPicture> pictures;
};

/// Pictures that cannot be used, and why.
using MissingPictures = std::vector<std::pair<std::string, std::string>>;

/// What an importer found: class names, and the pictures of each split.
struct BoxedData {
  std::vector<std::string> classes;
  std::vector<BoxedSplit> splits;
  MissingPictures missing;
  PublishedCounts published;  ///< of the splits; empty for what anybody may publish in the format
  bool drawn = false;         ///< the splits are not the published ones
};

BoxedData read_coco(const BoxImport& request);
BoxedData read_visual_genome(const BoxImport& request);

/// A JSON file that stays in memory as long as this.
class JsonFile {
 public:
  /// @throws DataError naming the file
  explicit JsonFile(std::filesystem::path file);
  simdjson::dom::element root() const { return root_; }
  [[noreturn]] void refuse(const std::string& what) const;
  /// @throws DataError `file: WHAT: 'KEY' is not a ..`
  std::int64_t number(const simdjson::dom::element& entry, const char* key, const std::string& what) const;
  double real(const simdjson::dom::element& entry, const char* key, const std::string& what) const;
  /// A side of a picture, in pixels, as Annotations::read() takes it. @throws DataError
  int side(const simdjson::dom::element& entry, const char* key, const std::string& what) const;
  /// x1 y1 x2 y2 of a box. @throws DataError for numbers that a float does not hold
  std::array<float, 4> corners(double x, double y, double width, double height, const std::string& what) const;
  std::string text(const simdjson::dom::element& entry, const char* key, const std::string& what) const;
  simdjson::dom::array list(const simdjson::dom::element& entry, const char* key) const;

 private:
  std::filesystem::path file_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace emotion
