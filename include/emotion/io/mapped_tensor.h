#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// A tensor that stays on disk, and its file's metadata.
struct MappedTensor {
  at::Tensor tensor;  ///< a view into the mapped file, which it keeps open: read-only, pages are read when touched
  std::map<std::string, std::string> metadata;
};

/// Maps the one tensor `name` of a .safetensors file; for files that are replaced by rename and never written to in place.
/// @throws WeightsError if the file is broken or has no such float tensor
MappedTensor map_tensor(const std::filesystem::path& file, const std::string& name);

/// Writes a .safetensors file with one float tensor [.., D] whose rows are produced piece by piece, whole or not at all.
/// `produce` calls its argument with float tensors [n, D] until `shape` is filled.
/// @throws RunError (disk, or rows that do not fill the shape)
void write_tensor_rows(const std::filesystem::path& file, const std::string& name, const std::vector<std::int64_t>& shape,
                       const std::map<std::string, std::string>& metadata,
                       const std::function<void(const std::function<void(const at::Tensor&)>&)>& produce);

}  // namespace emotion
