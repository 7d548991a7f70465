// Abstract paintings (Machajdik and Hanbury, ACM MM 2010): a table of vote counts by class, every text in single quotes.
//
// The label is the class with most votes; pictures where two classes share them are left out (228 of 280 stay).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "csv.h"
#include "emotion/error.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr int kMostVotes = 1000;  // a class's; about 14 people voted

int vote_count(const std::string& field, const std::string& place) {
  const std::string_view text = trimmed(field);
  int votes = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), votes);
  if (error != std::errc{} || stop != text.data() + text.size() || votes < 0 || votes > kMostVotes)
    throw DataError(fmt::format("{}: '{}' is no number of votes", place, field));
  return votes;
}

}  // namespace

void read_abstract(const fs::path& root, ImportDraft& draft) {
  draft.classes = mikels_classes();
  draft.positive = mikels_positive();
  draft.negative = mikels_negative();
  const std::string name = "ABSTRACT_groundTruth.csv";
  const fs::path folder =
      find_folder(root, {"testImages_abstract", "abstract"}, [&](const fs::path& f) { return fs::is_regular_file(f / name); });
  if (folder.empty()) throw DataError((root / name).string() + ": the table of votes is missing");
  const CsvTable table = CsvTable::read(folder / name, '\'');
  std::vector<std::string> column_class(table.header.size());  // by column; the first names the picture
  for (std::size_t c = 1; c < table.header.size(); ++c) {
    const auto cls = class_called(table.header[c], draft.classes);
    if (!cls) throw DataError(fmt::format("{}:1: column '{}' is no class", table.file.string(), table.header[c]));
    column_class[c] = *cls;
  }
  draft.image_root = folder;
  std::size_t ties = 0;
  for (const auto& row : table.rows) {
    const std::string place = fmt::format("{}:{}", table.file.string(), row.line);
    std::vector<int> votes{-1};
    Sample sample;
    sample.image = trimmed(row.fields[0]);
    for (std::size_t c = 1; c < row.fields.size(); ++c) {
      votes.push_back(vote_count(row.fields[c], place));
      sample.votes.insert(sample.votes.end(), static_cast<std::size_t>(votes[c]), column_class[c]);
    }
    const auto most = std::max_element(votes.begin(), votes.end());
    if (*most <= 0 || std::count(votes.begin(), votes.end(), *most) > 1) {
      ++ties;
      continue;
    }
    sample.labels = {column_class[static_cast<std::size_t>(most - votes.begin())]};
    draft.add(sample, {}, {}, place);
  }
  draft.note("{} rows; {} of them have no single class with most votes and are passed over", table.rows.size(), ties);
}

}  // namespace emotion
