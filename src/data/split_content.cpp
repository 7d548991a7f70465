#include "emotion/data/split_content.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>

#include <fmt/format.h>

#include "emotion/data/stimulus_path.h"
#include "emotion/io/tar.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kFiles = 64, kHead = 1 << 16;

void add_ids(ContentHash& hash, std::span<const std::uint32_t> ids) {
  hash.add(std::string_view(reinterpret_cast<const char*>(ids.data()), ids.size_bytes()));
}

void add_names(ContentHash& hash, const std::vector<std::string>& names) {
  for (const auto& name : names) hash.add(name);
  hash.add(std::string_view());
}

/// Size and beginning of a file; a packed picture's is its shard. Of one that is not there, that.
void add_head(ContentHash& hash, fs::path file) {
  fs::path shard;
  std::string member;
  if (split_member_path(file, shard, member)) file = shard;
  std::error_code none;
  hash.add(std::to_string(fs::file_size(file, none)));
  std::string head(kHead, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  hash.add(std::string_view(head.data(), static_cast<std::size_t>(in.gcount())));
}

/// Calls `action` with some samples that are spread over all of them.
template <class Action>
void for_some(const Manifest& manifest, Action&& action) {
  const std::size_t count = std::min(manifest.size(), kFiles);
  for (std::size_t k = 0; k < count; ++k) action(k * manifest.size() / count);
}

std::string samples_content(const Manifest& manifest) {
  ContentHash hash;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const SampleView sample = manifest[i];
    hash.add(sample.image);
    add_ids(hash, sample.labels);
    for (const std::uint32_t word : sample.keywords) hash.add(manifest.word(word));
    add_ids(hash, sample.votes);
    if (sample.box) hash.add(std::as_bytes(std::span(*sample.box)));
  }
  for_some(manifest, [&](std::size_t i) { add_head(hash, manifest.image_path(i)); });
  return hash.hex();
}

/// Empty where nothing has been looked for.
std::string stimuli_content(const Manifest& manifest) {
  ContentHash hash;
  bool any = false;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const SampleView sample = manifest[i];
    any = any || !sample.face.empty() || !sample.regions.empty();
    hash.add(sample.face);
    hash.add(sample.regions);
  }
  if (!any) return "";
  for_some(manifest, [&](std::size_t i) {
    for (const std::string_view name : {manifest[i].face, manifest[i].regions}) {
      if (!name.empty()) add_head(hash, stimulus_path(manifest.dataset(), name));
    }
  });
  return hash.hex();
}

}  // namespace

void add_split(Contents& contents, const Dataset& dataset, const std::string& split, SplitParts parts) {
  const std::string root = dataset.root.string(), name = fmt::format("split {} of {}", split, root);
  ContentHash classes;
  add_names(classes, dataset.classes);
  contents["classes of " + root] = classes.hex();
  const Manifest manifest = Manifest::open(dataset, split);
  contents[name] = samples_content(manifest);
  if (parts == SplitParts::kSamples) return;
  if (!dataset.positive.empty() || !dataset.negative.empty()) {
    ContentHash polarity;
    add_names(polarity, dataset.positive);
    add_names(polarity, dataset.negative);
    contents["polarity of " + root] = polarity.hex();
  }
  if (const std::string found = stimuli_content(manifest); !found.empty()) contents["faces and regions of " + name] = found;
}

}  // namespace emotion
