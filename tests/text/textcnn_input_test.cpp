#include "emotion/text/textcnn_input.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {
namespace {

at::Tensor rows(std::initializer_list<std::int64_t> ids, std::int64_t width) {
  return at::tensor(ids, at::kLong).view({-1, width});
}

TEST(TextCNNInputTest, ListsAreCutAndPadded) {
  EXPECT_TRUE(at::equal(textcnn_input({{4, 0}, {}, {1, 2, 3, 0}}, 4, 3), rows({4, 0, 5, 5, 5, 5, 1, 2, 3}, 3)));
}

TEST(TextCNNInputTest, SamplesInTheOrderAskedFor) {
  const ScratchFolder folder;
  write_text(folder.path() / "dataset.yaml", "classes: [awe]\nsplits: {train: t.jsonl}\n");
  write_text(folder.path() / "t.jsonl",
             "{\"image\": \"a\", \"keywords\": [\"sky\", \"awe\", \"new\"]}\n{\"image\": \"b\", \"keywords\": [\"awe\"]}\n"
             "{\"image\": \"c\", \"keywords\": [\"sea\"]}\n");
  const Manifest manifest = Manifest::open(Dataset::open(folder.path()), "train");
  const Vocabulary vocabulary({"sea", "sky"});
  const KeywordEncoder encoder(manifest, vocabulary, {"awe"}, 2);
  EXPECT_TRUE(at::equal(textcnn_input(encoder, std::vector<std::uint64_t>{2, 0}), rows({0, 3, 1, 2}, 2)));
  EXPECT_EQ(error_of<DataError>([&] { readable_samples(encoder, manifest, /*skip=*/false); }),
            (folder.path() / "t.jsonl").string() +
                ":2: no non-emotion keyword: the TextCNN has nothing to read; data.on_error=skip leaves such samples out");
  set_log_level(LogLevel::kError);
  EXPECT_EQ(readable_samples(encoder, manifest, /*skip=*/true), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(readable_samples(KeywordEncoder(manifest, vocabulary, {}, 2), manifest, /*skip=*/false), std::nullopt) << "all";
  EXPECT_EQ(error_of<DataError>([&] {
              readable_samples(KeywordEncoder(manifest, vocabulary, {"awe", "sky", "new", "sea"}, 2), manifest, /*skip=*/true);
            }),
            (folder.path() / "t.jsonl").string() + ": no sample has a non-emotion keyword: the TextCNN has nothing to read");
}

}  // namespace
}  // namespace emotion
