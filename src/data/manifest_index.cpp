#include "manifest_index.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>
#include <simdjson.h>

#include "emotion/data/box_key.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "emotion/nearest.h"
#include "image_path.h"

namespace emotion {
namespace {

using Element = simdjson::dom::element;

/// A problem of one line, told to the caller of build_index with the line's number.
struct LineProblem {
  std::string text;
};

struct StringHash : std::hash<std::string_view> {
  using is_transparent = void;
};
template <class Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

class IndexBuilder {
 public:
  explicit IndexBuilder(const Dataset& dataset) : dataset_(dataset) {
    for (std::uint32_t id = 0; id < dataset.classes.size(); ++id) class_ids_.emplace(dataset.classes[id], id);
  }

  void add_line(std::uint64_t line, std::string_view text) {
    simdjson::dom::object object;
    if (parser_.parse(text.data(), text.size(), true).get(object)) throw LineProblem{"not a JSON object"};
    IndexSample sample{};
    sample.line = line;
    sample.paths = paths_.size();
    sample.ids = ids_.size();
    image_ = {};
    std::string_view face, regions, source;
    const std::size_t ids_before = ids_.size();
    try {
      std::optional<Element> labels, keywords, votes, box;
      for (const auto [key, value] : object) {
        if (key == "image")
          image_ = path(value, "image");
        else if (key == "face")
          face = path(value, "face");
        else if (key == "regions")
          regions = path(value, "regions");
        else if (key == "source")
          source = path(value, "source");
        else if (key == "labels")
          labels = value;
        else if (key == "keywords")
          keywords = value;
        else if (key == "votes")
          votes = value;
        else if (key == "box")
          box = value;
        else
          unknown_key(key);
      }
      if (image_.empty()) throw LineProblem{"\"image\" is missing"};
      if (labels) sample.labels = add_classes(*labels, "labels", true);
      if (keywords) sample.keywords = add_keywords(*keywords);
      if (votes) sample.votes = add_classes(*votes, "votes", false);
      if (box) read_box(*box, sample);
      check_duplicate(sample);
    } catch (const LineProblem&) {
      ids_.resize(ids_before);
      throw;
    }
    sample.image_size = static_cast<std::uint32_t>(image_.size());
    sample.face_size = static_cast<std::uint32_t>(face.size());
    sample.regions_size = static_cast<std::uint32_t>(regions.size());
    sample.source_size = static_cast<std::uint32_t>(source.size());
    paths_.append(image_).append(face).append(regions).append(source);
    samples_.push_back(sample);
  }

  std::string bytes() {
    paths_.resize((paths_.size() + 7) / 8 * 8);
    if (ids_.size() % 2) ids_.push_back(0);
    IndexHeader header{};
    header.magic = kIndexMagic;
    header.samples = samples_.size();
    header.ids = ids_.size();
    header.words = word_ends_.size();
    header.word_bytes = (words_.size() + 7) / 8 * 8;
    header.path_bytes = paths_.size();
    words_.resize(header.word_bytes);
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    const auto append = [&](const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); };
    append(samples_.data(), samples_.size() * sizeof(IndexSample));
    append(ids_.data(), ids_.size() * sizeof(std::uint32_t));
    append(word_ends_.data(), word_ends_.size() * sizeof(std::uint64_t));
    append(words_.data(), words_.size());
    append(paths_.data(), paths_.size());
    return bytes;
  }

 private:
  [[noreturn]] static void unknown_key(std::string_view key) {
    static const std::vector<std::string> known{"image", "labels", "keywords", "votes", "box", "face", "regions", "source"};
    throw LineProblem{fmt::format("unknown key \"{}\"{}", key, did_you_mean(key, known))};
  }

  static std::string_view path(const Element& value, const char* what) {
    std::string_view text;
    if (value.get(text)) throw LineProblem{fmt::format("\"{}\" is not text", what)};
    try {
      path_below(".", text);
    } catch (const DataError& error) {
      throw LineProblem{fmt::format("\"{}\": {}", what, error.what())};
    }
    return text;
  }

  std::uint32_t class_id(const Element& value, const char* what) const {
    std::uint64_t number = 0;
    if (!value.get(number)) {
      if (number >= dataset_.classes.size()) {
        throw LineProblem{
            fmt::format("\"{}\": class id {} is out of range; there are {} classes", what, number, dataset_.classes.size())};
      }
      return static_cast<std::uint32_t>(number);
    }
    std::string_view name;
    if (value.get(name)) throw LineProblem{fmt::format("\"{}\": a class is a name or an id from 0", what)};
    const auto found = class_ids_.find(name);
    if (found == class_ids_.end())
      throw LineProblem{fmt::format("\"{}\": unknown class '{}'{}", what, name, did_you_mean(name, dataset_.classes))};
    return found->second;
  }

  std::uint32_t add_classes(const Element& value, const char* what, bool distinct) {
    simdjson::dom::array list;
    if (value.get(list)) throw LineProblem{fmt::format("\"{}\" is not a list", what)};
    const std::size_t begin = ids_.size();
    for (const Element item : list) {
      const std::uint32_t id = class_id(item, what);
      if (distinct && std::find(ids_.begin() + static_cast<std::ptrdiff_t>(begin), ids_.end(), id) != ids_.end()) {
        throw LineProblem{fmt::format("\"{}\": class {} stands twice", what, dataset_.classes[id])};
      }
      ids_.push_back(id);
    }
    return static_cast<std::uint32_t>(ids_.size() - begin);
  }

  std::uint32_t add_keywords(const Element& value) {
    simdjson::dom::array list;
    if (value.get(list)) throw LineProblem{"\"keywords\" is not a list"};
    const std::size_t begin = ids_.size();
    for (const Element item : list) {
      std::string_view word;
      if (item.get(word) || word.empty()) throw LineProblem{"\"keywords\": a keyword is not text, or empty"};
      auto found = word_ids_.find(word);
      if (found == word_ids_.end()) {
        found = word_ids_.emplace(word, static_cast<std::uint32_t>(word_ends_.size())).first;
        words_.append(word);
        word_ends_.push_back(words_.size());
      }
      ids_.push_back(found->second);
    }
    return static_cast<std::uint32_t>(ids_.size() - begin);
  }

  static void read_box(const Element& value, IndexSample& sample) {
    simdjson::dom::array list;
    std::size_t i = 0;
    if (value.get(list) || list.size() != 4) throw LineProblem{"\"box\": [x, y, width, height] is wanted"};
    for (const Element item : list) {
      double number = 0;
      if (item.get(number) || !std::isfinite(number)) throw LineProblem{"\"box\": [x, y, width, height] is wanted"};
      sample.box[i++] = static_cast<float>(number);
    }
    if (sample.box[2] <= 0 || sample.box[3] <= 0) throw LineProblem{"\"box\": width and height must be above 0"};
    sample.has_box = 1;
  }

  void check_duplicate(const IndexSample& sample) {
    std::string key = plain_path(image_);
    if (sample.has_box) append_box(key, sample.box);
    const auto [first, added] = seen_.emplace(std::move(key), sample.line);
    if (!added) throw LineProblem{fmt::format("image {} stands twice; the first is in line {}", image_, first->second)};
  }

  const Dataset& dataset_;
  simdjson::dom::parser parser_;
  StringMap<std::uint32_t> class_ids_, word_ids_;
  StringMap<std::uint64_t> seen_;
  std::string_view image_;
  std::vector<IndexSample> samples_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint64_t> word_ends_;
  std::string words_, paths_;
};

}  // namespace

std::string build_index(const Dataset& dataset, std::string_view jsonl,
                        const std::function<void(std::uint64_t, const std::string&)>& problem) {
  IndexBuilder builder(dataset);
  jsonl = without_byte_order_mark(jsonl);
  for (const auto [text, line] : Lines(jsonl)) {
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      builder.add_line(line, text);
    } catch (const LineProblem& found) {
      problem(line, found.text);
    }
  }
  return builder.bytes();
}

}  // namespace emotion
