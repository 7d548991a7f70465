#include "emotion/train/device.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/to_device.h"

namespace emotion {
namespace {

constexpr double kMean[3] = {0.485, 0.456, 0.406};  // ImageNet, RGB in 0 .. 1
constexpr double kStd[3] = {0.229, 0.224, 0.225};

/// Registers the CUDA kernels, which live in a library that links nothing of ours. What the loader says where it cannot be
/// opened.
std::string open_cuda_library(const std::string& library) {
  return ::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) ? "" : ::dlerror();
}

/// Once for each text: a device is looked for several times.
void warn_once(const std::string& text) {
  static std::mutex mutex;
  static std::set<std::string> told;
  const std::lock_guard<std::mutex> lock(mutex);
  if (told.insert(text).second) log_warning("{}", text);
}

at::Device automatic_device(const GpuFiles& files) {
  // Without a driver there is no GPU, and no reason to open a library of a gigabyte.
  if (!std::filesystem::exists(files.driver)) return at::kCPU;
  const std::string problem = open_cuda_library(files.library);
  if (!problem.empty())
    warn_once("device auto takes the CPU, though a GPU's driver is there: " + problem +
              "; bash tools/setup.sh --cuda adds the CUDA libraries, --device cpu does without");
  return problem.empty() && at::globalContext().hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

at::Tensor channel_constant(const double (&values)[3]) {
  return at::tensor({values[0], values[1], values[2]}, at::kFloat).view({1, 3, 1, 1});
}

}  // namespace

void set_gpu_arithmetic(const GpuArithmetic& arithmetic) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(arithmetic.tf32);
  context.setAllowTF32CuBLAS(arithmetic.tf32);
  context.setBenchmarkCuDNN(false);  // what is fastest is measured, and not the same every time
  context.setDeterministicCuDNN(arithmetic.deterministic);
  context.setDeterministicAlgorithms(arithmetic.deterministic, /*warn_only=*/true);
  // A help against reading what was never written, which costs a pass over every new tensor.
  context.setDeterministicFillUninitializedMemory(false);
  // cuBLAS reads it when it is first used.
  if (arithmetic.deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

at::Device Device::find(const std::string& name, const GpuFiles& files) {
  if (name == "cpu") return at::kCPU;
  if (name == "auto") return automatic_device(files);
  int index = 0;
  if (name.starts_with("cuda:") && name.size() > 5 && name.size() <= 8 &&
      name.find_first_not_of("0123456789", 5) == std::string::npos) {
    index = std::stoi(name.substr(5));
  } else if (name != "cuda") {
    throw ConfigError("device '" + name + "' is not known; auto, cpu, cuda or cuda:N");
  }
  const std::string problem = open_cuda_library(files.library);
  if (!problem.empty() || !at::globalContext().hasCUDA()) {
    throw RunError("device " + name + ": no CUDA device can be used here" + (problem.empty() ? "" : " (" + problem + ")") +
                   "; install the driver and the CUDA libraries (bash tools/setup.sh --cuda), or take --device cpu");
  }
  const auto count = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (index >= count) throw RunError("device " + name + ": there are " + std::to_string(count) + " CUDA devices, counted from 0");
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

Device Device::open(const std::string& name, const std::string& amp, bool channels_last, const GpuArithmetic& arithmetic) {
  Device device;
  if (amp != "off" && amp != "bf16" && amp != "fp16") throw ConfigError("train.amp is '" + amp + "'; off, bf16 or fp16");
  device.device_ = find(name);
  if (amp == "fp16" && device.is_cpu()) throw ConfigError("train.amp is fp16, which needs a GPU; on a CPU take bf16");
  device.channels_last_ = channels_last;
  if (!device.is_cpu()) {
    const c10::impl::VirtualGuardImpl backend(device.device_.type());
    backend.setDevice(device.device_);  // else what names no device would open the first GPU beside this one
    set_gpu_arithmetic(arithmetic);
    device.copies_ = backend.getStreamFromGlobalPool(device.device_);
  }
  device.mean_ = channel_constant(kMean).to(device.device_);
  device.std_ = channel_constant(kStd).to(device.device_);
  if (amp != "off") device.autocast_ = amp == "bf16" ? at::kBFloat16 : at::kHalf;
  return device;
}

std::string Device::describe() const {
  return is_cpu() ? "cpu (" + std::to_string(at::get_num_threads()) + " threads)" : device_.str();
}

void Device::place(torch::nn::Module& module) const {
  module.to(device_);
  if (!channels_last_) return;
  at::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

at::Tensor Device::move(const at::Tensor& tensor) const {
  return is_cpu() ? tensor : to_device(tensor, tensor.options().device(device_));
}

at::Tensor Device::images(ImageBatch& batch) const {
  // NHWC bytes seen as NCHW are channels_last as they lie: the conversion to float keeps the order.
  at::Tensor images = pixels(batch).permute({0, 3, 1, 2}).to(at::kFloat);
  // torchvision's operations in its order: the same bits as ToTensor and Normalize give.
  images.div_(255).sub_(mean_).div_(std_);
  return channels_last_ ? images : images.contiguous();
}

at::Tensor Device::pixels(ImageBatch& batch) const {
  const auto n = static_cast<std::int64_t>(batch.samples.size());
  auto owner = batch.pixels;
  at::Tensor bytes = at::from_blob(
      owner.get(), {n, batch.height, batch.width, 3}, [owner](void*) {}, at::TensorOptions().dtype(at::kByte));
  if (is_cpu()) {
    // Byte by byte where they lie: tensor operations take twenty times as long, beside the loader's threads on the same cores.
    const std::size_t size = static_cast<std::size_t>(batch.height) * static_cast<std::size_t>(batch.width) * 3;
    for (const std::int64_t row : batch.mirrored)
      mirror_pixels(owner.get() + static_cast<std::size_t>(row) * size, batch.width, batch.height);
    batch.mirrored.clear();
    return bytes;
  }
  const c10::impl::VirtualGuardImpl backend(device_.type());
  const c10::Stream compute = backend.getStream(device_);
  const c10::Stream copy = *copies_;
  c10::Event done(device_.type());
  at::Tensor rows;
  {
    const c10::StreamGuard guard(copy);
    bytes = move(bytes);
    if (!batch.mirrored.empty()) rows = move(at::tensor(batch.mirrored, at::kLong));
    done.record(copy);
  }
  done.block(compute);
  bytes.record_stream(compute);
  if (rows.defined()) {
    rows.record_stream(compute);
    mirror_rows(bytes, rows);
  }
  return bytes;
}

void mirror_rows(at::Tensor& pictures, const at::Tensor& rows) {
  pictures.index_copy_(0, rows, pictures.index_select(0, rows).flip({2}));
}

std::function<std::shared_ptr<std::uint8_t[]>(std::size_t)> Device::allocator() const {
  if (is_cpu()) return {};
  return [](std::size_t bytes) {
    auto tensor = std::make_shared<at::Tensor>(
        at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).pinned_memory(true)));
    return std::shared_ptr<std::uint8_t[]>(tensor->data_ptr<std::uint8_t>(), [tensor](std::uint8_t*) {});
  };
}

at::Tensor Device::random_state() const {
  const at::Tensor cpu = at::detail::getDefaultCPUGenerator().get_state();
  if (is_cpu()) return cpu;
  at::Generator generator = at::globalContext().defaultGenerator(device_);
  return at::cat({cpu, generator.get_state().cpu()});
}

void Device::set_random_state(const at::Tensor& state) const {
  auto cpu = at::detail::getDefaultCPUGenerator();
  const std::int64_t cpu_size = cpu.get_state().numel();
  if (state.scalar_type() != at::kByte || state.dim() != 1 || state.numel() < cpu_size) {
    throw WeightsError(
        "the state of the random generator has another size than this LibTorch's; resume with the version that saved it");
  }
  const std::lock_guard<std::mutex> lock(cpu.mutex());
  cpu.set_state(state.narrow(0, 0, cpu_size).clone());
  // A run that moves from CPU to GPU goes on with the GPU's own draws.
  if (is_cpu() || state.numel() == cpu_size) return;
  at::Generator generator = at::globalContext().defaultGenerator(device_);
  generator.set_state(state.narrow(0, cpu_size, state.numel() - cpu_size).clone());
}

AutocastScope::AutocastScope(const Device& device) : type_(device.device_.type()), active_(device.autocast_.has_value()) {
  if (!active_) return;
  at::autocast::set_autocast_dtype(type_, *device.autocast_);
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, false);
}

}  // namespace emotion
