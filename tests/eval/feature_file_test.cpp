#include "emotion/eval/feature_file.h"

#include <chrono>
#include <string>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/free_port.h"
#include "../support/scratch.h"
#include "emotion/log.h"

namespace emotion {
namespace {

// Two members of a group in two threads. An exchange fails after the timeout of a second and five more; what a rank does before
// the first one, the state of millions of pictures, takes as long as its disk.
TEST(SharedFeatures, WaitForAProcessWhoseDiskIsSlow) {
  set_log_level(LogLevel::kWarning);
  const ScratchFolder folder;
  const int port = free_port();
  at::Tensor features;
  const auto member = [&](int rank) {
    ProcessGroup group = ProcessGroup::join(
        {.rank = rank, .world_size = 2, .local_rank = rank, .local_world_size = 2, .address = "127.0.0.1", .port = port}, {}, 1);
    group.finish("", [&] {
      FeatureRows rows;
      rows.samples = {0, 1, 2};
      rows.dimension = 2;
      rows.key = {{"pictures", "the same"}};
      rows.compute = [](const auto& samples, const auto& each) {
        for (const std::uint64_t i : samples) each(at::full({1, 2}, static_cast<double>(i), at::kFloat));
      };
      if (rank == 1) std::this_thread::sleep_for(std::chrono::seconds(9));
      const at::Tensor all = shared_features(rows, 1, folder.path() / "parts", group);
      if (rank == 0) features = all;
    });
  };
  std::string other_error;
  std::thread other([&] { other_error = error_of<Error>([&] { member(1); }); });
  EXPECT_EQ(error_of<Error>([&] { member(0); }), "no error");
  other.join();
  EXPECT_EQ(other_error, "no error");
  ASSERT_TRUE(features.defined());
  EXPECT_TRUE(at::equal(features, at::tensor({0.F, 0.F, 1.F, 1.F, 2.F, 2.F}).view({3, 2})));
}

}  // namespace
}  // namespace emotion
