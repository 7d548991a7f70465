// FI (You, Luo, Jin and Yang, AAAI 2016), as class folders or as the agreement lists of its authors.
//
// A list has no header and four columns: emotion, URL, workers who disagree, workers who agree (5 in all). Images with at least
// three who agree make the data set; the other rows are the rejected ones.
#include <charconv>
#include <unordered_set>

#include <fmt/format.h>

#include "class_folders.h"
#include "csv.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/random.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr int kAgree = 3;

std::uint64_t text_hash(std::string_view text) {
  std::uint64_t hash = text.size();
  for (const char c : text) hash = mix_bits(hash ^ static_cast<unsigned char>(c));
  return hash;
}

int votes_of(const std::string& field, const std::string& place) {
  const std::string_view text = trimmed(field);
  int votes = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), votes);
  if (error != std::errc{} || stop != text.data() + text.size() || votes < 0 || votes > 1000)
    throw DataError(fmt::format("{}: '{}' is no number of workers", place, field));
  return votes;
}

struct ListCounts {
  std::uint64_t rows = 0, rejected = 0, repeated = 0;
};

void read_list(const fs::path& file, ImportDraft& draft, std::unordered_set<std::string>& urls,
               std::unordered_set<std::string>& names, ListCounts& counts) {
  const MappedFile map(file);
  CsvReader reader(map.text(), file);
  CsvReader::Row row;
  while (reader.next(row)) {
    const std::string place = fmt::format("{}:{}", file.string(), row.line);
    if (row.fields.size() != 4)
      throw DataError(fmt::format("{}: {} fields; emotion,url,disagree,agree are wanted", place, row.fields.size()));
    const auto cls = class_called(row.fields[0], draft.classes);
    if (!cls) throw DataError(fmt::format("{}: unknown emotion '{}'", place, row.fields[0]));
    const std::string url(trimmed(row.fields[1]));
    if (!url.starts_with("http://") && !url.starts_with("https://"))
      throw DataError(fmt::format("{}: '{}' is no URL", place, url));
    votes_of(row.fields[2], place);
    ++counts.rows;
    if (votes_of(row.fields[3], place) < kAgree) {
      ++counts.rejected;
      continue;
    }
    if (!urls.insert(*cls + "\n" + url).second) {
      ++counts.repeated;
      continue;
    }
    fs::path image = fs::path("images") / *cls / file_name_of_url(url);
    // Different URLs may end in the same name.
    if (!names.insert(image.string()).second)
      image.replace_filename(fmt::format("{}_{:016x}{}", image.stem().string(), text_hash(url), image.extension().string()));
    draft.add(labelled(image.generic_string(), *cls), {}, url, place);
  }
}

}  // namespace

void read_fi(const fs::path& root, ImportDraft& draft) {
  draft.classes = mikels_classes();
  draft.positive = mikels_positive();
  draft.negative = mikels_negative();
  const fs::path folders = find_folder(root, {"emotion_dataset", "FI", "images"},
                                       [&](const fs::path& folder) { return has_class_folders(folder, draft.classes); });
  if (!folders.empty()) {
    draft.note("class folders in {}", folders.string());
    draft.image_root = folders;
    add_class_folders(draft, "");
    draft.note(
        "some files of circulating archives are placeholders of removed photographs; emotion_data verify finds broken ones");
    return;
  }
  std::vector<fs::path> lists;
  const fs::path folder = find_folder(root, {"agg"}, [&](const fs::path& f) {
    for (const auto& file : files_of(f, "")) {
      if (file.ends_with(".csv") && class_called(file.substr(0, file.find('_')), draft.classes)) return true;
    }
    return false;
  });
  if (folder.empty()) {
    throw DataError(root.string() +
                    ": neither class folders (amusement, anger ..) nor agreement lists (agg/amusement_*.csv) are there");
  }
  ListCounts counts;
  std::unordered_set<std::string> urls, names;
  std::size_t files = 0;
  for (const auto& file : files_of(folder, "")) {
    if (!file.ends_with(".csv")) continue;
    read_list(folder / file, draft, urls, names, counts);
    ++files;
  }
  draft.note("{} agreement lists, {} rows: {} with fewer than {} workers who agree and {} repeated ones are passed over", files,
             counts.rows, counts.rejected, kAgree, counts.repeated);
}

}  // namespace emotion
