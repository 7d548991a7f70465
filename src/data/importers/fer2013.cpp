// FER2013 (Goodfellow et al., 2013): 48x48 grey faces as numbers in a table, written as PNG files into the data set; or the
// folders in circulation. FERPlus (Barsoum et al., ICMI 2016) gives the same rows ten votes each.
#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <opencv2/imgcodecs.hpp>

#include "class_folders.h"
#include "csv.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr int kSide = 48;
using Pixels = std::array<unsigned char, static_cast<std::size_t>(kSide) * kSide>;

const std::vector<std::string>& fer_classes() {  // ids of the table; the folders in circulation are alphabetical
  static const std::vector<std::string> classes{"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"};
  return classes;
}
const std::vector<std::string>& ferplus_classes() {
  static const std::vector<std::string> classes{"neutral", "happiness", "surprise", "sadness",
                                                "anger",   "disgust",   "fear",     "contempt"};
  return classes;
}

Pixels parse_pixels(const std::string& text, const std::string& place) {
  Pixels pixels{};
  std::size_t count = 0;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (true) {
    while (at < end && *at == ' ') ++at;
    if (at == end) break;
    int value = -1;
    const auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || (stop < end && *stop != ' ') || value < 0 || value > 255)
      throw DataError(fmt::format("{}: pixel {} is not a number from 0 to 255", place, count));
    if (count < pixels.size()) pixels[count] = static_cast<unsigned char>(value);
    ++count;
    at = stop;
  }
  if (count != pixels.size()) throw DataError(fmt::format("{}: {} pixels, {} (48x48) are wanted", place, count, pixels.size()));
  return pixels;
}

void write_png(const fs::path& file, Pixels& pixels) {
  std::vector<unsigned char> bytes;
  cv::imencode(".png", cv::Mat(kSide, kSide, CV_8UC1, pixels.data()), bytes);
  std::ofstream out(file, std::ios::binary);  // no fsync each: one syncfs comes before dataset.yaml
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw RunError(file.string() + ": cannot be written; is the disk full?");
}

std::string split_of_usage(std::string_view usage, const std::string& place) {
  usage = trimmed(usage);
  if (usage == "Training") return "train";
  if (usage == "PublicTest") return "val";
  if (usage == "PrivateTest") return "test";
  throw DataError(fmt::format("{}: Usage is '{}'; Training, PublicTest or PrivateTest is wanted", place, usage));
}

/// What FERPlus says of a row: its votes, and the class with most of them, if a class has.
struct PlusRow {
  std::vector<std::string> votes;
  std::string label, reason;  // the reason why there is no label
};

std::vector<PlusRow> read_plus(const fs::path& file) {
  const CsvTable table = CsvTable::read(file);
  const std::size_t name = csv_column(table.header, "Image name", file), unknown = csv_column(table.header, "unknown", file),
                    no_face = csv_column(table.header, "NF", file);
  std::vector<std::size_t> columns;
  for (const auto& cls : ferplus_classes()) columns.push_back(csv_column(table.header, cls, file));
  std::vector<PlusRow> rows;
  for (const auto& row : table.rows) {
    const auto count = [&](std::size_t column) {
      const std::string_view text = trimmed(row.fields[column]);
      int votes = 0;
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), votes);
      if (error != std::errc{} || stop != text.data() + text.size() || votes < 0 || votes > 100)
        throw DataError(fmt::format("{}:{}: '{}' is no number of votes", file.string(), row.line, text));
      return votes;
    };
    PlusRow& plus = rows.emplace_back();
    int most = 0, second = std::max(count(unknown), count(no_face));
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const int votes = count(columns[c]);
      plus.votes.insert(plus.votes.end(), static_cast<std::size_t>(votes), ferplus_classes()[c]);
      if (votes > most) {
        second = std::max(second, most);
        most = votes;
        plus.label = ferplus_classes()[c];
      } else {
        second = std::max(second, votes);
      }
    }
    if (trimmed(row.fields[name]).empty())
      plus.reason = "FERPlus: not a face";
    else if (most <= second)
      plus.reason = "FERPlus: no class has most votes";
  }
  return rows;
}

struct TableColumns {
  std::size_t emotion, pixels;
  std::optional<std::size_t> usage;
};

TableColumns find_columns(const std::vector<std::string>& header, const fs::path& file) {
  TableColumns columns{csv_column(header, "emotion", file), csv_column(header, "pixels", file), std::nullopt};
  for (std::size_t c = 0; c < header.size(); ++c) {
    if (lower_case(trimmed(header[c])) == "usage") columns.usage = c;
  }
  return columns;
}

/// Row by row: the table has 290 MB.
void read_table(const fs::path& file, ImportDraft& draft, const std::vector<PlusRow>* plus) {
  const MappedFile map(file);
  CsvReader reader(map.text(), file);
  CsvReader::Row row;
  if (!reader.next(row)) throw DataError(file.string() + ": the file is empty");
  const std::size_t width = row.fields.size();
  const TableColumns columns = find_columns(row.fields, file);
  if (!columns.usage) draft.note("{} has no column Usage: the training part alone", file.filename().string());
  draft.make_folder("images");
  Progress progress("import: pictures", map.bytes().size());
  std::uint64_t number = 0, black = 0, read = 0;
  for (; reader.next(row); ++number) {
    if (stop_requested()) throw Interrupted("import: interrupted; nothing was written");
    const std::string place = fmt::format("{}:{}", file.string(), row.line);
    if (row.fields.size() != width)
      throw DataError(fmt::format("{}: {} fields, the header has {}", place, row.fields.size(), width));
    if (plus != nullptr && number >= plus->size())
      throw DataError(fmt::format("{}: FERPlus has {} rows only", place, plus->size()));
    const std::string_view emotion = trimmed(row.fields[columns.emotion]);
    std::size_t id = fer_classes().size();
    std::from_chars(emotion.data(), emotion.data() + emotion.size(), id);
    if (id >= fer_classes().size()) throw DataError(fmt::format("{}: emotion is '{}'; 0 to 6 is wanted", place, emotion));
    Pixels pixels = parse_pixels(row.fields[columns.pixels], place);
    read += row.fields[columns.pixels].size();
    progress.update(read);
    const std::string split = columns.usage ? split_of_usage(row.fields[*columns.usage], place) : std::string();
    const std::string image = fmt::format("images/{:05}.png", number);
    if (std::all_of(pixels.begin(), pixels.end(), [&](unsigned char p) { return p == pixels[0]; })) ++black;
    Sample sample = labelled(image, fer_classes()[id]);
    if (plus != nullptr) {
      const PlusRow& votes = (*plus)[number];
      if (!votes.reason.empty()) {
        draft.leave_out(image, votes.reason);
        continue;
      }
      sample.labels = {votes.label};
      sample.votes = votes.votes;
    }
    write_png(draft.out() / image, pixels);
    draft.add(sample, split);
  }
  if (plus != nullptr && number != plus->size())
    throw DataError(fmt::format("{}: {} rows, FERPlus has {}: they do not belong together", file.string(), number, plus->size()));
  if (black > 0) draft.note("{} pictures are of one grey all over", black);
}

fs::path find_table(const fs::path& root) {
  for (const char* name : {"fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv", "train.csv"}) {
    if (fs::is_regular_file(root / name)) return root / name;
  }
  return {};
}

}  // namespace

void read_fer2013(const fs::path& root, ImportDraft& draft) {
  draft.classes = fer_classes();
  if (const fs::path table = find_table(root); !table.empty()) {
    draft.note("table {}", table.string());
    return read_table(table, draft, nullptr);
  }
  draft.image_root = root;
  bool any = false;
  for (const auto& [folder, split] :
       {std::pair{"train", "train"}, std::pair{"val", "val"}, std::pair{"validation", "val"}, std::pair{"test", "test"}}) {
    if (has_class_folders(root / folder, draft.classes)) any = add_class_folders(draft, folder, split) || any;
  }
  if (!any) throw DataError(root.string() + ": neither fer2013.csv nor train/angry .. is there");
  draft.note("class folders; their test part holds PublicTest and PrivateTest together where there is no val");
}

void read_ferplus(const fs::path& root, ImportDraft& draft) {
  draft.classes = ferplus_classes();
  const fs::path table = find_table(root), votes = root / "fer2013new.csv";
  if (table.empty() || !fs::exists(votes)) throw DataError(root.string() + ": fer2013.csv and fer2013new.csv are wanted");
  const auto plus = read_plus(votes);
  read_table(table, draft, &plus);
}

}  // namespace emotion
