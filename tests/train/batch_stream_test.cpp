#include "../../src/train/batch_stream.h"

#include <optional>

#include <gtest/gtest.h>

#include "emotion/data/manifest.h"
#include "tiny.h"

namespace emotion {
namespace {

// What a batch says of the next one is what a task reads ahead: of each rank its own, and nothing into the next epoch.
TEST(BatchStream, ABatchNamesTheSamplesOfTheNext) {
  const Manifest manifest = Manifest::open(Dataset::open(kTiny), "single");
  const Device device = Device::open("cpu");
  for (const bool images : {true, false}) {
    for (const int ranks : {1, 2}) {
      BatchStream::Options options;
      options.loader = {.transform = {.size = 24}, .batch = 3, .workers = 1};
      options.images = images;
      options.ranks = ranks;
      options.rank = ranks - 1;
      BatchStream stream(manifest, nullptr, {.size = manifest.size(), .shuffle = true, .seed = 4}, options, device);
      std::optional<Batch> before;
      for (std::int64_t b = 0; b < 2 * stream.batches_per_epoch(); ++b) {
        Batch batch = stream.next();
        EXPECT_EQ(batch.images.defined(), images && !batch.samples.empty());
        const bool first = b % stream.batches_per_epoch() == 0, last = (b + 1) % stream.batches_per_epoch() == 0;
        EXPECT_TRUE(first || before->upcoming == batch.samples) << b;
        EXPECT_EQ(batch.upcoming.empty(), last) << b;
        before = std::move(batch);
      }
    }
  }
}

}  // namespace
}  // namespace emotion
