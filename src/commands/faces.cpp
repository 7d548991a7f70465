#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/commands/data.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/eval/extract_faces.h"
#include "emotion/io/file.h"
#include "emotion/print.h"
#include "launch.h"
#include "result_file.h"

namespace emotion {
namespace {

std::string rate(std::uint64_t faces, std::uint64_t images) {
  return images == 0 ? "-" : fmt::format("{:.1f} %", 100.0 * static_cast<double>(faces) / static_cast<double>(images));
}

void print_summary(const std::string& split, const FaceSummary& summary) {
  const std::uint64_t looked_at = summary.images - summary.known - summary.broken;
  print_out("{}: {} images, {} with a face ({}); {} looked at now in {:.1f} s{}\n", split, summary.images, summary.with_face,
            rate(summary.with_face, summary.images), looked_at, summary.seconds,
            looked_at == 0 ? "" : fmt::format(", {:.1f} a second", static_cast<double>(looked_at) / summary.seconds));
  for (const auto& [name, counts] : summary.per_class) {
    if (counts.first > 0)
      print_out("  {:<24} {:>7} of {:>7}  {:>7}\n", name, counts.second, counts.first, rate(counts.second, counts.first));
  }
}

nlohmann::ordered_json to_json(const FaceSummary& summary) {
  nlohmann::ordered_json json{{"images", summary.images},
                              {"with_face", summary.with_face},
                              {"broken", summary.broken},
                              {"known", summary.known},
                              {"seconds", summary.seconds}};
  for (const auto& [name, counts] : summary.per_class)
    json["per_class"][name] = {{"images", counts.first}, {"with_face", counts.second}};
  return json;
}

void find_faces(const FacesOptions& o, ProcessGroup& group) {
  const Dataset dataset = Dataset::open(o.data);
  if (!o.split.empty()) dataset.split_file(o.split);  // a misspelt one is an error before 100 MB are read
  const FaceOptions options{.landmarks = o.landmarks,
                            .cnn = o.cnn,
                            .size = o.size,
                            .padding = o.padding,
                            .upsample = o.upsample,
                            .max_side = o.max_side,
                            .threshold = o.threshold};
  const FaceFinder finder(options);
  nlohmann::ordered_json json;
  std::uint64_t broken = 0;
  for (const auto& [split, file] : dataset.splits) {
    if (!o.split.empty() && split != o.split) continue;
    const FaceSummary summary = extract_faces(Manifest::open(dataset, split), finder, options, o.workers, o.anew, group);
    if (!group.is_root()) continue;
    if (o.json != "-") print_summary(split, summary);
    json["splits"][split] = to_json(summary);
    broken += summary.broken;
  }
  if (!o.json.empty() && group.is_root()) write_json_result(o.json, json.dump(2) + "\n");
  if (broken > 0)
    throw DataError(
        fmt::format("{}: {} images cannot be read; emotion_data verify lists them, the others are done", o.data, broken));
}

}  // namespace
}  // namespace emotion

void emotion_data_faces(const emotion::FacesOptions& o) {
  emotion::check_result_file("--json", o.json, emotion::ResultForm::kJson);
  const std::vector<std::pair<std::string, std::string>> same{
      {"data set", o.data},
      {"--split", o.split},
      {"options", fmt::format("{} {} {} {} {} {} {} {}", o.landmarks, o.cnn, o.size, o.padding, o.upsample, o.max_side,
                              o.threshold, o.anew)}};
  emotion::run_shared(o.share, same, [&](emotion::ProcessGroup& group) { emotion::find_faces(o, group); });
}
