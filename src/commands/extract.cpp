#include <filesystem>
#include <optional>

#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "broken_pictures.h"
#include "emotion/commands/eval.h"
#include "emotion/data/folder_manifest.h"
#include "emotion/error.h"
#include "emotion/eval/feature_file.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/io/file.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/stimuli_check.h"
#include "host_settings.h"
#include "launch.h"
#include "result_file.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kBatchesOfAPiece = 2;
constexpr std::size_t kNamesLimit = 10 << 20;  // bytes: safetensors' own reader refuses headers of more than 100 MB

/// A data set's split, or the pictures of a folder: `scratch` then holds their manifest.
Manifest open_pictures(const ExtractOptions& o, const fs::path& scratch) {
  if (fs::exists(fs::path(o.data) / "dataset.yaml")) return Manifest::open(Dataset::open(o.data), o.split);
  if (fs::is_directory(o.data)) return folder_manifest(o.data, scratch);
  throw DataError(o.data + ": neither a data set nor a folder of pictures");
}

/// The names of a folder's pictures, row by row, as a JSON list; empty, with a warning, if a reader would refuse so long a
/// header.
std::string names_json(const Manifest& manifest, const std::string& out) {
  nlohmann::json names = nlohmann::json::array();
  for (std::size_t i = 0; i < manifest.size(); ++i) names.push_back(manifest[i].image);
  std::string text = names.dump();
  if (text.size() <= kNamesLimit) return text;
  log_warning("{}: the names of {} pictures are too long for its metadata; the rows are in the order of their sorted paths", out,
              manifest.size());
  return {};
}

/// samples: null where every sample has a row
void write_features(const ExtractOptions& o, const fs::path& model_file, const Manifest& manifest, const at::Tensor& features,
                    const std::vector<std::uint64_t>* samples) {
  StateDict out;
  out.metadata = {{"checkpoint", model_file.string()}, {"data", o.data}};
  if (!manifest.dataset().unlisted) {
    out.metadata["split"] = o.split;
  } else if (std::string names = names_json(manifest, o.out); !names.empty()) {
    out.metadata["images"] = std::move(names);
  }
  if (samples) out.add("samples", at::tensor(std::vector<std::int64_t>(samples->begin(), samples->end()), at::kLong));
  out.add("features", features);
  write_safetensors(o.out, out);
  log_info("{}: features {} x {}", o.out, features.size(0), features.size(1));
}

void extract(const ExtractOptions& o, ProcessGroup& group) {
  if (group.is_root()) check_result_file("--out", o.out, ResultForm::kTensors);
  const Device device = Device::open(own_device(chosen_device(o), group));
  const int workers = decoding_threads(chosen_workers(o), group);
  const fs::path file = find_model_file(o.checkpoint);
  const ScratchFolder scratch;
  const Manifest manifest = open_pictures(o, scratch.path());
  const bool is_dataset = fs::exists(fs::path(o.data) / "dataset.yaml");
  const fs::path parts = o.out + ".parts";
  const std::uint64_t piece = kBatchesOfAPiece * static_cast<std::uint64_t>(o.batch);
  FeatureRows rows;
  bool faces = false;  // not every sample has a row
  std::optional<VisualModel> visual;
  TrainedStimuliNet stimuli;
  if (task_of(file) == "stimuli") {
    stimuli = load_stimuli_net(o.checkpoint, o.settings, device);
    group.on_root([&] {
      if (is_dataset) {
        check_stimuli(stimuli, manifest);
      } else {
        check_stimuli(stimuli, o.data);
      }
    });
    rows = feature_rows(stimuli, device, manifest, o.batch, workers);
  } else {
    visual = VisualModel::open(o.checkpoint, o.settings, device);
    if (!is_dataset) check_sees_whole_pictures(*visual, o.data);
    const PictureView view = evaluation_view(*visual, o.batch, workers);
    faces = view.faces;
    rows = feature_rows(*visual, device, manifest, view);
  }
  const at::Tensor features = shared_features(rows, piece, parts, group);
  if (!group.is_root()) return;
  write_features(o, file, manifest, features, faces ? &rows.samples : nullptr);
  fs::remove_all(parts);
}

}  // namespace
}  // namespace emotion

void emotion_extract(const emotion::ExtractOptions& o) {
  emotion::refuse_skipping(o.settings);
  emotion::run_shared(o.share, {{"--checkpoint", o.checkpoint}, {"--data", o.data}, {"--split", o.split}, {"--out", o.out}},
                      [&](emotion::ProcessGroup& group) { emotion::extract(o, group); });
}
