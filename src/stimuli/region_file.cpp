#include "emotion/stimuli/region_file.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

/// A tensor of n rows, float; @throws WeightsError
at::Tensor rows(const StateDict& state, const std::string& name, std::int64_t dimensions, const std::string& where) {
  const at::Tensor* tensor = state.find(name);
  if (!tensor)
    throw WeightsError(
        fmt::format("{}: {} is missing; a region file has features [n, F], boxes [n, 4] and scores [n]", where, name));
  if (tensor->dim() != dimensions || !tensor->is_floating_point())
    throw WeightsError(fmt::format("{}: {} is no float tensor of {} dimensions", where, name, dimensions));
  at::Tensor dense = tensor->to(at::kFloat);
  if (!dense.isfinite().all().item<bool>())
    throw WeightsError(fmt::format("{}: {} holds NaN or infinite values; extract the regions of this image again", where, name));
  return dense;
}

std::vector<std::string> names(const StateDict& state, const std::string& key, const std::string& where) {
  const auto found = state.metadata.find(key);
  if (found == state.metadata.end()) return {};
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  const bool texts = json.is_array() && std::all_of(json.begin(), json.end(), [](const auto& name) { return name.is_string(); });
  if (!texts) throw WeightsError(fmt::format("{}: metadata '{}' is no list of names", where, key));
  return json.get<std::vector<std::string>>();
}

/// From the metadata; files that were made before it stood there end their source with `, top N`.
std::optional<std::int64_t> kept_at_most(const StateDict& state) {
  std::string_view text;
  if (const auto own = state.metadata.find("top"); own != state.metadata.end()) {
    text = own->second;
  } else if (const auto source = state.metadata.find("source"); source != state.metadata.end()) {
    constexpr std::string_view kMark = ", top ";
    const std::size_t at = source->second.rfind(kMark);
    if (at != std::string::npos) text = std::string_view(source->second).substr(at + kMark.size());
  }
  std::int64_t top = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), top);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || top < 0) return std::nullopt;
  return top;
}

}  // namespace

RegionFile read_region_file(const std::filesystem::path& file, std::int64_t width) {
  const std::string where = file.string();
  const StateDict state = read_safetensors(file);
  RegionFile regions{.features = rows(state, "features", 2, where),
                     .boxes = rows(state, "boxes", 2, where),
                     .scores = rows(state, "scores", 1, where)};
  const std::int64_t n = regions.features.size(0);
  if (regions.boxes.size(0) != n || regions.scores.size(0) != n || regions.boxes.size(1) != 4) {
    throw WeightsError(fmt::format("{}: {} features, {} boxes of {} numbers and {} scores do not fit together", where, n,
                                   regions.boxes.size(0), regions.boxes.size(1), regions.scores.size(0)));
  }
  const at::Tensor inside_out = regions.boxes.narrow(1, 2, 2).lt(regions.boxes.narrow(1, 0, 2)).any(1);
  if (inside_out.any().item<bool>()) {
    throw WeightsError(fmt::format("{}: box {} is inside out; x1 y1 x2 y2 with x1 <= x2 and y1 <= y2 is wanted", where,
                                   inside_out.to(at::kByte).argmax().item<std::int64_t>()));
  }
  if (width > 0 && n > 0 && regions.features.size(1) != width) {
    throw WeightsError(fmt::format("{}: features are {} wide, {} is wanted; the regions of a data set come from one detector",
                                   where, regions.features.size(1), width));
  }
  regions.classes = names(state, "classes", where);
  regions.attribute_names = names(state, "attributes", where);
  if (const auto source = state.metadata.find("source"); source != state.metadata.end()) regions.source = source->second;
  regions.top = kept_at_most(state);
  for (const auto& [name, target, list] : {std::tuple{"labels", &regions.labels, &regions.classes},
                                           std::tuple{"attributes", &regions.attributes, &regions.attribute_names}}) {
    const at::Tensor* ids = state.find(name);
    if (!ids) continue;
    *target = ids->to(at::kLong);
    if (target->sizes() != at::IntArrayRef({n})) throw WeightsError(fmt::format("{}: {} for {} regions", where, name, n));
    if (n == 0) continue;
    const auto least = target->min().item<std::int64_t>(), most = target->max().item<std::int64_t>();
    if (least < 0) throw WeightsError(fmt::format("{}: {} hold {}; they count from 0", where, name, least));
    if (!list->empty() && most >= static_cast<std::int64_t>(list->size()))
      throw WeightsError(fmt::format("{}: {} name no class of the file's list", where, name));
  }
  return regions;
}

bool is_known_source(const std::string& source) { return !source.empty() && !source.starts_with("imported from "); }

void check_boxes_within(const RegionFile& regions, int width, int height, const std::filesystem::path& file) {
  const at::Tensor boxes = regions.boxes.to(at::kFloat).contiguous();
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  for (std::int64_t i = 0; i < boxes.size(0); ++i) {
    const float* b = boxes.const_data_ptr<float>() + 4 * i;
    if (b[0] >= -1 && b[1] >= -1 && b[2] <= w + 1 && b[3] <= h + 1) continue;
    throw DataError(
        fmt::format("{}: box {} ({:.1f} {:.1f} {:.1f} {:.1f}) leaves the picture of {} x {} pixels; the regions are of another "
                    "picture, or of another size of it",
                    file.string(), i, b[0], b[1], b[2], b[3], width, height));
  }
}

void write_region_file(const std::filesystem::path& file, const RegionFile& regions, FileSync sync) {
  StateDict state;
  state.add("features", regions.features);
  state.add("boxes", regions.boxes);
  state.add("scores", regions.scores);
  if (regions.labels.defined()) state.add("labels", regions.labels);
  if (regions.attributes.defined()) state.add("attributes", regions.attributes);
  if (!regions.classes.empty()) state.metadata["classes"] = nlohmann::json(regions.classes).dump();
  if (!regions.attribute_names.empty()) state.metadata["attributes"] = nlohmann::json(regions.attribute_names).dump();
  if (!regions.source.empty()) state.metadata["source"] = regions.source;
  if (regions.top) state.metadata["top"] = std::to_string(*regions.top);
  write_safetensors(file, state, sync);
}

}  // namespace emotion
