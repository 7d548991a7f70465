#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emotion/data/image.h"
#include "emotion/data/manifest.h"
#include "emotion/data/picture_cache.h"
#include "emotion/data/transform.h"

namespace emotion {

/// What to do about an image that cannot be decoded, which a DataError tells. Any other error says nothing about the image, as
/// one of memory or of a disk that fails, and stops the loader in either case.
enum class OnError { kStop, kSkip };

/// Which picture of a sample is decoded.
enum class Picture { kImage, kFace };

struct LoaderOptions {
  Transform transform;
  Picture picture = Picture::kImage;
  std::uint64_t seed = 1;
  std::size_t batch = 256;
  int workers = 0;  ///< threads; 0 = one per core
  int ahead = 0;    ///< batches decoded before they are asked for; 0 = 3, up to 8 of small ones. Bounds the memory
  OnError on_error = OnError::kStop;
  bool crop_box = false;  ///< the sample's box is the picture (EMOTIC-B)
  /// Where decoded pictures are kept from epoch to epoch; null: nowhere. With it every JPEG is decoded whole, and a crop's pixels
  /// may differ in the last bits from those of the decoder that reads the crop alone. The cache belongs to one manifest.
  std::shared_ptr<PictureCache> cache{};
  /// Makes the pixel buffer of a batch, for instance in pinned memory; empty = ordinary memory.
  std::function<std::shared_ptr<std::uint8_t[]>(std::size_t bytes)> allocate;
};

/// Decoded images of consecutive places of an order.
struct ImageBatch {
  std::vector<std::uint64_t> samples;      ///< sample numbers, in the order asked for; broken ones (kSkip) left out
  int width = 0, height = 0;               ///< pixels; one size a batch
  std::shared_ptr<std::uint8_t[]> pixels;  ///< [samples.size(), height, width, 3] RGB, none of them mirrored yet
  std::vector<std::int64_t> mirrored{};    ///< rows of `pixels` to be shown mirrored (is_mirrored()), ascending
};

/// Decodes a list of samples on worker threads and hands them out in order.
///
/// The pixels depend on (seed, epoch, sample) alone, not on workers or batch size. Memory is bounded by ahead + 1 batches.
class ImageLoader {
 public:
  /// Starts the threads. `order` and `first` name the samples of one epoch, starting at position `first` of the order.
  /// `manifest` must outlive the loader.
  ImageLoader(const Manifest& manifest, LoaderOptions options, std::vector<std::uint64_t> order, std::uint64_t epoch,
              std::size_t first = 0);
  ~ImageLoader();
  ImageLoader(const ImageLoader&) = delete;
  ImageLoader& operator=(const ImageLoader&) = delete;

  /// The next batch; nothing after the last (which may be smaller).
  /// @throws DataError with the manifest's place and the image's path for a broken image (kStop), or for images of different
  ///         sizes in a batch without a crop; RunError with the same places where the machine fails
  std::optional<ImageBatch> next();
  /// `place: path: reason` of every image skipped so far (kSkip); no place where Dataset::unlisted.
  std::vector<std::string> skipped() const;
  /// Seconds next() has waited for the workers so far.
  double wait_seconds() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// For those who need every sample: a loader that skips (OnError::kSkip) tells which picture is broken, this what to do about it.
/// @throws DataError if it has skipped any
void refuse_broken(const ImageLoader& loader, const Manifest& manifest);

}  // namespace emotion
