#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "emotion/data/box_key.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/random.h"
#include "emotion/text/curation.h"

namespace emotion {
namespace {

void append_json(fmt::memory_buffer& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_list(fmt::memory_buffer& out, std::string_view name, const std::vector<const std::string*>& words) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":[", name);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out.push_back(',');
    append_json(out, *words[i]);
  }
  out.push_back(']');
}

/// 128 bits of a name: of a hundred million names none is mistaken for another.
struct NameHash {
  std::uint64_t a = 1, b = 2;
  explicit NameHash(std::string_view name) {
    for (const char c : name) {
      a = (a ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
      b = mix_bits(b ^ static_cast<unsigned char>(c));
    }
  }
  bool operator==(const NameHash&) const = default;
};
struct NameHashHash {
  std::size_t operator()(const NameHash& hash) const { return hash.b; }
};

}  // namespace

struct Curator::Data {
  CurateOptions options;
  CurateSummary summary;
  std::unordered_map<std::string_view, std::size_t> category_of;
  std::unordered_set<NameHash, NameHashHash> seen;
  std::vector<const std::string*> emotional, words;
  fmt::memory_buffer line;
  std::string key;  // what makes the line another than those before

  /// Fills `line`; false if the image is left out.
  bool take(const CollectionRecord& record) {
    ++summary.images;
    key.assign(record.image);
    if (record.box) append_box(key, *record.box);
    if (!seen.emplace(key).second) {
      ++summary.repeated;
      return false;
    }
    emotional.clear();
    words.clear();
    for (const auto& word : record.keywords) {
      words.push_back(&word);
      if (category_of.contains(word)) emotional.push_back(&word);
    }
    const std::size_t others = words.size() - emotional.size();
    if (emotional.size() < static_cast<std::size_t>(options.min_emotional)) {
      ++summary.without_emotion;
      return false;
    }
    if (others < static_cast<std::size_t>(options.min_other)) {
      ++summary.without_other;
      return false;
    }
    ++summary.kept;
    summary.keywords += words.size();
    summary.emotional += emotional.size();
    for (const auto* word : emotional) ++summary.per_category[category_of.at(*word)];
    line.clear();
    constexpr std::string_view kBegin = "{\"image\":";
    line.append(kBegin.data(), kBegin.data() + kBegin.size());
    append_json(line, record.image);
    append_list(line, "labels", emotional);
    append_list(line, "keywords", words);
    line.append(record.rest.data(), record.rest.data() + record.rest.size());
    line.push_back('}');
    line.push_back('\n');
    return true;
  }
};

Curator::Curator(CurateOptions options) : data_(std::make_unique<Data>()) {
  if (options.min_emotional < 1 || options.min_other < 0)
    throw ConfigError("an image needs at least 1 emotion keyword, and 0 or more others");
  data_->options = std::move(options);
  const auto& categories = data_->options.categories;
  for (std::size_t k = 0; k < categories.size(); ++k) data_->category_of.emplace(categories[k], k);
  data_->summary.per_category.resize(categories.size());
}

Curator::~Curator() = default;

std::uint64_t Curator::curate(const std::filesystem::path& jsonl, const std::filesystem::path& out_file) {
  const std::uint64_t before = data_->summary.kept;
  write_file_atomically(out_file, [&](std::ostream& out) {
    read_collection(jsonl, [&](const CollectionRecord& record) {
      if (data_->take(record)) out.write(data_->line.data(), static_cast<std::streamsize>(data_->line.size()));
    });
  });
  return data_->summary.kept - before;
}

const CurateSummary& Curator::summary() const { return data_->summary; }

}  // namespace emotion
