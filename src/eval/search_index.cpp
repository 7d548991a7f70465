#include "emotion/eval/search_index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <ostream>
#include <span>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file.h"
#include "emotion/random.h"
#include "emotion/signals.h"
#include "inner_product.h"

namespace emotion {
namespace {

// The file: magic, length of the JSON header, header, names (a NUL behind each), FAISS's bytes, their number; last the digest
// of everything before that number. In the second version names were lines, which a name may hold a break of.
constexpr std::string_view kMagic = "EMOSRCH3", kNamesAreLines = "EMOSRCH2", kAnyVersion = kMagic.substr(0, 7);
constexpr std::size_t kDigest = 32, kTrailer = 8 + kDigest;
constexpr std::uint64_t kMaxHeader = std::uint64_t{1} << 20;
constexpr int kNeighbours = 32, kConstruction = 80, kBreadth = 320;
constexpr std::int64_t kBlock = 16384;
constexpr std::uint64_t kRecallStream = 0x726563;
constexpr float kRounding = 1e-5F;  // between two ways to sum a cosine in float32

/// Unit rows; a row of zeros stays.
at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor dense = rows.to(at::kFloat);
  return (dense / dense.norm(2, 1, true).clamp_min(1e-12)).contiguous();
}

struct Product final : faiss::FlatCodesDistanceComputer {
  Product(const std::uint8_t* vectors, std::size_t bytes)
      : FlatCodesDistanceComputer(vectors, bytes), count(bytes / sizeof(float)) {}
  void set_query(const float* x) override { query = x; }
  float distance_to_code(const std::uint8_t* code) override {
    return inner_product(query, reinterpret_cast<const float*>(code), count);
  }
  float symmetric_dis(std::int64_t i, std::int64_t j) override {
    const auto row = [&](std::int64_t r) {
      return reinterpret_cast<const float*>(codes + static_cast<std::size_t>(r) * code_size);
    };
    return inner_product(row(i), row(j), count);
  }
  const float* query = nullptr;
  std::size_t count;
};

/// FAISS's flat storage with our inner product.
struct Vectors final : faiss::IndexFlatIP {
  explicit Vectors(std::int64_t dimension) : IndexFlatIP(dimension) {}
  faiss::FlatCodesDistanceComputer* get_FlatCodesDistanceComputer() const override {
    return new Product(codes.data(), code_size);
  }
};

/// Lets the graph keep its vectors in ours; those it has move over.
void use_own_vectors(faiss::IndexHNSW& graph) {
  auto own = std::make_unique<Vectors>(graph.d);
  if (auto* flat = dynamic_cast<faiss::IndexFlat*>(graph.storage)) {
    std::swap(own->codes, flat->codes);
    own->ntotal = flat->ntotal;
  }
  delete graph.storage;
  graph.storage = own.release();
  graph.own_fields = true;
}

const faiss::IndexFlat* vectors_of(const faiss::Index& index) {
  const auto* graph = dynamic_cast<const faiss::IndexHNSW*>(&index);
  return dynamic_cast<const faiss::IndexFlat*>(graph ? graph->storage : &index);
}

/// No link of the graph leaves its rows: a file says what they are.
bool is_sound(const faiss::HNSW& graph, std::size_t n) {
  if (graph.levels.size() != n || graph.offsets.size() != n + 1 || graph.offsets[0] != 0 ||
      graph.neighbors.size() != graph.offsets[n])
    return false;
  const auto& links = graph.cum_nneighbor_per_level;
  if (n == 0 || links.empty() || links[0] != 0 || !std::is_sorted(links.begin(), links.end())) return false;
  for (std::size_t i = 0; i < n; ++i) {
    const int level = graph.levels[i];
    if (level < 1 || static_cast<std::size_t>(level) >= links.size() || graph.offsets[i + 1] < graph.offsets[i] ||
        graph.offsets[i + 1] - graph.offsets[i] != static_cast<std::size_t>(links[static_cast<std::size_t>(level)]))
      return false;
  }
  const auto rows = static_cast<std::int64_t>(n);
  if (graph.entry_point < 0 || graph.entry_point >= rows ||
      graph.max_level >= graph.levels[static_cast<std::size_t>(graph.entry_point)])
    return false;
  // A link of level l leads to a row that has that level too.
  for (std::size_t i = 0; i < n; ++i) {
    for (int level = 0; level < graph.levels[i]; ++level) {
      for (int j = links[static_cast<std::size_t>(level)]; j < links[static_cast<std::size_t>(level) + 1]; ++j) {
        const std::int64_t to = graph.neighbors[graph.offsets[i] + static_cast<std::size_t>(j)];
        if (to < -1 || to >= rows || (to >= 0 && graph.levels[static_cast<std::size_t>(to)] <= level)) return false;
      }
    }
  }
  return true;
}

bool is_sound(const faiss::Index& index, const SearchIndexInfo& info, std::size_t count) {
  const faiss::IndexFlat* flat = vectors_of(index);
  const auto* graph = dynamic_cast<const faiss::IndexHNSWFlat*>(&index);
  const auto d = static_cast<std::size_t>(info.dimension);
  return flat && (graph != nullptr) == (info.kind == "hnsw") && info.dimension > 0 && index.d == info.dimension &&
         flat->d == index.d && index.metric_type == faiss::METRIC_INNER_PRODUCT &&
         flat->metric_type == faiss::METRIC_INNER_PRODUCT && index.ntotal == static_cast<std::int64_t>(count) &&
         flat->ntotal == index.ntotal && flat->code_size == d * sizeof(float) &&
         flat->codes.size() == count * d * sizeof(float) && (!graph || is_sound(graph->hnsw, count));
}

/// FAISS's writer onto a stream, with digest: of what `add` writes too, which does not count.
struct StreamWriter final : faiss::IOWriter {
  explicit StreamWriter(std::ostream& stream) : out(stream) {}
  std::size_t operator()(const void* data, std::size_t size, std::size_t items) override {
    const auto* bytes = static_cast<const char*>(data);
    add({bytes, size * items});
    count += size * items;
    return items;
  }
  void add(std::string_view bytes) {
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    hash.add(std::as_bytes(std::span(bytes.data(), bytes.size())));
  }
  std::ostream& out;
  ContentHash hash;
  std::uint64_t count = 0;
};

/// Walks over what FAISS has written, for has_its_form.
struct Walk {
  std::span<const std::byte> left;
  bool pass(std::uint64_t bytes) {
    const bool there = bytes <= left.size();
    if (there) left = left.subspan(bytes);
    return there;
  }
  template <class T>
  bool is_next(T wanted) {
    T found{};
    if (left.size() < sizeof(T)) return false;
    std::memcpy(&found, left.data(), sizeof(T));
    return pass(sizeof(T)) && found == wanted;
  }
  /// A number of items, and those.
  bool pass_vector(std::uint64_t item_size) {
    std::uint64_t items = 0;
    if (left.size() < sizeof(items)) return false;
    std::memcpy(&items, left.data(), sizeof(items));
    return pass(sizeof(items)) && items <= left.size() / item_size && pass(items * item_size);
  }
  /// Dimension, rows, two numbers without use and whether it is trained; then the metric: others than this have an argument.
  bool pass_head() { return pass(4 + 3 * 8 + 1) && is_next(static_cast<std::int32_t>(faiss::METRIC_INNER_PRODUCT)); }
  bool pass_flat() { return is_next(faiss::fourcc("IxFI")) && pass_head() && pass_vector(sizeof(float)) && left.empty(); }
};

/// The bytes are laid out as FAISS writes an index of that kind, all sizes among them. FAISS makes room for any size before it
/// reads what is there, and reads kinds whose room is what a product of numbers says.
bool has_its_form(std::span<const std::byte> bytes, const std::string& kind) {
  Walk walk{bytes};
  if (kind == "exact") return walk.pass_flat();
  // Probabilities of the levels, links up to each, levels and offsets of the rows, links; entry, highest level, three settings.
  if (kind != "hnsw" || !walk.is_next(faiss::fourcc("IHNf")) || !walk.pass_head()) return false;
  for (const std::uint64_t item_size : {8, 4, 4, 8, 4}) {
    if (!walk.pass_vector(item_size)) return false;
  }
  return walk.pass(5 * 4) && walk.pass_flat();
}

/// FAISS's reader that never leaves its bytes; the sizes in them are has_its_form's to check.
struct SpanReader final : faiss::IOReader {
  explicit SpanReader(std::span<const std::byte> given) : bytes(given) {}
  std::size_t operator()(void* data, std::size_t size, std::size_t items) override {
    const std::size_t whole = size == 0 ? items : std::min(items, bytes.size() / size);
    std::memcpy(data, bytes.data(), whole * size);
    bytes = bytes.subspan(whole * size);
    return whole;
  }
  std::span<const std::byte> bytes;
};

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw DataError(fmt::format("{}: {}; make it again with emotion_search index", file.string(), why));
}

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, 8);
  return value;
}

}  // namespace

struct SearchIndex::Faiss {
  std::unique_ptr<faiss::Index> index;
};

SearchIndex::SearchIndex(SearchIndexInfo info) : faiss_(std::make_shared<Faiss>()), info_(std::move(info)) {
  if (info_.dimension < 1) throw ConfigError(fmt::format("search: vectors of {} numbers", info_.dimension));
  const int dimension = static_cast<int>(info_.dimension);
  if (info_.kind == "exact") {
    faiss_->index = std::make_unique<faiss::IndexFlatIP>(dimension);
  } else if (info_.kind == "hnsw") {
    auto graph = std::make_unique<faiss::IndexHNSWFlat>(dimension, kNeighbours, faiss::METRIC_INNER_PRODUCT);
    graph->hnsw.efConstruction = kConstruction;
    graph->hnsw.efSearch = kBreadth;
    use_own_vectors(*graph);
    faiss_->index = std::move(graph);
  } else {
    throw ConfigError("search: kind is '" + info_.kind + "'; exact or hnsw");
  }
}

void SearchIndex::add(const at::Tensor& vectors, std::vector<std::string> images) {
  if (vectors.dim() != 2 || vectors.size(0) != static_cast<std::int64_t>(images.size()) || vectors.size(1) != info_.dimension)
    throw DataError(fmt::format("search: {} pictures of {} numbers do not fit their vectors", images.size(), info_.dimension));
  for (std::int64_t begin = 0; begin < vectors.size(0); begin += kBlock) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    const at::Tensor block = vectors.narrow(0, begin, std::min(kBlock, vectors.size(0) - begin));
    const at::Tensor finite = at::isfinite(block).all(1);
    if (!finite.all().item<bool>()) {
      const auto row = static_cast<std::size_t>(begin + finite.logical_not().nonzero()[0].item<std::int64_t>());
      throw DataError(images[row] + ": its features hold NaN or infinite values; the network they come from is broken");
    }
    const at::Tensor unit = unit_rows(block);
    faiss_->index->add(unit.size(0), unit.const_data_ptr<float>());
  }
  images_.insert(images_.end(), std::make_move_iterator(images.begin()), std::make_move_iterator(images.end()));
}

void SearchIndex::save(const std::filesystem::path& file) const {
  std::string names;
  for (const auto& image : images_) names += image + '\0';
  const nlohmann::ordered_json json{{"kind", info_.kind},
                                    {"space", info_.space},
                                    {"checkpoint", info_.checkpoint},
                                    {"weights", info_.weights_hash},
                                    {"image_root", info_.image_root.string()},
                                    {"dimension", info_.dimension},
                                    {"settings", info_.settings},
                                    {"count", images_.size()},
                                    {"names", names.size()}};
  const std::string header = json.dump();
  write_file_atomically(file, [&](std::ostream& out) {
    const std::uint64_t size = header.size();
    StreamWriter writer(out);
    for (const std::string_view part :
         {kMagic, std::string_view(reinterpret_cast<const char*>(&size), 8), std::string_view(header), std::string_view(names)})
      writer.add(part);
    faiss::write_index(faiss_->index.get(), &writer);
    out.write(reinterpret_cast<const char*>(&writer.count), 8);
    out << writer.hash.hex();
  });
}

SearchIndex SearchIndex::open(const std::filesystem::path& file) {
  const MappedFile map(file);
  const auto bytes = map.bytes();
  const std::string_view magic = map.text().substr(0, kMagic.size());
  if (bytes.size() < kMagic.size() + 8 + kTrailer || !magic.starts_with(kAnyVersion)) refuse(file, "not an index of pictures");
  if (magic != kMagic && magic != kNamesAreLines) refuse(file, "made by another version");
  const std::uint64_t header_size = number_at(bytes, kMagic.size()), begin = kMagic.size() + 8;
  if (header_size > kMaxHeader || header_size > bytes.size() - begin - kTrailer) refuse(file, "truncated");
  const auto json = nlohmann::json::parse(map.text().substr(begin, header_size), nullptr, false);
  SearchIndex result;
  std::uint64_t count = 0, names_size = 0;
  try {
    result.info_ = {.kind = json.at("kind"),
                    .space = json.at("space"),
                    .checkpoint = json.at("checkpoint"),
                    .weights_hash = json.at("weights"),
                    .image_root = std::string(json.at("image_root")),
                    .dimension = json.at("dimension"),
                    .settings = json.at("settings").get<std::vector<std::string>>()};
    count = json.at("count");
    names_size = json.at("names");
  } catch (const nlohmann::json::exception&) {
    refuse(file, "its header is damaged");
  }
  const std::uint64_t names_begin = begin + header_size, left = bytes.size() - kTrailer - names_begin;
  if (names_size > left) refuse(file, "truncated");
  const auto payload = bytes.subspan(names_begin + names_size, left - names_size);
  ContentHash hash;
  hash.add(bytes.first(bytes.size() - kTrailer));
  if (number_at(bytes, bytes.size() - kTrailer) != payload.size() || map.text().substr(bytes.size() - kDigest) != hash.hex())
    refuse(file, "truncated or damaged");
  std::string_view names = map.text().substr(names_begin, names_size);
  const char last = magic == kMagic ? '\0' : '\n';
  for (std::size_t end; (end = names.find(last)) != std::string_view::npos; names.remove_prefix(end + 1))
    result.images_.emplace_back(names.substr(0, end));
  result.faiss_ = std::make_shared<Faiss>();
  if (!has_its_form(payload, result.info_.kind)) refuse(file, "FAISS cannot read it");
  SpanReader reader(payload);
  try {
    result.faiss_->index.reset(faiss::read_index(&reader));
  } catch (const std::exception&) {  // FAISS's own, or memory that a size in the file asks for and nobody has
    refuse(file, "FAISS cannot read it");
  }
  if (count != result.images_.size() || !is_sound(*result.faiss_->index, result.info_, count))
    refuse(file, "its header does not fit its vectors");
  if (auto* graph = dynamic_cast<faiss::IndexHNSW*>(result.faiss_->index.get())) use_own_vectors(*graph);
  return result;
}

std::vector<std::vector<SearchHit>> SearchIndex::search(const at::Tensor& queries, int k) const {
  if (queries.dim() != 2 || queries.size(1) != info_.dimension)
    throw DataError(fmt::format("search: the query has {} numbers, the index holds vectors of {} (space {})", queries.size(-1),
                                info_.dimension, info_.space));
  if (k < 1 || static_cast<std::size_t>(k) > size())
    throw ConfigError(fmt::format("search: k is {}, the index holds {} pictures", k, size()));
  if (!at::isfinite(queries).all().item<bool>()) throw DataError("search: the query holds NaN or infinite values");
  const at::Tensor unit = unit_rows(queries);
  const auto m = static_cast<std::size_t>(unit.size(0)), width = static_cast<std::size_t>(k);
  std::vector<float> scores(m * width);
  std::vector<std::int64_t> rows(m * width);
  faiss_->index->search(unit.size(0), unit.const_data_ptr<float>(), k, scores.data(), rows.data());
  std::vector<std::vector<SearchHit>> hits(m);
  for (std::size_t i = 0; i < m * width; ++i) {
    if (rows[i] >= 0) hits[i / width].push_back({rows[i], scores[i]});  // a graph may give fewer than k
  }
  return hits;
}

void SearchIndex::set_breadth(int breadth) {
  if (auto* graph = dynamic_cast<faiss::IndexHNSW*>(faiss_->index.get())) graph->hnsw.efSearch = breadth;
}

double SearchIndex::recall(int k, int queries) const {
  const auto n = static_cast<std::int64_t>(size());
  k = static_cast<int>(std::min<std::int64_t>(k, n));
  std::vector<std::int64_t> asked;
  Random random{1, kRecallStream};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(queries, n); ++i)
    asked.push_back(n <= queries ? i : static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n))));
  const at::Tensor all = at::from_blob(const_cast<float*>(vectors_of(*faiss_->index)->get_xb()), {n, info_.dimension});
  const at::Tensor rows = all.index_select(0, at::tensor(asked));
  // The best k so far and each block's, block by block: the cosines with all of a million rows would not fit.
  at::Tensor best;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const at::Tensor cosine = rows.matmul(all.narrow(0, begin, std::min(kBlock, n - begin)).t());
    best = best.defined() ? at::cat({best, cosine}, 1) : cosine;
    best = std::get<0>(at::topk(best, std::min<std::int64_t>(k, best.size(1))));
  }
  const at::Tensor least = best.select(1, k - 1).contiguous();
  const auto found = search(rows, k);
  std::size_t hits = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float wanted = least.const_data_ptr<float>()[i] - kRounding;
    hits += static_cast<std::size_t>(
        std::count_if(found[i].begin(), found[i].end(), [&](const SearchHit& hit) { return hit.score >= wanted; }));
  }
  return static_cast<double>(hits) / (static_cast<double>(found.size()) * k);
}

}  // namespace emotion
