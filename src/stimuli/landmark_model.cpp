// dlib's shape_predictor file. An integer is a control byte (bit 7: sign, low four bits: number of bytes, 1 to 8) and a
// little-endian magnitude; a float is two integers, mantissa and exponent; a vector its count and its items; a matrix minus its
// rows, minus its columns and its items. In order: version, mean shape [2 L, 1], cascades of trees (splits idx1, idx2, threshold;
// leaves [2 L, 1]), per cascade the landmark each sampled pixel is anchored to, per cascade the offsets of those pixels.
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/stimuli/faces.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr const char* kDebianModel = "/usr/share/dlib/shape_predictor_68_face_landmarks.dat";
constexpr const char* kAdvice = "install Debian's package libdlib-data, which has it, or name another with --landmarks";
constexpr std::int64_t kLandmarks = 68;

class LandmarkModelReader {
 public:
  explicit LandmarkModelReader(const fs::path& file)
      : file_(file),
        map_(file),
        next_(reinterpret_cast<const unsigned char*>(map_.text().data())),
        end_(next_ + map_.text().size()) {}

  void check() {
    if (const std::int64_t version = integer(); version != 1) refuse(fmt::format("version {} is not 1", version));
    matrix("mean shape");
    const std::int64_t cascades = count("cascades", 1);
    std::vector<std::int64_t> highest(static_cast<std::size_t>(cascades), -1);
    for (auto& index : highest) {
      for (std::int64_t trees = count("trees", 1), t = 0; t < trees; ++t) index = std::max(index, tree());
    }
    pixels(highest);
    if (next_ != end_) refuse(fmt::format("{} bytes behind its end", end_ - next_));
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw WeightsError(
        fmt::format("{}: not a usable landmark model of {} points ({}); {}", file_.string(), kLandmarks, what, kAdvice));
  }

  std::int64_t integer() {
    if (next_ == end_) refuse("it ends too early");
    const unsigned control = *next_++, bytes = control & 0x0f;
    if (bytes < 1 || bytes > 8 || (control & 0x70) != 0) refuse("an integer of no valid size");
    if (end_ - next_ < static_cast<std::ptrdiff_t>(bytes)) refuse("it ends too early");
    std::uint64_t magnitude = 0;
    for (unsigned i = 0; i < bytes; ++i) magnitude |= std::uint64_t{next_[i]} << (8 * i);
    next_ += bytes;
    if (magnitude > std::uint64_t{1} << 62) refuse("an integer beyond all reason");
    return control & 0x80 ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
  }

  void skip_floats(std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      integer();
      if (const std::int64_t exponent = integer(); exponent < -2000 || exponent > 2000) refuse("a number that is not finite");
    }
  }

  /// A count of items that take `least` bytes at least.
  std::int64_t count(const char* what, std::int64_t least) {
    const std::int64_t n = integer();
    if (n < 1 || n > (end_ - next_) / least) refuse(fmt::format("{} {}", n, what));
    return n;
  }

  /// A column of 2 L floats.
  void matrix(const char* what) {
    const std::int64_t rows = -integer(), columns = -integer();
    if (rows != 2 * kLandmarks || columns != 1)
      refuse(fmt::format("{} is [{}, {}], not [{}, 1]", what, rows, columns, 2 * kLandmarks));
    skip_floats(rows);
  }

  /// @return the highest pixel a split looks at
  std::int64_t tree() {
    std::int64_t highest = -1;
    const std::int64_t splits = count("splits", 8);
    for (std::int64_t s = 0; s < splits; ++s) {
      for (int side = 0; side < 2; ++side) {
        const std::int64_t pixel = integer();
        if (pixel < 0) refuse("a split of a negative pixel");
        highest = std::max(highest, pixel);
      }
      skip_floats(1);
    }
    const std::int64_t leaves = count("leaves", 4 * kLandmarks);
    if (leaves != splits + 1 || (leaves & (leaves - 1)) != 0) refuse(fmt::format("{} leaves for {} splits", leaves, splits));
    for (std::int64_t leaf = 0; leaf < leaves; ++leaf) matrix("a leaf");
    return highest;
  }

  /// Anchors and offsets of the sampled pixels: as many lists as cascades, long enough for the splits.
  void pixels(const std::vector<std::int64_t>& highest) {
    const auto cascades = static_cast<std::int64_t>(highest.size());
    std::vector<std::int64_t> anchors;
    if (const std::int64_t n = count("lists of anchors", 1); n != cascades) refuse(fmt::format("anchors of {} cascades", n));
    for (const std::int64_t most : highest) {
      anchors.push_back(count("anchors", 2));
      if (most >= anchors.back()) refuse(fmt::format("a split looks at pixel {} of {}", most, anchors.back()));
      for (std::int64_t a = 0; a < anchors.back(); ++a) {
        if (const std::int64_t landmark = integer(); landmark < 0 || landmark >= kLandmarks)
          refuse(fmt::format("an anchor at landmark {}", landmark));
      }
    }
    if (const std::int64_t n = count("lists of offsets", 1); n != cascades) refuse(fmt::format("offsets of {} cascades", n));
    for (const std::int64_t wanted : anchors) {
      if (const std::int64_t n = count("offsets", 8); n != wanted) refuse(fmt::format("{} offsets for {} anchors", n, wanted));
      skip_floats(2 * wanted);
    }
  }

  fs::path file_;
  MappedFile map_;
  const unsigned char *next_, *end_;
};

}  // namespace

fs::path find_landmark_model(const fs::path& file) {
  const fs::path model = file.empty() ? fs::path(kDebianModel) : file;
  if (fs::is_regular_file(model)) return model;
  const fs::path packed = model.string() + ".bz2";
  if (fs::is_regular_file(packed))
    throw WeightsError(
        fmt::format("{}: the landmark model is still packed; bunzip2 --keep {}", packed.string(), packed.string()));
  throw WeightsError(fmt::format("{}: there is no landmark model; {}", model.string(), kAdvice));
}

void check_landmark_model(const fs::path& file) { LandmarkModelReader(file).check(); }

}  // namespace emotion
