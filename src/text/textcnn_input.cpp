#include "emotion/text/textcnn_input.h"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "emotion/error.h"

namespace emotion {

at::Tensor textcnn_input(const KeywordEncoder& encoder, std::span<const std::uint64_t> samples) {
  at::Tensor ids = at::empty({static_cast<std::int64_t>(samples.size()), encoder.max_keywords()}, at::kLong);
  std::int64_t* row = ids.data_ptr<std::int64_t>();
  for (const std::uint64_t sample : samples) {
    encoder.encode(sample, row);
    row += encoder.max_keywords();
  }
  return ids;
}

at::Tensor textcnn_input(const std::vector<std::vector<std::int64_t>>& lists, std::size_t vocabulary, int max_keywords) {
  const auto padding = static_cast<std::int64_t>(vocabulary) + 1;
  at::Tensor ids = at::full({static_cast<std::int64_t>(lists.size()), max_keywords}, padding, at::kLong);
  std::int64_t* row = ids.data_ptr<std::int64_t>();
  for (const auto& list : lists) {
    std::copy_n(list.begin(), std::min(list.size(), static_cast<std::size_t>(max_keywords)), row);
    row += max_keywords;
  }
  return ids;
}

void check_keywords(const KeywordEncoder& encoder, const Manifest& manifest) {
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (!encoder.reads_any(i)) throw DataError(manifest.place(i) + ": no non-emotion keyword: the TextCNN has nothing to read");
  }
}

}  // namespace emotion
