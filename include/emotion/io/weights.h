#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "emotion/io/file.h"

namespace emotion {

/// Named tensors in file order, and the file's string metadata.
struct StateDict {
  struct Entry {
    std::string name;
    at::Tensor tensor;
  };
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  /// The tensor of that name, or nullptr.
  const at::Tensor* find(const std::string& name) const;
  void add(std::string name, at::Tensor tensor);
};

/// Reads a .safetensors file into tensors of their own.
///
/// Header size, JSON, dtypes, shapes, offsets, overlaps, holes and duplicate names are checked before anything is reserved.
/// @throws WeightsError naming the file, and the tensor where there is one
StateDict read_safetensors(const std::filesystem::path& file);

/// Metadata only: reads no tensor. @throws WeightsError
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& file);

/// Writes contiguous copies of the tensors on the CPU, in order, whole or not at all; the same input gives the same bytes.
/// @throws RunError (disk), WeightsError for a dtype that safetensors lacks or a duplicate name
void write_safetensors(const std::filesystem::path& file, const StateDict& state, FileSync sync = FileSync::kNow);

/// Reads torch.save's .pth, zip or legacy form, with an allow-listed unpickler: nothing in the file is executed.
///
/// A nested `state_dict`/`model` dictionary is entered, a common `module.` prefix is dropped, what is not a tensor is left out.
/// @throws WeightsError naming the file and the refused callable or opcode
StateDict read_pth(const std::filesystem::path& file);

/// Writes torch.save's zip form: torch.load(weights_only=True) and torchvision read it. Contiguous copies, in order, whole or not
/// at all; the same input gives the same bytes; metadata has no place in it.
/// @throws RunError (disk), WeightsError for a duplicate name or a dtype that torch.save's storages lack
void write_pth(const std::filesystem::path& file, const StateDict& state);

/// Either form, told apart by content, not by name. @throws WeightsError
StateDict read_weights(const std::filesystem::path& file);

}  // namespace emotion
