// WEBEmo (Panda et al., ECCV 2018): lists of URL and class id, pictures as images/LIST/ID/FILE where they were downloaded.
#include <array>
#include <charconv>
#include <unordered_set>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

struct Category {
  const char* name;
  char sign;
};
/// By class id, spelt as published.
constexpr std::array<Category, 25> kCategories{
    {{"affection", '+'}, {"cheerfullness", '+'}, {"confusion", '-'}, {"contentment", '+'},  {"disappointment", '-'},
     {"disgust", '-'},   {"enthrallment", '+'},  {"envy", '-'},      {"exasperation", '-'}, {"gratitude", '+'},
     {"horror", '-'},    {"irritabilty", '-'},   {"lust", '+'},      {"neglect", '-'},      {"nervousness", '-'},
     {"optimism", '+'},  {"pride", '+'},         {"rage", '-'},      {"relief", '+'},       {"sadness", '-'},
     {"shame", '-'},     {"suffering", '-'},     {"surprise", '+'},  {"sympathy", '-'},     {"zest", '+'}}};

/// category.txt, a Python literal [('affection','love','+'), ..]: its first texts must be the names above.
void check_categories(const fs::path& file) {
  std::vector<std::string> texts;
  for (const auto& line : read_lines(file)) {
    if (line.text.starts_with("#")) continue;
    for (std::size_t at = line.text.find('\''); at != std::string::npos; at = line.text.find('\'', at + 1)) {
      const std::size_t end = std::min(line.text.find('\'', at + 1), line.text.size());
      texts.push_back(line.text.substr(at + 1, end - at - 1));
      at = end;
    }
  }
  if (texts.size() != 3 * kCategories.size())
    throw DataError(fmt::format("{}: {} names; 25 of ('class','group','sign') are wanted", file.string(), texts.size()));
  for (std::size_t i = 0; i < kCategories.size(); ++i) {
    if (texts[3 * i] != kCategories[i].name || texts[3 * i + 2] != std::string(1, kCategories[i].sign))
      throw DataError(fmt::format("{}: class {} is ('{}', '{}'), published is ('{}', '{}')", file.string(), i, texts[3 * i],
                                  texts[3 * i + 2], kCategories[i].name, kCategories[i].sign));
  }
}

void read_list(const fs::path& file, const std::string& split, ImportDraft& draft) {
  std::unordered_set<std::string> names;
  for (const auto& line : read_lines(file)) {
    const std::string place = fmt::format("{}:{}", file.string(), line.number);
    const std::size_t blank = line.text.find_last_of(" \t");
    std::size_t id = kCategories.size();
    if (blank != std::string::npos) std::from_chars(line.text.data() + blank + 1, line.text.data() + line.text.size(), id);
    if (id >= kCategories.size()) throw DataError(fmt::format("{}: '{}' is not URL and class id 0 to 24", place, line.text));
    const std::string url(trimmed(std::string_view(line.text).substr(0, blank)));
    fs::path image = fs::path("images") / file.stem() / std::to_string(id) / file_name_of_url(url);
    if (!names.insert(image.string()).second) {
      draft.leave_out(image.generic_string(), fmt::format("{}: another URL of the class ends in the same name", place));
      continue;
    }
    draft.add(labelled(image.generic_string(), kCategories[id].name), split, url, place);
  }
}

}  // namespace

void read_webemo(const fs::path& root, ImportDraft& draft) {
  for (const auto& category : kCategories) {
    draft.classes.emplace_back(category.name);
    (category.sign == '+' ? draft.positive : draft.negative).emplace_back(category.name);
  }
  if (fs::exists(root / "category.txt")) check_categories(root / "category.txt");
  if (fs::is_directory(root / "images")) draft.image_root = root;
  for (const auto& [name, split] : {std::pair{"train25.txt", "train"}, std::pair{"test25.txt", "test"}}) {
    if (!fs::exists(root / name)) throw DataError((root / name).string() + ": the list is missing");
    read_list(root / name, split, draft);
  }
}

}  // namespace emotion
