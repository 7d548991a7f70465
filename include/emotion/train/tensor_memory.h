#pragma once

#include <cstddef>
#include <cstdint>

namespace emotion {

struct TensorMemory {
  std::size_t used = 0;  ///< bytes of large blocks that tensors hold
  std::size_t kept = 0;  ///< bytes of free ones, ready for the next tensor
  std::size_t peak = 0;  ///< the most that was ever used
};

/// From now on the memory of large CPU tensors is kept and used again, as LibTorch itself does on a GPU.
///
/// malloc gives blocks above 32 MB back to the system at once. The activations of a network are such blocks, made and freed at
/// every layer: each time the system hands out zeroed pages, one fault for every 4 KB. Blocks of 1 MB and more stay here instead,
/// on huge pages where the system has them. Used and kept together stay below 5/4 of the most that was ever used (and 64 MB).
/// A second call does nothing.
void keep_tensor_memory();

TensorMemory tensor_memory();
/// The most memory this process has held so far, bytes.
std::uint64_t peak_memory();
/// The most that tensors have held on one GPU, bytes; 0 without one.
std::uint64_t peak_device_memory();
/// Gives all free blocks back to the system.
void release_tensor_memory();

}  // namespace emotion
