#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "draft.h"
#include "emotion/data/annotations.h"
#include "emotion/data/import_boxes.h"

namespace emotion {

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
