#include "emotion/train/tensor_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include <ATen/Context.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/core/impl/alloc_cpu.h>

namespace emotion {
namespace {

constexpr std::size_t kPage = 4096, kLarge = std::size_t{1} << 20, kHugePage = std::size_t{2} << 20,
                      kSlack = std::size_t{64} << 20;

/// Sizes in steps of an eighth of their power of two: few sizes, little waste.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max(kPage, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

class Keeper final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = bytes < kLarge ? c10::alloc_cpu(bytes) : take(rounded(bytes));
    if (!data && bytes > 0) data = c10::alloc_cpu(bytes);  // its error names the size
    return {data, data, &give_back, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }

  TensorMemory state() {
    const std::lock_guard lock(mutex_);
    return {used_, kept_, peak_};
  }
  void release() {
    const std::lock_guard lock(mutex_);
    release_until(0);
  }
  // Never destroyed: tensors outlive static objects.
  static Keeper& instance() {
    static auto* keeper = new Keeper;
    return *keeper;
  }

 private:
  struct Block {
    void* data;
    std::size_t size;
  };
  using Free = std::list<Block>;  // oldest first

  void* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    void* data = nullptr;
    if (const auto found = by_size_.lower_bound(size); found != by_size_.end() && found->first <= size + size / 4) {
      const Free::iterator block = found->second;
      data = block->data;
      size = block->size;
      kept_ -= size;
      by_size_.erase(found);
      free_.erase(block);
    } else {
      const std::size_t limit = std::max(peak_, used_ + size) / 4 * 5 + kSlack;
      if (used_ + size + kept_ > limit) release_until(limit - std::min(limit, used_ + size));
      data = fresh(size);
    }
    if (!data) return nullptr;
    sizes_.emplace(data, size);
    used_ += size;
    peak_ = std::max(peak_, used_);
    return data;
  }

  void* fresh(std::size_t size) {
    void* data = nullptr;
    const std::size_t alignment = size >= kHugePage ? kHugePage : kPage;
    if (::posix_memalign(&data, alignment, size) != 0) {
      release_until(0);
      if (::posix_memalign(&data, alignment, size) != 0) return nullptr;
    }
    if (size >= kHugePage) ::madvise(data, size, MADV_HUGEPAGE);  // a wish: without huge pages all works the same
    return data;
  }

  static void give_back(void* data) {
    // Large blocks begin on a page; nearly all small ones do not, and pay nothing.
    if (reinterpret_cast<std::uintptr_t>(data) % kPage == 0 && data && instance().put(data)) return;
    c10::free_cpu(data);
  }

  bool put(void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(data);
    if (found == sizes_.end()) return false;
    const std::size_t size = found->second;
    sizes_.erase(found);
    used_ -= size;
    kept_ += size;
    free_.push_back({data, size});
    by_size_.emplace(size, std::prev(free_.end()));
    return true;
  }

  /// Gives free blocks back, those first that were free longest.
  void release_until(std::size_t kept) {
    while (kept_ > kept && !free_.empty()) {
      const Block block = free_.front();
      auto [begin, end] = by_size_.equal_range(block.size);
      by_size_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == free_.begin(); }));
      free_.pop_front();
      kept_ -= block.size;
      std::free(block.data);
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> sizes_;  // blocks in use
  Free free_;
  std::multimap<std::size_t, Free::iterator> by_size_;
  std::size_t used_ = 0, kept_ = 0, peak_ = 0;
};

}  // namespace

void keep_tensor_memory() {
  if (c10::GetCPUAllocator() != &Keeper::instance()) c10::SetCPUAllocator(&Keeper::instance(), /*priority=*/1);
}

TensorMemory tensor_memory() { return Keeper::instance().state(); }

std::uint64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t peak_device_memory() {
  if (!at::globalContext().hasCUDA()) return 0;  // also where the CUDA libraries were never opened
  c10::DeviceAllocator* allocator = c10::getDeviceAllocator(c10::kCUDA);
  if (!allocator->initialized()) return 0;
  std::uint64_t most = 0;
  const auto devices = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  for (c10::DeviceIndex i = 0; i < devices; ++i) {
    const auto bytes =
        allocator->getDeviceStats(i).allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
    most = std::max(most, static_cast<std::uint64_t>(bytes.peak));
  }
  return most;
}

void release_tensor_memory() { Keeper::instance().release(); }

}  // namespace emotion
