#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// An array as numpy.save writes it: what its header says, and its bytes.
struct NpyArray {
  char kind = 0;            ///< of NumPy's: b, i, u, f, c; S and U for text; O, V and others for what is not plain
  std::uint64_t width = 0;  ///< bytes of an item (of text: of all its letters)
  bool swapped = false;     ///< big-endian items
  bool fortran = false;     ///< the first index runs fastest
  std::vector<std::int64_t> shape;
  std::uint64_t count = 0;  ///< items: the product of the shape
  std::string_view data;    ///< count * width bytes

  /// b, i, u, f and text: the data is as long as the header wants it. Of other arrays (objects are a pickle, records) it is
  /// unchecked.
  bool is_plain() const;
  /// Reads versions 1 to 3; reserves nothing. `bytes` must outlive the array.
  /// @throws DataError: no .npy array, a broken header, fewer or more bytes than the shape needs
  static NpyArray parse(std::string_view bytes, const std::string& where);
};

}  // namespace emotion
