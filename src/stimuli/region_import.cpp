#include "emotion/stimuli/region_import.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <ATen/ops/empty.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/npz.h"
#include "emotion/io/utf8.h"

namespace emotion {
namespace {

constexpr std::int64_t kMostBoxes = 10000, kMostPixels = 1 << 20;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// One row of a table; every error names its line.
class Row {
 public:
  Row(std::string_view line, std::string place) : fields_(split(line, '\t')), place_(std::move(place)) {
    if (fields_.size() != 6 && fields_.size() != 10) {
      refuse(fmt::format("{} fields separated by tabs; 6 (image_id w h num_boxes boxes features) or 10 (LXMERT) are wanted",
                         fields_.size()));
    }
  }

  ImportedRegions read() const {
    const bool scored = fields_.size() == 10;
    const std::size_t count_field = scored ? 7 : 3;
    const std::int64_t n = number(count_field, "num_boxes", kMostBoxes);
    ImportedRegions imported{.image_id = std::string(fields_[0]),
                             .regions = {},
                             .width = number(scored ? 2 : 1, "the width", kMostPixels),
                             .height = number(scored ? 1 : 2, "the height", kMostPixels)};
    RegionFile& regions = imported.regions;
    regions.boxes = array(count_field + 1, "boxes", n, 4, at::kFloat);
    regions.features = array(count_field + 2, "features", n, 0, at::kFloat);
    if (scored) {
      regions.labels = array(3, "objects_id", n, 1, at::kLong).flatten();
      regions.scores = array(4, "objects_conf", n, 1, at::kFloat).flatten();
      regions.attributes = array(5, "attrs_id", n, 1, at::kLong).flatten();
      sort(regions);
    } else {
      regions.scores = n == 0 ? at::zeros({0}) : at::linspace(1, 1.0 / static_cast<double>(n), n);
    }
    return imported;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw DataError(place_ + ": " + what); }

  std::int64_t number(std::size_t i, const char* name, std::int64_t most) const {
    std::int64_t value = -1;
    const std::string_view text = fields_[i];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > most)
      refuse(fmt::format("{} is '{}'; 0 to {} is wanted", name, text.substr(0, 20), most));
    return value;
  }

  /// [n, width]; width 0: whatever the bytes hold
  at::Tensor array(std::size_t i, const char* name, std::int64_t n, std::int64_t width, at::ScalarType type) const {
    std::string bytes;
    if (!decode_base64(fields_[i], bytes)) refuse(fmt::format("{} is not base64", name));
    const auto size = static_cast<std::int64_t>(at::elementSize(type)), have = static_cast<std::int64_t>(bytes.size());
    if (width == 0) width = n == 0 ? 0 : have / (n * size);
    if (have != n * width * size || (n > 0 && width == 0))
      refuse(fmt::format("{} holds {} bytes, which does not fit {} boxes", name, have, n));
    at::Tensor values = at::empty({n, width}, type);
    if (have > 0) std::memcpy(values.data_ptr(), bytes.data(), bytes.size());
    if (type == at::kFloat && !values.isfinite().all().item<bool>()) refuse(fmt::format("{} holds NaN or infinite values", name));
    return values;
  }

  static void sort(RegionFile& regions) {
    const at::Tensor order = regions.scores.argsort(/*stable=*/true, 0, /*descending=*/true);
    for (at::Tensor* rows : {&regions.boxes, &regions.features, &regions.labels, &regions.scores, &regions.attributes})
      *rows = rows->index_select(0, order);
  }

  std::vector<std::string_view> fields_;
  std::string place_;
};

const at::Tensor& array_of(const NpzFile& npz, const std::string& name, const std::string& where) {
  const auto found = npz.arrays.find(name);
  if (found == npz.arrays.end())
    throw WeightsError(fmt::format("{}: there is no array '{}'; x and bbox are wanted", where, name));
  return found->second;
}

}  // namespace

bool decode_base64(std::string_view text, std::string& bytes) {
  static const std::array<std::int8_t, 256> values = [] {
    std::array<std::int8_t, 256> table{};
    table.fill(-1);
    const std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < letters.size(); ++i) table[static_cast<unsigned char>(letters[i])] = static_cast<std::int8_t>(i);
    return table;
  }();
  bytes.clear();
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int letters = 0, padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++letters == 4) {
      for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(bits >> shift & 0xff));
      letters = 0;
      bits = 0;
    }
  }
  if (letters == 1 || padding > 2 || (padding > 0 && letters + padding != 4)) return false;
  if (letters >= 2) bytes.push_back(static_cast<char>(bits >> (letters == 2 ? 4 : 10) & 0xff));
  if (letters == 3) bytes.push_back(static_cast<char>(bits >> 2 & 0xff));
  return true;
}

void read_region_tsv(const std::filesystem::path& file, const std::function<void(ImportedRegions&&)>& take) {
  const MappedFile mapped(file);  // a line at a time: published tables have tens of GB
  const std::string_view text = mapped.text();
  for (const auto [line, number] : Lines(text)) {
    if (!line.empty()) take(Row(line, fmt::format("{}:{}", file.string(), number)).read());
  }
  if (text.empty()) throw DataError(file.string() + ": the file is empty; a table of regions is wanted");
}

ImportedRegions read_region_npz(const std::filesystem::path& file) {
  const std::string where = file.string(), name = file.filename().string();
  const NpzFile npz = NpzFile::read(file);
  const at::Tensor boxes = array_of(npz, "bbox", where).to(at::kFloat);
  at::Tensor features = array_of(npz, "x", where).to(at::kFloat);
  if (boxes.dim() != 2 || boxes.size(1) != 4 || features.dim() != 2)
    throw WeightsError(fmt::format("{}: bbox [n, 4] and x [n, F] are wanted", where));
  const std::int64_t n = boxes.size(0);
  if (features.size(0) != n && features.size(1) == n) features = features.t().contiguous();
  if (features.size(0) != n) {
    throw WeightsError(
        fmt::format("{}: x is {} x {}, which does not fit {} boxes", where, features.size(0), features.size(1), n));
  }
  for (const auto& [what, values] : {std::pair{"x", features}, std::pair{"bbox", boxes}}) {
    if (!values.isfinite().all().item<bool>())
      throw WeightsError(fmt::format("{}: {} holds NaN or infinite values", where, what));
  }
  const auto side = [&](const char* key) {
    const auto found = npz.arrays.find(key);
    return found != npz.arrays.end() && found->second.numel() == 1 ? found->second.item().toLong() : std::int64_t{0};
  };
  ImportedRegions imported{
      .image_id = name.substr(0, name.find('.')), .regions = {}, .width = side("image_w"), .height = side("image_h")};
  imported.regions.features = features;
  imported.regions.boxes = boxes;
  imported.regions.scores = n == 0 ? at::zeros({0}) : at::linspace(1, 1.0 / static_cast<double>(n), n);
  return imported;
}

std::vector<std::string> read_vocabulary_names(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<std::string> names;
  for (const auto [line, number] : Lines(text)) {
    std::string name(line.substr(0, line.find(',')));
    name.erase(0, std::min(name.find_first_not_of(" \t\r"), name.size()));
    name.erase(name.find_last_not_of(" \t\r") + 1);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    names.push_back(name);
  }
  if (names.empty()) throw DataError(file.string() + ": the file is empty; a name a line is wanted");
  return names;
}

}  // namespace emotion
