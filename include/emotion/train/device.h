#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>
#include <torch/nn/module.h>

#include "emotion/data/loader.h"

namespace emotion {

/// How a GPU computes.
struct GpuArithmetic {
  bool deterministic = true;  ///< the same bits every time, at some cost in speed
  bool tf32 = false;          ///< float32 convolutions and matrix products with ten bits of mantissa
};

/// Sets LibTorch's switches, for the whole process and all of its GPUs; before the first product on one. LibTorch warns of what
/// has no deterministic kernel and goes on.
void set_gpu_arithmetic(const GpuArithmetic& arithmetic);

/// What tells of a GPU: the driver's file, and LibTorch's library for it.
struct GpuFiles {
  std::string driver = "/dev/nvidiactl", library = "libtorch_cuda.so";
};

/// Where a network runs, and everything that depends on it: memory format, pinned memory, copy streams, autocast.
///
/// The only place of the project that knows one kind of device from another.
class Device {
 public:
  /// name: auto | cpu | cuda | cuda:N; amp: off | bf16 | fp16. `auto` takes the first GPU where there is one; where a driver is
  /// there and the CUDA libraries are not it takes the CPU with a warning.
  /// The CUDA libraries are opened here, so that a run on the CPU never pays for them.
  /// A GPU becomes the current one of the calling thread and computes as `arithmetic` says; a CPU knows no such choice.
  /// @throws ConfigError for an unknown name, and for fp16 on a CPU; RunError if the GPU asked for is not there
  static Device open(const std::string& name, const std::string& amp = "off", bool channels_last = true,
                     const GpuArithmetic& arithmetic = {});
  /// What open() would take, without touching a GPU. @throws as it does
  static at::Device find(const std::string& name, const GpuFiles& files = {});

  at::Device torch_device() const { return device_; }
  bool is_cpu() const { return device_.is_cpu(); }
  /// `cpu (2 threads)` or `cuda:0`
  std::string describe() const;

  /// Moves a network here and gives its 4-d weights the memory format.
  void place(torch::nn::Module& module) const;
  /// The RGB bytes that a run sees, uint8 [n, h, w, 3] here: the only place that mirrors what the loader says is shown mirrored.
  ///
  /// On the CPU it is the batch's own memory: the batch holds the mirrored pictures then, and says that none is left to be. On a
  /// GPU the bytes are copied on a side stream (from pinned memory when allocator() made them) and mirrored there.
  at::Tensor pixels(ImageBatch& batch) const;
  /// pixels() -> float [n, 3, h, w] here, in the memory format, (x / 255 - mean) / std with ImageNet's mean and std.
  at::Tensor images(ImageBatch& batch) const;
  /// A tensor in main memory, copied without waiting for what the device does.
  at::Tensor move(const at::Tensor& tensor) const;
  /// For LoaderOptions::allocate: pinned memory on a GPU, nothing (ordinary memory) on the CPU.
  std::function<std::shared_ptr<std::uint8_t[]>(std::size_t)> allocator() const;

  /// State of the generators a step draws from (dropout): the CPU's, and this device's. uint8 [n]
  at::Tensor random_state() const;
  void set_random_state(const at::Tensor& state) const;

 private:
  friend class AutocastScope;
  at::Device device_ = at::kCPU;
  bool channels_last_ = true;
  at::Tensor mean_, std_;                   // ImageNet's, float [1, 3, 1, 1] here
  std::optional<c10::Stream> copies_;       // a GPU's side stream; always the same one, as each keeps memory of its own
  std::optional<at::ScalarType> autocast_;  // the type, where there is mixed precision
};

/// pictures: uint8 [n, h, w, 3] on any device; those of `rows` (int64 [m]) are mirrored in place.
void mirror_rows(at::Tensor& pictures, const at::Tensor& rows);

/// Mixed precision for the forward pass, as the device was opened with; off again at the end of the scope.
class AutocastScope {
 public:
  explicit AutocastScope(const Device& device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType type_;
  bool active_;
};

}  // namespace emotion
