#include "emotion/data/folder_manifest.h"

#include <algorithm>
#include <string>
#include <vector>

#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/io/utf8.h"

namespace emotion {

Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch) {
  namespace fs = std::filesystem;
  std::vector<std::string> images;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && has_picture_name(entry.path())) {
      check_utf8_name(entry.path().string());
      images.push_back(entry.path().lexically_relative(folder).string());
    }
  }
  if (images.empty()) throw DataError(folder.string() + ": there is no picture in it");
  std::sort(images.begin(), images.end());
  Dataset dataset;
  dataset.root = scratch;
  dataset.name = folder.filename().string();
  dataset.classes = {"none"};
  dataset.image_root = fs::canonical(folder);
  dataset.splits = {{"all", "all.jsonl"}};
  dataset.unlisted = true;
  ManifestWriter writer(scratch / "all.jsonl");
  for (const auto& image : images) {
    Sample sample;
    sample.image = image;
    writer.write(sample);
  }
  writer.close();
  return Manifest::open(dataset, "all");
}

}  // namespace emotion
