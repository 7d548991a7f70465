#include "emotion/train/tensor_memory.h"

#include <thread>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

namespace emotion {
namespace {

constexpr std::int64_t kMegabyte = 1 << 20;

at::Tensor bytes(std::int64_t n) { return at::empty({n}, at::kByte); }

/// Other tests of the process may hold memory: all is counted from here.
class TensorMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    keep_tensor_memory();
    release_tensor_memory();
    start_ = tensor_memory();
  }
  std::size_t used() const { return tensor_memory().used - start_.used; }
  TensorMemory start_;
};

TEST_F(TensorMemoryTest, ABlockServesTheNextTensorOfItsSize) {
  const void* first = nullptr;
  {
    const at::Tensor tensor = bytes(40 * kMegabyte);
    first = tensor.data_ptr();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % (2 << 20), 0U);
    EXPECT_EQ(used(), static_cast<std::size_t>(40 * kMegabyte));
  }
  EXPECT_EQ(used(), 0U);
  EXPECT_EQ(tensor_memory().kept, static_cast<std::size_t>(40 * kMegabyte));
  EXPECT_EQ(bytes(40 * kMegabyte).data_ptr(), first);
  EXPECT_EQ(bytes(33 * kMegabyte).data_ptr(), first);  // up to a quarter larger than asked for
  EXPECT_NE(bytes(20 * kMegabyte).data_ptr(), first);  // not a small tensor in a large block
  release_tensor_memory();
  EXPECT_EQ(tensor_memory().kept, 0U);
}

TEST_F(TensorMemoryTest, SmallTensorsAndEmptyOnesPassBy) {
  const at::Tensor small = bytes(kMegabyte - 1), none = bytes(0);
  EXPECT_EQ(used(), 0U);
}

TEST_F(TensorMemoryTest, ValuesOfTensorsAliveAreNotTouched) {
  std::vector<at::Tensor> alive;
  for (int i = 0; i < 12; ++i) {
    bytes((3 + i) * kMegabyte).fill_(255);
    alive.push_back(at::full({(3 + i) * kMegabyte}, i, at::kByte));
  }
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(alive[static_cast<std::size_t>(i)].eq(i).all().item<bool>()) << i;
}

// Ever other sizes: what is kept of the old ones is given back.
TEST_F(TensorMemoryTest, KeepsNoMoreThanAQuarterBeyondThePeak) {
  for (std::int64_t size = 100; size > 2; size = size * 3 / 4) {
    std::vector<at::Tensor> some;
    for (int i = 0; i < 3; ++i) some.push_back(bytes(size * kMegabyte));
    const TensorMemory now = tensor_memory();
    EXPECT_LE(now.used + now.kept, now.peak / 4 * 5 + (std::size_t{64} << 20));
  }
}

TEST_F(TensorMemoryTest, AnotherThreadMayFreeWhatOneMade) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) {
        at::Tensor tensor = at::full({2 * kMegabyte}, i, at::kByte);
        std::thread([moved = std::move(tensor), i] { EXPECT_EQ(moved[kMegabyte].item<int>(), i); }).join();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(used(), 0U);
}

TEST_F(TensorMemoryTest, MoreThanThereIsStaysTheLibrarysError) {
  try {
    bytes(std::int64_t{1} << 60);
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("can't allocate memory: you tried to allocate 1152921504606846976 bytes"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace emotion
