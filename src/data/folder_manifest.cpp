#include "emotion/data/folder_manifest.h"

#include <string>
#include <vector>

#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/io/utf8.h"
#include "importers/files.h"

namespace emotion {

Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch) {
  namespace fs = std::filesystem;
  std::vector<std::string> images;
  for (const std::string& file : files_of(folder, "", true)) {
    if (!has_picture_name(file)) continue;
    check_utf8_name((folder / file).string());
    images.push_back(file);
  }
  if (images.empty()) throw DataError(folder.string() + ": there is no picture in it");
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
