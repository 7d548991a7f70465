#include "../../src/train/batch_stream.h"

#include <algorithm>
#include <optional>
#include <vector>

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

// Of a step's batches the weights are summed before any is read: three batches from each place, as far as the epoch goes.
TEST(BatchStream, SamplesAheadAreThoseOfTheNextBatches) {
  const Manifest manifest = Manifest::open(Dataset::open(kTiny), "single");
  const Device device = Device::open("cpu");
  for (const int ranks : {1, 2}) {
    BatchStream::Options options;
    options.loader = {.batch = 3};
    options.images = false;
    options.ranks = ranks;
    options.rank = ranks - 1;
    const Sampler sampler{.size = manifest.size(), .shuffle = true, .seed = 4};
    BatchStream stream(manifest, nullptr, sampler, options, device), other(manifest, nullptr, sampler, options, device);
    for (std::int64_t b = 0; b < stream.batches_per_epoch(); ++b) {
      other.seek(stream.position());
      std::vector<std::uint64_t> wanted;
      for (std::int64_t i = b; i < std::min(b + 3, stream.batches_per_epoch()); ++i) {
        const Batch batch = other.next();
        wanted.insert(wanted.end(), batch.samples.begin(), batch.samples.end());
      }
      EXPECT_EQ(stream.samples_ahead(3), wanted) << b;
      stream.next();
    }
  }
}

}  // namespace
}  // namespace emotion
