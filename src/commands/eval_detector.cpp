#include "eval_detector.h"

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/print.h"
#include "emotion/train/detector_evaluation.h"
#include "emotion/train/detector_model.h"

namespace emotion {

void eval_detector(const EvalOptions& o, const Device& device, const std::string& data, const std::string& split) {
  const TrainedDetector detector = load_detector(o.checkpoint, o.settings, device);
  const Manifest manifest = Manifest::open(Dataset::open(data), split);
  Annotations annotations = Annotations::read(manifest);
  annotations.relabel(detector.classes, Annotations::file_of(manifest.dataset(), split));
  // Detectors take large pictures: --batch is meant for classifiers.
  const std::size_t batch = static_cast<std::size_t>(std::min(o.batch, 8));
  ProcessGroup alone;
  const auto metrics = evaluate_detector(*detector.network, manifest, annotations, device, batch, alone);
  if (!metrics) throw Interrupted("interrupted; nothing is written");
  nlohmann::ordered_json json{{"samples", manifest.size()}};
  std::string line = fmt::format("{} pictures", manifest.size());
  for (const auto& [name, value] : metrics->values) {
    json[name] = value;
    line += fmt::format(", {} {:.4f}", name, value);
  }
  for (const auto& [name, ap] : metrics->class_ap) json["per_class"][name] = {{"AP", ap}};
  if (!o.output.empty()) {
    std::error_code error;
    std::filesystem::create_directories(o.output, error);
    if (error) throw RunError(o.output + ": cannot be made: " + error.message());
    write_file_atomically(std::filesystem::path(o.output) / "metrics.json", json.dump(2) + "\n");
  }
  print_out("{}\n", line);
  for (const auto& [name, ap] : metrics->class_ap) print_out("  {:<24} AP {:.4f}\n", name, ap);
}

}  // namespace emotion
