#include "draft.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <ostream>

#include <fmt/ranges.h>

#include "class_names.h"
#include "emotion/data/derived_dataset.h"
#include "emotion/data/split.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/nearest.h"
#include "emotion/progress.h"
#include "emotion/random.h"
#include "emotion/signals.h"
#include "files.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSplitStream = 0x73706c, kFoldStream = 0x666f6c;

}  // namespace

std::uint32_t Names::id(const std::string& name) {
  const auto [place, added] = ids_.emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (added) names_.push_back(name);
  return place->second;
}

ImportDraft::ImportDraft(PublishedImport request) : image_root(request.out), request_(std::move(request)) {
  if (fs::exists(request_.out / "dataset.yaml"))
    throw ConfigError(request_.out.string() + ": there is a data set already; give another --out");
  if (!request_.split.empty()) SplitRatio::parse(request_.split);
  if (request_.folds != 0 && (request_.folds < 2 || request_.folds > 100))
    throw ConfigError(fmt::format("--folds is {}; 2 to 100, or 0 for a split, is wanted", request_.folds));
  if (request_.folds != 0 && !request_.split.empty()) throw ConfigError("--folds and --split exclude each other");
  if (request_.folds != 0 && request_.stratify) throw ConfigError("--folds deals every class evenly; leave out --stratify");
}

ImportDraft::~ImportDraft() {
  std::error_code ignored;
  if (!made_.empty()) fs::remove_all(made_, ignored);
}

fs::path ImportDraft::make_folder(const std::string& name) {
  const fs::path folder = out() / name;
  if (fs::exists(folder)) throw ConfigError(folder.string() + ": there is something already; give another --out");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw RunError(folder.string() + ": cannot be made: " + error.message());
  made_ = folder;
  return folder;
}

void ImportDraft::add(const Sample& sample, const std::string& split, std::string url, const std::string& place) {
  try {
    path_below(image_root, sample.image);
  } catch (const DataError& error) {
    throw DataError(place.empty() ? error.what() : place + ": " + error.what());
  }
  std::string key = sample.image;
  if (sample.box) key.append(1, '\0').append(reinterpret_cast<const char*>(sample.box->data()), sizeof *sample.box);
  if (!seen_.insert(std::move(key)).second) {
    ++repeated_;
    return leave_out(sample.image, "stands twice; the first is taken");
  }
  Row row{sample.image, std::move(url), split, sample.face, {}, 0, 0, 0, sample.box};
  const auto append = [&](const std::vector<std::string>& words, std::uint32_t& count) {
    for (const auto& word : words) row.ids.push_back(names_.id(word));
    count = static_cast<std::uint32_t>(words.size());
  };
  append(sample.labels, row.labels);
  append(sample.keywords, row.keywords);
  append(sample.votes, row.votes);
  rows_.push_back(std::move(row));
}

/// What --without names: no class any more, and no label. Rows that had no other label go.
void ImportDraft::drop_classes() {
  if (request_.without.empty()) return;
  std::unordered_set<std::string> gone;
  for (const std::string& name : request_.without) {
    if (std::find(classes.begin(), classes.end(), name) == classes.end())
      throw ConfigError(fmt::format("--without: {} has no class '{}'{}", request_.format, name, did_you_mean(name, classes)));
    gone.insert(name);
  }
  std::size_t kept_rows = 0;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    Row& row = rows_[r];
    std::vector<std::uint32_t> ids;
    std::uint32_t labels = 0, votes = 0;
    for (std::uint32_t i = 0; i < row.ids.size(); ++i) {
      const bool label = i < row.labels, vote = i >= row.labels + row.keywords;
      if ((label || vote) && gone.contains(names_[row.ids[i]])) continue;
      ids.push_back(row.ids[i]);
      labels += label;
      votes += vote;
    }
    if (row.labels > 0 && labels == 0) continue;
    row.ids = std::move(ids);
    row.labels = labels;
    row.votes = votes;
    if (kept_rows != r) rows_[kept_rows] = std::move(row);
    ++kept_rows;
  }
  note("without {}: {} samples are left out", fmt::join(request_.without, ", "), rows_.size() - kept_rows);
  rows_.resize(kept_rows);
  for (auto* list : {&classes, &positive, &negative}) std::erase_if(*list, [&](const auto& name) { return gone.contains(name); });
  if (rows_.empty() || classes.empty()) throw ConfigError("--without leaves no sample");
}

/// Rows without a picture go to missing.txt, unless their URLs are all there is so far.
void ImportDraft::drop_missing() {
  Progress progress("import " + request_.format + ": pictures", rows_.size());
  std::vector<std::string> problems(rows_.size());
  std::unordered_map<std::string_view, std::size_t> first;
  std::size_t good = 0, with_url = 0, number = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (stop_requested()) throw Interrupted("import: interrupted; nothing was written");
    const auto [place, added] = first.emplace(rows_[i].image, i);
    problems[i] = added ? picture_problem(path_below(image_root, rows_[i].image)) : problems[place->second];
    good += problems[i].empty();
    with_url += !rows_[i].url.empty();
    progress.update(i + 1);
  }
  std::vector<std::pair<std::string, std::string>> urls;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (!problems[i].empty() && !rows_[i].url.empty()) urls.emplace_back(rows_[i].image, rows_[i].url);
  }
  std::error_code error;
  fs::create_directories(out(), error);
  if (error) throw RunError(out().string() + ": cannot be made: " + error.message());
  if (!urls.empty()) write_pairs(out() / "urls.tsv", urls);
  if (good == 0 && with_url == rows_.size() && with_url > 0) {
    note("no picture is there yet: all {} rows are kept, their URLs are in {}; fetch them before training", with_url,
         (out() / "urls.tsv").string());
  } else {
    refuse_lost_splits(problems);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!problems[i].empty()) {
        leave_out(rows_[i].image, problems[i]);
        continue;
      }
      if (number != i) rows_[number] = std::move(rows_[i]);
      ++number;
    }
    rows_.resize(number);
  }
  if (missing_.empty()) return;
  const fs::path list = out() / "missing.txt";
  write_pairs(list, missing_);
  warn("{} rows are left out, listed with the reason in {}{}", missing_.size(), list.string(),
       repeated_ > 0 ? fmt::format("; {} of them repeat a picture", repeated_) : "");
}

/// A split without any picture would not be written, and a set without its training split is of no use.
void ImportDraft::refuse_lost_splits(const std::vector<std::string>& problems) const {
  std::map<std::string, std::uint64_t> rows, good;
  std::map<std::string, std::size_t> last;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::string& split = rows_[i].split;
    ++rows[split];
    good[split] += problems[i].empty();
    if (!problems[i].empty()) last[split] = i;
  }
  const bool all = std::all_of(good.begin(), good.end(), [](const auto& count) { return count.second == 0; });
  if (!all && (!request_.split.empty() || request_.folds > 0)) return;  // the published split is set aside
  for (const auto& [split, count] : rows) {
    if (good[split] > 0) continue;
    const std::string where = all ? "" : fmt::format(" of split {}", split.empty() ? "train" : split);
    throw DataError(fmt::format("{}: none of the {} pictures{} can be used; {}: {}{}", image_root.string(),
                                all ? rows_.size() : count, where, rows_[last[split]].image, problems[last[split]],
                                all ? "" : "; --split 80/20 would split those that are there anew"));
  }
}

void ImportDraft::compare(const PublishedCounts& published) const {
  FoundCounts found{.samples = rows_.size(), .classes = {}, .splits = {}};
  for (const Row& row : rows_) {
    ++found.splits[row.split];
    if (!published.class_split.empty() && row.split != published.class_split) continue;
    for (std::uint32_t i = 0; i < row.labels; ++i) ++found.classes[names_[row.ids[i]]];
  }
  compare_counts(request_.format, found, published);
}

void write_pairs(const fs::path& file, const std::vector<std::pair<std::string, std::string>>& pairs) {
  const auto field = [](std::string text) {
    for (char& c : text) {
      if (c == '\t' || c == '\n' || c == '\r') c = ' ';
    }
    return text;
  };
  write_file_atomically(file, [&](std::ostream& out) {
    for (const auto& [first, second] : pairs) out << field(first) << '\t' << field(second) << '\n';
  });
}

std::vector<std::vector<std::size_t>> draw_split(std::size_t count, const SplitRatio& ratio, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random{seed, kSplitStream};
  random.shuffle(std::span(order));
  const double sum = std::accumulate(ratio.parts.begin(), ratio.parts.end(), 0.0);
  std::vector<std::vector<std::size_t>> splits;
  double passed = 0;
  std::size_t begin = 0;
  for (const double part : ratio.parts) {
    passed += part;
    const auto end = static_cast<std::size_t>(std::llround(passed / sum * static_cast<double>(count)));
    auto& chosen =
        splits.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin), order.begin() + static_cast<std::ptrdiff_t>(end));
    std::sort(chosen.begin(), chosen.end());
    begin = end;
  }
  return splits;
}

std::vector<std::vector<std::size_t>> draw_stratified(std::span<const std::uint32_t> class_of_sample, const SplitRatio& ratio,
                                                      std::uint64_t seed) {
  std::vector<std::uint32_t> alone(class_of_sample.size());
  std::iota(alone.begin(), alone.end(), 0U);
  const std::vector<int> part_of = stratify_groups(alone, class_of_sample, ratio.parts, seed);
  std::vector<std::vector<std::size_t>> splits(ratio.parts.size());
  for (std::size_t i = 0; i < part_of.size(); ++i) splits[static_cast<std::size_t>(part_of[i])].push_back(i);
  return splits;
}

bool ImportDraft::has_given_split() const {
  return std::any_of(rows_.begin(), rows_.end(), [](const Row& row) { return !row.split.empty(); });
}

ImportDraft::Splits ImportDraft::given_splits() const {
  if (request_.stratify) throw ConfigError("--stratify: the split is published; --split RATIO draws another");
  Splits splits;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::string name = rows_[i].split.empty() ? "train" : rows_[i].split;
    auto found = std::find_if(splits.begin(), splits.end(), [&](const auto& s) { return s.first == name; });
    if (found == splits.end()) found = splits.insert(splits.end(), {name, {}});
    found->second.push_back(i);
  }
  static const std::vector<std::string> order{"train", "val", "test"};
  std::stable_sort(splits.begin(), splits.end(), [](const auto& a, const auto& b) {
    return std::find(order.begin(), order.end(), a.first) < std::find(order.begin(), order.end(), b.first);
  });
  return splits;
}

ImportDraft::Splits ImportDraft::make_splits(const std::string& ratio_text) const {
  if (request_.folds > 0) return make_folds();
  const bool given = has_given_split();
  if (given && request_.split.empty()) return given_splits();
  if (given) note("the published split is set aside for --split {}", request_.split);
  const SplitRatio ratio = SplitRatio::parse(request_.split.empty() ? ratio_text : request_.split);
  if (request_.split.empty()) {
    note("no split is published: {} drawn by seed {}", ratio_text, request_.seed);
  } else {
    ratio.tell_shares();
  }
  std::vector<std::string> names = ratio.names();
  if (names.size() == 2) names[1] = "test";  // the papers' words
  std::vector<std::vector<std::size_t>> parts;
  if (request_.stratify) {
    std::vector<std::uint32_t> class_of;
    for (const Row& row : rows_) class_of.push_back(row.labels > 0 ? row.ids[0] : UINT32_MAX);
    parts = draw_stratified(class_of, ratio, request_.seed);
  } else {
    parts = draw_split(rows_.size(), ratio, request_.seed);
  }
  Splits splits;
  for (std::size_t part = 0; part < parts.size(); ++part) splits.emplace_back(names[part], std::move(parts[part]));
  return splits;
}

/// Each class in K random batches (Machajdik and Hanbury 2010, Sec. 5); fold k tests on the k-th of every class.
ImportDraft::Splits ImportDraft::make_folds() const {
  const auto folds = static_cast<std::size_t>(request_.folds);
  std::map<std::string, std::vector<std::size_t>> by_class;
  for (std::size_t i = 0; i < rows_.size(); ++i)
    by_class[rows_[i].labels > 0 ? names_[rows_[i].ids[0]] : std::string()].push_back(i);
  std::vector<std::size_t> fold_of(rows_.size());
  std::uint64_t number = 0;
  for (auto& [name, members] : by_class) {
    Random random{request_.seed, kFoldStream, number++};
    random.shuffle(std::span(members));
    for (std::size_t i = 0; i < members.size(); ++i) fold_of[members[i]] = i % folds;
    if (members.size() < folds) warn("class {} has {} samples, fewer than {} folds", name, members.size(), folds);
  }
  Splits splits;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    std::vector<std::size_t> train, test;
    for (std::size_t i = 0; i < rows_.size(); ++i) (fold_of[i] == fold ? test : train).push_back(i);
    splits.emplace_back(fmt::format("fold{}-train", fold), std::move(train));
    splits.emplace_back(fmt::format("fold{}-test", fold), std::move(test));
  }
  return splits;
}

void ImportDraft::warn_of_classes(const Splits& splits, bool drawn) const {
  std::vector<ClassCounts> counts;
  for (const auto& [split, rows] : splits) {
    std::unordered_map<std::uint32_t, std::uint64_t> of_id;
    for (const std::size_t i : rows) {
      for (std::uint32_t k = 0; k < rows_[i].labels; ++k) ++of_id[rows_[i].ids[k]];
    }
    ClassCounts& count = counts.emplace_back(ClassCounts{split, {}});
    for (const auto& [id, samples] : of_id) count.samples[names_[id]] = samples;
  }
  warn_of_absent_classes(counts, drawn ? "; --stratify divides each class" : "");
}

Sample ImportDraft::sample(const Row& row) const {
  Sample sample;
  sample.image = row.image;
  sample.face = row.face;
  sample.box = row.box;
  auto id = row.ids.begin();
  for (std::uint32_t i = 0; i < row.labels; ++i) sample.labels.push_back(names_[*id++]);
  for (std::uint32_t i = 0; i < row.keywords; ++i) sample.keywords.push_back(names_[*id++]);
  for (std::uint32_t i = 0; i < row.votes; ++i) sample.votes.push_back(names_[*id++]);
  return sample;
}

void ImportDraft::write(const Splits& splits) const {
  for (const auto& [split, rows] : splits) {  // before any of them is written
    if (rows.empty())
      throw DataError(fmt::format("{}: split {} would be empty; there are too few samples", request_.format, split));
  }
  Dataset dataset;
  dataset.root = out();
  dataset.name = request_.format;
  dataset.classes = classes;
  dataset.positive = positive;
  dataset.negative = negative;
  dataset.image_root = image_root_from(image_root, out());
  SplitFiles files(dataset, splits);
  std::string summary;
  for (const auto& [split, rows] : splits) {
    ManifestWriter writer(out() / (split + ".jsonl"));
    for (const std::size_t i : rows) writer.write(sample(rows_[i]));
    writer.close();
    dataset.splits.emplace_back(split, split + ".jsonl");
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", split, rows.size());
  }
  if (!made_.empty()) sync_disk(out());  // pictures that the importer wrote
  dataset.save();                        // last: a folder without dataset.yaml is no data set
  files.keep();
  log_info("{}: {} classes; {}", out().string(), classes.size(), summary);
}

void ImportDraft::finish(const std::string& ratio, const PublishedCounts& published) {
  if (rows_.empty()) {
    throw DataError(fmt::format("{}: no sample found; is it the folder that emotion_data import --help describes for {}?",
                                request_.root.string(), request_.format));
  }
  drop_classes();
  drop_missing();
  compare(published);
  const Splits splits = make_splits(ratio);
  write(splits);
  // Folds tell of small classes themselves.
  if (request_.folds == 0) warn_of_classes(splits, !request_.stratify && (!has_given_split() || !request_.split.empty()));
  made_.clear();
}

Sample labelled(std::string image, std::string label) {
  Sample sample;
  sample.image = std::move(image);
  sample.labels.push_back(std::move(label));
  return sample;
}

}  // namespace emotion
