#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace emotion {

/// The arrays of a NumPy .npz (stored or deflated), by member name without `.npy`.
///
/// Arrays of objects, which NumPy keeps as pickles, and arrays of text or records are left out and named in `left_out`: nothing
/// in the file is executed. Arrays in Fortran's order or with swapped bytes are read as what they mean.
struct NpzFile {
  std::map<std::string, at::Tensor> arrays;
  std::vector<std::string> left_out;

  /// @throws WeightsError for the archive (truncated, a wrong size, a bad checksum), DataError for an array in it (a bad header,
  ///         a shape that does not fit), naming the file and the member
  static NpzFile read(const std::filesystem::path& file);
};

/// One array as numpy.save writes it (NpyArray). Undefined if its type has no tensor (objects, text). @throws DataError
at::Tensor parse_npy(std::string_view bytes, const std::string& where);

}  // namespace emotion
