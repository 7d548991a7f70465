#include "shared_run.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include "emotion/io/file.h"

namespace emotion {
namespace {

std::string summary(const Manifest& manifest) {
  const std::string text = read_file(manifest.file());
  const auto checksum = ::crc32_z(0, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return fmt::format("{} samples of the classes {} in {} (checksum {:08x})", manifest.size(),
                     fmt::join(manifest.dataset().classes, ", "), manifest.file().string(), checksum);
}

}  // namespace

Device open_device(const RunConfig& config, ProcessGroup& group) {
  Device device = Device::open(own_device(config.device, group), config.train.amp, config.train.channels_last);
  group.use_device(device.torch_device());
  return device;
}

void check_same_data(const Task& task, ProcessGroup& group) {
  if (group.size() == 1) return;
  group.check_same("the training data", summary(task.manifest(Split::kTrain)));
  group.check_same("the validation data", task.has_validation() ? summary(task.manifest(Split::kValidation)) : "none");
  group.check_same("the extra data", task.extra_manifest() ? summary(*task.extra_manifest()) : "none");
}

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

StoredRun read_last_checkpoint(const CheckpointFolder& checkpoints, ProcessGroup& group) {
  StoredRun stored;
  group.on_root([&] {
    const auto folder = checkpoints.last();
    if (!folder) return;
    stored.file = (*folder / "state.safetensors").string();
    stored.state = read_safetensors(stored.file);
    stored.model = read_safetensors(*folder / "model.safetensors");
  });
  stored.file = group.broadcast(stored.file);
  if (stored.file.empty()) return stored;
  stored.state = group.broadcast(std::move(stored.state));
  stored.model = group.broadcast(std::move(stored.model));
  return stored;
}

std::string of_rank(const char* name, std::size_t rank) { return rank == 0 ? name : fmt::format("{}.{}", name, rank); }

std::string bytes_of(const at::Tensor& tensor) { return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()}; }

at::Tensor tensor_of(const std::string& bytes) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
  std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

}  // namespace emotion
