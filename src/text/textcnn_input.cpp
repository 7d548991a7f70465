#include "emotion/text/textcnn_input.h"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "emotion/error.h"
#include "emotion/log.h"

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

std::optional<std::vector<std::uint64_t>> readable_samples(const KeywordEncoder& encoder, const Manifest& manifest, bool skip) {
  std::vector<std::uint64_t> readable;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (encoder.reads_any(i)) {
      readable.push_back(i);
    } else if (!skip) {
      throw DataError(manifest.place(i) +
                      ": no non-emotion keyword: the TextCNN has nothing to read; data.on_error=skip leaves such samples out");
    }
  }
  const std::size_t without = manifest.size() - readable.size();
  if (without == 0) return std::nullopt;
  const std::string file = manifest.file().string();
  if (readable.empty()) throw DataError(file + ": no sample has a non-emotion keyword: the TextCNN has nothing to read");
  log_warning("{}: {} of {} samples have no non-emotion keyword: left out (data.on_error)", file, without, manifest.size());
  return readable;
}

}  // namespace emotion
