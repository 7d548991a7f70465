#include "shared_run.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include "emotion/data/annotations.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "loss_window.h"

namespace emotion {
namespace {

std::string summary(const Manifest& manifest) {
  const MappedFile lines(manifest.file());  // every process of a host reads it: in memory it is there once
  const auto checksum = ::crc32_z(0, reinterpret_cast<const unsigned char*>(lines.text().data()), lines.text().size());
  return fmt::format("{} samples of the classes {} in {} (checksum {:08x})", manifest.size(),
                     fmt::join(manifest.dataset().classes, ", "), manifest.file().string(), checksum);
}

/// The files beside the manifests that decide what a batch and its targets are.
std::vector<std::pair<std::string, std::filesystem::path>> files_beside(const RunConfig& config, const Task& task) {
  std::vector<std::pair<std::string, std::filesystem::path>> files;
  const auto& text = config.text;
  const bool keywords = config.task == "textcnn" || config.task == "emotionnet";
  if (keywords && !text.word2vec.empty()) files.emplace_back("text.word2vec", text.word2vec);
  if (config.task == "textcnn" && !text.vocabulary.empty()) files.emplace_back("text.vocabulary", text.vocabulary);
  if (config.task == "emotionnet" && config.loss.soft_label) files.emplace_back("text.textcnn", find_model_file(text.textcnn));
  const std::string& targets = config.data.targets;
  const bool named = targets == "labels" || targets == "keywords" || targets.starts_with("one_vs_all:");
  if (config.task != "detector" && !named) files.emplace_back("data.targets", targets);
  if (config.task != "detector") return files;
  for (const Split split : {Split::kTrain, Split::kValidation}) {
    if (split == Split::kValidation && !task.has_validation()) continue;
    const Manifest& manifest = task.manifest(split);
    files.emplace_back("the annotation file", Annotations::file_of(manifest.dataset(), manifest.split()));
  }
  return files;
}

/// The lines of all processes, sorted, each once, on rank 0.
std::vector<std::string> gather_lines(const std::vector<std::string>& lines, ProcessGroup& group) {
  std::vector<std::string> all;
  for (const std::string& text : group.gather_to_root(fmt::format("{}", fmt::join(lines, "\n")))) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(line);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// The first tensor that holds NaN or infinite values. The sum of a tensor of floats is not finite then, and cannot overflow a
/// double.
std::string first_not_finite(const StateDict& weights) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sums;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights.entries) {
    if (!tensor.is_floating_point()) continue;
    sums.push_back(tensor.sum(at::kDouble));
    names.push_back(name);
  }
  if (sums.empty()) return "";
  const at::Tensor all = at::stack(sums).cpu();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!std::isfinite(all.const_data_ptr<double>()[i])) return names[i];
  }
  return "";
}

}  // namespace

Device open_device(const RunConfig& config, ProcessGroup& group) {
  Device device = Device::open(own_device(config.device, group, /*alone=*/true), config.train.amp, config.train.channels_last,
                               {.deterministic = config.train.deterministic, .tf32 = config.train.tf32});
  group.use_device(device.torch_device());
  return device;
}

void check_same_data(const RunConfig& config, const Task& task, ProcessGroup& group) {
  if (group.size() == 1) return;
  std::vector<std::pair<std::string, std::string>> contents{
      {"the training data", summary(task.manifest(Split::kTrain))},
      {"the validation data", task.has_validation() ? summary(task.manifest(Split::kValidation)) : "none"},
      {"the extra data", task.extra_manifest() ? summary(*task.extra_manifest()) : "none"}};
  for (const auto& [name, file] : files_beside(config, task))
    contents.emplace_back(name, fmt::format("{} (content {})", file.string(), file_hash(file)));
  // An exchange has a limit. What comes before has none: indexes are made, word vectors have gigabytes, disks their own speeds.
  group.wait_for_all();
  for (const auto& [name, content] : contents) group.check_same(name, content);
}

void report_skipped(const std::vector<std::string>& own, ProcessGroup& group) {
  const auto all = gather_lines(own, group);
  for (const auto& image : all) log_warning("skipped {}", image);
  if (!all.empty()) log_warning("{} broken images were skipped", all.size());
}

void check_finite(const StateDict& weights, std::int64_t step, ProcessGroup& group) {
  const std::string name = group.broadcast(group.is_root() ? first_not_finite(weights) : "");
  if (name.empty()) return;
  throw NotFiniteError(fmt::format("step {}: {} holds NaN or infinite values", step, name));
}

StoredRun read_last_checkpoint(const CheckpointFolder& checkpoints, ProcessGroup& group) {
  StoredRun stored;
  group.on_root([&] {
    const auto folder = checkpoints.last();
    if (!folder) return;
    stored.state_file = (*folder / "state.safetensors").string();
    stored.model_file = (*folder / "model.safetensors").string();
    stored.state = read_safetensors(stored.state_file);
    stored.model = read_safetensors(stored.model_file);
  });
  stored.state_file = group.broadcast(stored.state_file);
  stored.model_file = group.broadcast(stored.model_file);
  if (stored.state_file.empty()) return stored;
  stored.state = group.broadcast(std::move(stored.state));
  stored.model = group.broadcast(std::move(stored.model));
  return stored;
}

std::string bytes_of(const at::Tensor& tensor) { return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()}; }

at::Tensor tensor_of(const std::string& bytes) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
  std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

}  // namespace emotion
