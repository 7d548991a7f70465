#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <simdjson.h>

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

/// What an importer found: class names, and the pictures of each split.
struct BoxedData {
  std::vector<std::string> classes;
  std::vector<BoxedSplit> splits;
  std::uint64_t missing = 0;  ///< pictures that are not there
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
  std::string text(const simdjson::dom::element& entry, const char* key, const std::string& what) const;
  simdjson::dom::array list(const simdjson::dom::element& entry, const char* key) const;

 private:
  std::filesystem::path file_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace emotion
