// StockEmotion (Wei et al., CVPR 2020): pickles of [path, emotion ids, tag ids] for each split, with the names of the ids.
//
// An item is [path, [emotion id ..]], [path, [emotion id ..], [tag id ..]], [path, emotion id] or [path, [[emotion id, count]
// ..]]. Emotion words become labels (counts become votes too), raw tags keywords. A list of preview URLs may lie beside them.
#include <algorithm>
#include <optional>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/plain_pickle.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Value = PlainPickle::Value;

constexpr std::size_t kLookedFor = 200;  // items of a split, before a folder counts as not theirs

/// A pickle and the file it shows.
struct PickleFile {
  explicit PickleFile(const fs::path& file) : map(file), pickle(map.text(), file.string()) {}
  MappedFile map;
  PickleFile(const PickleFile&) = delete;
  PickleFile& operator=(const PickleFile&) = delete;
  PlainPickle pickle;
};

bool is_pickle(const std::string& name) {
  return name.ends_with(".pkl") || name.ends_with(".pkl.keep") || name.ends_with(".pickle");
}

/// Names by id, of {idx2key: {id: name}} or {key2idx: {name: id}}; the keys are called differently from file to file.
std::vector<std::string> read_names(const fs::path& file, std::size_t most) {
  const PickleFile pickle(file);
  const Value root = pickle.pickle.root();
  std::vector<std::string> names;
  const auto set = [&](const Value& id, const Value& name) {
    if (!id.is_int() || !name.is_text() || id.integer() < 0 || static_cast<std::size_t>(id.integer()) >= most)
      throw DataError(fmt::format("{}: an id from 0 to {} and its name are wanted", file.string(), most - 1));
    const auto place = static_cast<std::size_t>(id.integer());
    if (place >= names.size()) names.resize(place + 1);
    names[place] = name.text();
  };
  for (const char* key : {"idx2key", "idx2tag"}) {
    const auto table = root.find(key);
    for (std::size_t i = 0; table && i < table->size(); ++i) set(table->key(i), (*table)[i]);
    if (!names.empty()) break;
  }
  for (const char* key : {"key2idx", "tag2idx"}) {
    if (!names.empty()) break;
    const auto table = root.find(key);
    for (std::size_t i = 0; table && i < table->size(); ++i) set((*table)[i], table->key(i));
  }
  if (names.empty()) throw DataError(file.string() + ": neither idx2key nor idx2tag nor key2idx nor tag2idx is in it");
  const auto gap = std::find(names.begin(), names.end(), "");
  if (gap != names.end()) throw DataError(fmt::format("{}: id {} has no name", file.string(), gap - names.begin()));
  return names;
}

/// Where things lie below ROOT; names as released, folders differ.
struct Files {
  fs::path emotions, tags, urls;
  std::vector<std::pair<std::string, fs::path>> splits;
};

Files find_files(const fs::path& root, const ImportDraft& draft) {
  Files files;
  std::vector<std::string> several[3];
  const char* const splits[3] = {"train", "val", "test"};
  for (const auto& file : files_of(root, "", true)) {
    const std::string name = fs::path(file).filename().string();
    if (!is_pickle(name)) continue;
    if (name.starts_with("etag2idx")) files.emotions = root / file;
    if (name.starts_with("tag2idx")) files.tags = root / file;
    if (name.starts_with("dataset_image_urls")) files.urls = root / file;
    for (std::size_t s = 0; s < 3; ++s) {
      if (name.find(fmt::format("_{}.", splits[s])) != std::string::npos) several[s].push_back(file);
    }
  }
  for (std::size_t s = 0; s < 3; ++s) {
    if (several[s].size() > 1) {
      throw DataError(fmt::format("{}: {} pickles of split {}: {}; give the folder of one version as --root", root.string(),
                                  several[s].size(), splits[s], fmt::join(several[s], ", ")));
    }
    if (!several[s].empty()) {
      files.splits.emplace_back(splits[s], root / several[s][0]);
      draft.note("split {}: {}", splits[s], several[s][0]);
    }
  }
  if (files.emotions.empty()) throw DataError(root.string() + ": etag2idx.pkl.keep (idx2name/ of the release) is missing");
  if (files.splits.empty()) {
    throw DataError(root.string() + ": no split is there; pickles called .._train.pkl, .._val.pkl, .._test.pkl are wanted");
  }
  return files;
}

class ItemReader {
 public:
  ItemReader(std::vector<std::string> emotions, std::vector<std::string> tags)
      : emotions_(std::move(emotions)), tags_(std::move(tags)) {}

  Sample read(const Value& item, const std::string& place) const {
    if (!item.is_list() || item.size() < 2 || !item[0].is_text()) throw DataError(place + ": [path, emotion ids, ..] is wanted");
    Sample sample;
    sample.image = item[0].text();
    const Value labels = item[1];
    if (labels.is_int()) sample.labels.push_back(name(emotions_, labels, "emotion", place));
    for (std::size_t i = 0; labels.is_list() && i < labels.size(); ++i) {
      const Value label = labels[i];
      if (!label.is_list()) {
        add_distinct(sample.labels, name(emotions_, label, "emotion", place));
        continue;
      }
      if (label.size() != 2 || !label[1].is_int() || label[1].integer() < 1 || label[1].integer() > 1000)
        throw DataError(place + ": [emotion id, count] is wanted");
      add_distinct(sample.labels, name(emotions_, label[0], "emotion", place));
      sample.votes.insert(sample.votes.end(), static_cast<std::size_t>(label[1].integer()), sample.labels.back());
    }
    if (sample.labels.empty()) throw DataError(place + ": it has no emotion");
    for (std::size_t i = 0; item.size() > 2 && item[2].is_list() && i < item[2].size(); ++i) {
      if (tags_.empty()) throw DataError(place + ": it has tag ids, but tag2idx.pkl.keep (idx2name/ of the release) is missing");
      sample.keywords.push_back(name(tags_, item[2][i], "tag", place));
    }
    return sample;
  }

 private:
  static void add_distinct(std::vector<std::string>& list, std::string word) {
    if (std::find(list.begin(), list.end(), word) == list.end()) list.push_back(std::move(word));
  }
  static const std::string& name(const std::vector<std::string>& names, const Value& id, const char* what,
                                 const std::string& place) {
    if (!id.is_int() || id.integer() < 0 || static_cast<std::size_t>(id.integer()) >= names.size())
      throw DataError(fmt::format("{}: {} id {} is none of the {}", place, what, id.integer(), names.size()));
    return names[static_cast<std::size_t>(id.integer())];
  }

  std::vector<std::string> emotions_, tags_;
};

/// path -> URL; both are views into the pickle's file.
std::unordered_map<std::string_view, std::string_view> read_urls(const PickleFile& file, const fs::path& path) {
  std::unordered_map<std::string_view, std::string_view> urls;
  const Value list = file.pickle.root();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_list() || list[i].size() != 2 || !list[i][0].is_text() || !list[i][1].is_text())
      throw DataError(fmt::format("{}: item {}: [path, URL] is wanted", path.string(), i));
    urls.emplace(list[i][0].text(), list[i][1].text());
  }
  return urls;
}

/// Pictures lie below ROOT or in one of its folders, whose name is free: the one that has most of the first items. Empty if none
/// has any.
fs::path find_pictures(const fs::path& root, const Value& list) {
  std::vector<std::string> images;
  for (std::size_t i = 0; i < std::min(list.size(), kLookedFor); ++i) {
    if (list[i].is_list() && list[i].size() > 0 && list[i][0].is_text()) images.emplace_back(list[i][0].text());
  }
  const auto held = [&](const fs::path& folder) {
    std::error_code ignored;
    return std::count_if(images.begin(), images.end(),
                         [&](const auto& image) { return fs::is_regular_file(folder / image, ignored); });
  };
  fs::path best;
  std::ptrdiff_t most = 0;
  std::vector<std::string> names = folders_of(root);
  names.insert(names.begin(), "");
  for (const auto& name : names) {
    const std::ptrdiff_t count = held(root / name);
    if (count > most) {
      most = count;
      best = name.empty() ? root : root / name;
    }
  }
  return best;
}

}  // namespace

void read_stockemotion(const fs::path& root, ImportDraft& draft) {
  const Files files = find_files(root, draft);
  draft.classes = read_names(files.emotions, 10'000);
  if (draft.classes.size() != 690) draft.warn("{} emotions; published: 690", draft.classes.size());
  const ItemReader items(draft.classes, files.tags.empty() ? std::vector<std::string>() : read_names(files.tags, 1'000'000));
  std::optional<PickleFile> url_file;
  std::unordered_map<std::string_view, std::string_view> urls;
  if (!files.urls.empty()) {
    url_file.emplace(files.urls);
    urls = read_urls(*url_file, files.urls);
    draft.note("{} URLs in {}", urls.size(), files.urls.filename().string());
  }
  // Where pictures will be put, if none is there yet.
  const fs::path wanted = find_folder(root, {"images", "imgs", "dataset_image"}, [&](const fs::path& f) { return f != root; });
  draft.image_root = wanted.empty() ? (urls.empty() ? root : draft.out()) : wanted;
  fs::path images;
  for (const auto& [split, file] : files.splits) {
    const PickleFile pickle(file);
    const Value list = pickle.pickle.root();
    if (!list.is_list()) throw DataError(file.string() + ": a list is wanted");
    if (images.empty()) {
      images = find_pictures(root, list);
      if (!images.empty()) draft.image_root = images;
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("{}: item {}", file.string(), i);
      const Sample sample = items.read(list[i], place);
      const auto url = urls.find(sample.image);
      draft.add(sample, split, url == urls.end() ? std::string() : std::string(url->second), place);
    }
  }
}

}  // namespace emotion
