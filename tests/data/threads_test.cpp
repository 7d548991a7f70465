// Where the system starts no more threads, those there are do the work.
#include "emotion/threads.h"

#include <pthread.h>

#include <atomic>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/data/loader.h"
#include "emotion/data/near_duplicates.h"
#include "emotion/data/perceptual_hash.h"
#include "emotion/data/synth.h"
#include "emotion/data/verify.h"

namespace emotion {
namespace {

constexpr int kThreads = 64;

/// From here on a thread takes so many megabytes of address space.
void set_stack_size(std::size_t megabytes) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, megabytes << 20);
  ::pthread_setattr_default_np(&attributes);
}

/// What `action` throws where the system starts two threads and no third, and half a gigabyte is left to work with.
template <class Action>
std::string with_two_threads(const Action& action) {
  return error_within(2560, [&] {
    set_stack_size(1024);
    action();
  });
}

TEST(ForEachInThreads, CallsEachOnceAndThrowsWhatOneThrew) {
  set_log_level(LogLevel::kOff);
  std::vector<std::atomic<int>> calls(500);
  EXPECT_TRUE(for_each_in_threads("", calls.size(), 3, [&](std::size_t i) { ++calls[i]; }));
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(for_each_in_threads("", 0, 3, [](std::size_t) { FAIL(); }));
  std::atomic<int> begun{0};
  EXPECT_EQ(error_of<DataError>([&] {
              for_each_in_threads("", 1'000'000, 2, [&](std::size_t) {
                ++begun;
                throw DataError("broken");
              });
            }),
            "broken");
  EXPECT_LE(begun, 2) << "none begins after a failure";
}

class ThreadsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kMemoryIsLimited) GTEST_SKIP() << "a sanitizer maps what it likes";
    set_log_level(LogLevel::kOff);
  }
};

TEST_F(ThreadsTest, SomeDoTheWorkOfAll) {
  EXPECT_EQ(with_two_threads([] {
              std::atomic<int> left{10'000};
              auto threads = start_threads(kThreads, [&] {
                while (--left > 0) std::this_thread::yield();
              });
              for (auto& thread : threads) thread.join();
              if (threads.size() != 2 || left > 0)
                throw RunError(fmt::format("{} threads, {} left", threads.size(), left.load()));
            }),
            "no error");
  EXPECT_EQ(error_within(1,
                         [] {
                           set_stack_size(256);  // larger than stacks that an earlier test's threads have left for others
                           for (auto& thread : start_threads(kThreads, [] {})) thread.join();
                         }),
            "1: no thread can be started: Resource temporarily unavailable");
}

TEST_F(ThreadsTest, SetsAreDrawnReadHashedAndVerifiedByThoseThereAre) {
  const ScratchFolder folder;
  const auto set = folder.path() / "stock";
  EXPECT_EQ(with_two_threads(
                [&] { write_synth({.kind = "stock", .out = set, .count = 40, .size = 32, .seed = 5, .workers = kThreads}); }),
            "no error");
  const Dataset dataset = Dataset::open(set);
  const Manifest manifest = Manifest::open(dataset, "train");
  EXPECT_EQ(with_two_threads([&] {
              std::vector<std::uint64_t> order(manifest.size());
              std::iota(order.begin(), order.end(), std::uint64_t{0});
              ImageLoader loader(manifest, {.transform = {.size = 24}, .batch = 4, .workers = kThreads}, order, 1);
              std::size_t seen = 0;
              while (const auto batch = loader.next()) seen += batch->samples.size();
              if (seen != manifest.size()) throw RunError(fmt::format("{} samples", seen));
            }),
            "no error");
  EXPECT_EQ(with_two_threads([&] { hash_pictures(dataset, kThreads); }), "no error");
  EXPECT_EQ(with_two_threads([&] {
              if (!file_problems(manifest, kThreads).empty()) throw RunError("problems");
            }),
            "no error");
  EXPECT_EQ(with_two_threads([&] {
              const std::vector<std::uint64_t> hashes(50, 7);
              std::size_t pairs = 0;
              near_pairs(hashes, 4, kThreads, [&](std::span<const NearPair> some) { pairs += some.size(); });
              if (pairs != 50 * 49 / 2) throw RunError(fmt::format("{} pairs", pairs));
            }),
            "no error");
}

}  // namespace
}  // namespace emotion
