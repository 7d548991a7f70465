#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// An object in a picture.
struct AnnotatedBox {
  std::array<float, 4> box;  ///< x1 y1 x2 y2, pixels of the upright picture, within it
  std::uint32_t label = 0;   ///< position in Annotations::classes
  double area = 0;           ///< of the object, pixels; that of the box where the file has none
  bool crowd = false;        ///< a group of objects: neither trained on nor counted
};

/// The objects of a split: DATASET/annotations/SPLIT.json beside its manifest, in COCO's format.
///
/// Of the file `images` (id, file_name, width, height), `annotations` (id, image_id, category_id, bbox [x y w h], area, iscrowd)
/// and `categories` (id, name) are read. file_name is the manifest's `image`. Ids need not be consecutive. Images that the
/// manifest does not have are ignored: a manifest may have been thinned out.
struct Annotations {
  std::vector<std::string> classes;              ///< names of the categories, in the order of their ids
  std::vector<std::vector<AnnotatedBox>> boxes;  ///< of each sample of the manifest
  std::vector<std::array<int, 2>> sizes;         ///< width and height of each sample's picture, upright, pixels

  static std::filesystem::path file_of(const Dataset& dataset, const std::string& split);
  /// Boxes are cut at the edges of their picture; those without any area left are ignored, with a warning.
  /// @throws DataError naming the file and the annotation's id: unknown image_id or category_id, a broken bbox; an id or a
  /// file_name that stands twice; a sample of the manifest that has no entry in `images`
  static Annotations read(const Manifest& manifest);
  /// The same boxes with the labels of another list of classes. @throws DataError for a class that it does not have
  void relabel(const std::vector<std::string>& names, const std::filesystem::path& file);
  /// Boxes are of the picture that they were drawn in. @throws DataError at the sample's place for a picture of another size
  void check_size(const Manifest& manifest, std::size_t sample, std::int64_t width, std::int64_t height) const;
};

/// What writes such a file: pictures one by one, then close().
class AnnotationWriter {
 public:
  explicit AnnotationWriter(std::vector<std::string> classes) : classes_(std::move(classes)) {}
  void add(const std::string& image, int width, int height, const std::vector<AnnotatedBox>& boxes);
  /// Category ids count from 1. @throws RunError
  void write(const std::filesystem::path& file) const;

 private:
  struct Picture {
    std::string image;
    int width, height;
    std::vector<AnnotatedBox> boxes;
  };
  std::vector<std::string> classes_;
  std::vector<Picture> pictures_;
};

}  // namespace emotion
