#include "emotion/data/manifest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/data/verify.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/file_lock.h"
#include "emotion/io/utf8.h"
#include "emotion/log.h"
#include "emotion/random.h"
#include "manifest_index.h"

namespace emotion {
namespace {

std::uint64_t checksum(const IndexHeader& header) {
  const std::uint64_t* words = reinterpret_cast<const std::uint64_t*>(&header);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 1 < sizeof header / sizeof *words; ++i) sum = mix_bits(sum ^ words[i]);
  return sum;
}

std::uint64_t class_hash(const std::vector<std::string>& classes) {
  std::uint64_t hash = classes.size();
  for (const auto& name : classes) {
    hash = mix_bits(hash ^ name.size());
    for (const char c : name) hash = mix_bits(hash ^ static_cast<std::uint8_t>(c));
  }
  return hash;
}

/// What the index must have been made from.
IndexHeader expected(const Dataset& dataset, const std::filesystem::path& jsonl) {
  struct stat status {};
  if (::stat(jsonl.c_str(), &status) != 0) throw DataError(fmt::format("{}: {}", jsonl.string(), std::strerror(errno)));
  IndexHeader header{};
  header.jsonl_size = static_cast<std::uint64_t>(status.st_size);
  header.jsonl_time =
      static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000ULL + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
  header.class_hash = class_hash(dataset.classes);
  return header;
}

std::uint64_t path_size(const IndexSample& s) {
  return std::uint64_t{s.image_size} + s.face_size + s.regions_size + s.source_size;
}

/// True if what the samples name is there: ids are used as places in lists of classes and words, offsets without a further look.
bool is_sound(const std::byte* bytes, const IndexHeader& header, std::size_t classes) {
  const auto* samples = reinterpret_cast<const IndexSample*>(bytes + sizeof header);
  const auto* ids = reinterpret_cast<const std::uint32_t*>(samples + header.samples);
  std::uint64_t line = 0;
  for (std::uint64_t i = 0; i < header.samples; ++i) {
    const IndexSample& s = samples[i];
    if (s.paths > header.path_bytes || s.paths + path_size(s) > header.path_bytes) return false;
    if (s.ids > header.ids || s.ids + std::uint64_t{s.labels} + s.keywords + s.votes > header.ids || s.line <= line) return false;
    line = s.line;
    auto below = [at = ids + s.ids](std::uint32_t count, std::uint64_t end) mutable {
      bool all = true;
      for (; count > 0; --count) all &= *at++ < end;
      return all;
    };
    if (!below(s.labels, classes) || !below(s.keywords, header.words) || !below(s.votes, classes)) return false;
  }
  return line <= header.jsonl_size;
}

/// True if the bytes are an index of that state of the JSONL, whole and of one piece.
bool is_current(std::span<const std::byte> bytes, const IndexHeader& wanted, std::size_t classes) {
  IndexHeader header{};
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kIndexMagic || header.checksum != checksum(header) || header.jsonl_size != wanted.jsonl_size ||
      header.jsonl_time != wanted.jsonl_time || header.class_hash != wanted.class_hash) {
    return false;
  }
  for (const std::uint64_t count : {header.samples, header.ids, header.words, header.word_bytes, header.path_bytes}) {
    if (count > bytes.size()) return false;
  }
  return bytes.size() == sizeof header + header.samples * sizeof(IndexSample) + header.ids * 4 + header.words * 8 +
                             header.word_bytes + header.path_bytes &&
         is_sound(bytes.data(), header, classes);
}

/// Whether an index can be kept beside its split: what one process makes, others can use.
bool is_writable_folder_of(const std::filesystem::path& jsonl) {
  const auto folder = jsonl.has_parent_path() ? jsonl.parent_path() : std::filesystem::path(".");
  return ::access(folder.c_str(), W_OK) == 0;
}

/// The index on disk, if it is of that state of the JSONL.
std::optional<MappedFile> kept_index(const std::filesystem::path& file, const IndexHeader& wanted, std::size_t classes) {
  std::error_code none;  // with .index a name may be too long: it is kept in memory then
  if (!std::filesystem::is_regular_file(file, none)) return std::nullopt;
  MappedFile map(file);
  if (!is_current(map.bytes(), wanted, classes)) return std::nullopt;
  return map;
}

}  // namespace

struct Manifest::Data {
  Dataset dataset;
  std::string split;
  std::filesystem::path file;
  std::optional<MappedFile> map;
  std::string memory;  // where the index cannot be kept on disk

  IndexHeader header{};
  const IndexSample* samples = nullptr;
  const std::uint32_t* ids = nullptr;
  const std::uint64_t* word_ends = nullptr;
  const char *words = nullptr, *paths = nullptr;

  void attach(const char* bytes) {
    std::memcpy(&header, bytes, sizeof header);
    samples = reinterpret_cast<const IndexSample*>(bytes + sizeof header);
    ids = reinterpret_cast<const std::uint32_t*>(samples + header.samples);
    word_ends = reinterpret_cast<const std::uint64_t*>(ids + header.ids);
    words = reinterpret_cast<const char*>(word_ends + header.words);
    paths = words + header.word_bytes;
  }

  [[noreturn]] void damaged() const { throw DataError(file.string() + ".index: damaged; delete it, it is made anew"); }
};

Manifest::Manifest(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Manifest::Manifest(Manifest&&) noexcept = default;
Manifest& Manifest::operator=(Manifest&&) noexcept = default;
Manifest::~Manifest() = default;

Manifest Manifest::open(const Dataset& dataset, std::string_view split) {
  auto data = std::make_unique<Data>();
  data->dataset = dataset;
  data->split = split;
  data->file = dataset.split_file(split);
  const IndexHeader wanted = expected(dataset, data->file);
  const std::filesystem::path index_file = data->file.string() + ".index";
  data->map = kept_index(index_file, wanted, dataset.classes.size());
  std::optional<IndexLock> lock;
  if (!data->map) {
    if (is_writable_folder_of(data->file)) lock.emplace(data->file);
    data->map = kept_index(index_file, wanted, dataset.classes.size());  // another process may have made it meanwhile
  }
  if (!data->map) {
    const MappedFile jsonl(data->file);
    data->memory = build_index(dataset, jsonl.text(), [&](std::uint64_t line, const std::string& text) {
      throw DataError(fmt::format("{}:{}: {}; emotion_data verify lists every problem", data->file.string(), line, text));
    });
    IndexHeader header{};
    std::memcpy(&header, data->memory.data(), sizeof header);
    header.jsonl_size = wanted.jsonl_size;
    header.jsonl_time = wanted.jsonl_time;
    header.class_hash = wanted.class_hash;
    header.checksum = checksum(header);
    std::memcpy(data->memory.data(), &header, sizeof header);
    try {
      write_file_atomically(index_file, data->memory);
      data->map.emplace(index_file);
      data->memory = {};
    } catch (const Error& error) {
      log_debug("the index is kept in memory: {}", error.what());
    }
  }
  data->attach(data->map ? data->map->text().data() : data->memory.data());
  if (data->header.samples == 0) throw DataError(data->file.string() + ": the split is empty");
  return Manifest(std::move(data));
}

std::size_t Manifest::size() const { return data_->header.samples; }

SampleView Manifest::operator[](std::size_t i) const {
  const IndexSample& s = data_->samples[i];
  SampleView view;
  const char* paths = data_->paths + s.paths;
  view.image = {paths, s.image_size};
  view.face = {paths + s.image_size, s.face_size};
  view.regions = {paths + s.image_size + s.face_size, s.regions_size};
  view.source = {paths + s.image_size + s.face_size + s.regions_size, s.source_size};
  const std::uint32_t* ids = data_->ids + s.ids;
  view.labels = {ids, s.labels};
  view.keywords = {ids + s.labels, s.keywords};
  view.votes = {ids + s.labels + s.keywords, s.votes};
  if (s.has_box) view.box = {s.box[0], s.box[1], s.box[2], s.box[3]};
  return view;
}

std::uint64_t Manifest::line(std::size_t i) const { return data_->samples[i].line; }
std::string Manifest::place(std::size_t i) const {
  return data_->dataset.unlisted ? image_path(i).string() : fmt::format("{}:{}", data_->file.string(), line(i));
}
std::filesystem::path Manifest::image_path(std::size_t i) const { return path_below(data_->dataset.images(), (*this)[i].image); }
std::size_t Manifest::word_count() const { return data_->header.words; }

std::string_view Manifest::word(std::uint32_t id) const {
  if (id >= data_->header.words) data_->damaged();
  const std::uint64_t begin = id == 0 ? 0 : data_->word_ends[id - 1], end = data_->word_ends[id];
  if (begin > end || end > data_->header.word_bytes) data_->damaged();
  return {data_->words + begin, end - begin};
}

const Dataset& Manifest::dataset() const { return data_->dataset; }
const std::filesystem::path& Manifest::file() const { return data_->file; }
const std::string& Manifest::split() const { return data_->split; }

std::vector<std::string> line_problems(const Dataset& dataset, std::string_view split) {
  const std::filesystem::path file = dataset.split_file(split);
  const MappedFile jsonl(file);
  std::vector<std::string> problems;
  build_index(dataset, jsonl.text(), [&](std::uint64_t line, const std::string& text) {
    problems.push_back(fmt::format("{}:{}: {}", file.string(), line, text));
  });
  return problems;
}

struct ManifestWriter::Data {
  explicit Data(const std::filesystem::path& path) : file(path) {}
  AtomicFile file;
};

ManifestWriter::ManifestWriter(const std::filesystem::path& file) : data_(std::make_unique<Data>(file)) {}
ManifestWriter::~ManifestWriter() = default;

void ManifestWriter::write(const Sample& sample) {
  check_utf8_name(sample.image);
  for (const auto* words : {&sample.labels, &sample.keywords, &sample.votes}) {
    for (const auto& word : *words) {
      if (!is_utf8(word))
        throw DataError(fmt::format("{}: '{}' is not UTF-8; save its text as UTF-8", sample.image, shown_utf8(word)));
    }
  }
  nlohmann::ordered_json line{{"image", sample.image}};
  if (!sample.labels.empty()) line["labels"] = sample.labels;
  if (!sample.keywords.empty()) line["keywords"] = sample.keywords;
  if (!sample.votes.empty()) line["votes"] = sample.votes;
  if (sample.box) line["box"] = *sample.box;
  if (!sample.face.empty()) line["face"] = sample.face;
  if (!sample.regions.empty()) line["regions"] = sample.regions;
  if (!sample.source.empty()) line["source"] = sample.source;
  data_->file.out() << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

void ManifestWriter::close() { data_->file.commit(); }

}  // namespace emotion
