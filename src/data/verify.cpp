#include "emotion/data/verify.h"

#include <algorithm>
#include <ostream>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/annotations.h"
#include "emotion/data/decode.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/data/transform.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/threads.h"
#include "manifest_index.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

/// What one sample's files say.
struct Found {
  std::vector<std::string> problems;
  std::int64_t width = -1;  // of its regions' features; -1: none were read
};

Found look(const Manifest& manifest, const Dataset& dataset, std::size_t i, const ReadRegions& read_regions) {
  Found found;
  const auto attempt = [&](const char* what, const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      // Else it is the process's trouble or the machine's: the sample may be whole.
      if (error.code() != ExitCode::kData) throw;
      found.problems.push_back(fmt::format("{}: {}{}", manifest.place(i), what, error.what()));
    }
  };
  const SampleView sample = manifest[i];
  attempt("", [&] {
    const fs::path file = path_below(dataset.images(), sample.image);
    const Image picture = decode_image(file);
    if (sample.box && !box_within(*sample.box, picture.width, picture.height)) {
      throw DataError(fmt::format("{}: its box {:g} lies outside the picture, which has {} x {} pixels", file.string(),
                                  fmt::join(*sample.box, " "), picture.width, picture.height));
    }
  });
  if (!sample.face.empty()) attempt("face: ", [&] { decode_image(stimulus_path(dataset, sample.face)); });
  if (!sample.regions.empty() && read_regions)
    attempt("regions: ", [&] { found.width = read_regions(stimulus_path(dataset, sample.regions)); });
  return found;
}

struct SampleProblem {
  std::size_t sample;
  std::string text;
};

/// In manifest order.
std::vector<SampleProblem> all_file_problems(const Manifest& manifest, const Dataset& dataset, int workers,
                                             const ReadRegions& read_regions) {
  std::vector<Found> all(manifest.size());
  const bool whole = for_each_in_threads("verify " + manifest.split(), all.size(), workers,
                                         [&](std::size_t i) { all[i] = look(manifest, dataset, i, read_regions); });
  if (!whole) throw Interrupted("verify: interrupted");
  std::vector<SampleProblem> problems;
  std::int64_t width = -1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::string& text : all[i].problems) problems.push_back({i, std::move(text)});
    if (width < 0) width = all[i].width;
    if (all[i].width >= 0 && all[i].width != width) {
      problems.push_back(
          {i,
           fmt::format("{}: regions: {}: features are {} wide, those before {}; the regions of a data set come from one detector",
                       manifest.place(i), manifest[i].regions, all[i].width, width)});
    }
  }
  return problems;
}

/// The split without its broken lines, which are blank, in a scratch folder that stands for the data set's.
Manifest without_lines(const Dataset& dataset, const std::string& split, const std::set<std::uint64_t>& broken,
                       const fs::path& scratch) {
  Dataset usable = dataset;
  usable.root = scratch;
  const fs::path copy = usable.split_file(split);
  fs::create_directories(copy.parent_path());
  const MappedFile jsonl(dataset.split_file(split));
  write_file_atomically(copy, [&](std::ostream& out) {
    std::uint64_t line = 0;
    for (std::size_t begin = 0; begin < jsonl.text().size();) {
      const std::size_t end = std::min(jsonl.text().find('\n', begin), jsonl.text().size());
      if (!broken.contains(++line)) out << jsonl.text().substr(begin, end - begin);
      out << '\n';
      begin = end + 1;
    }
  });
  const fs::path annotations = Annotations::file_of(dataset, split), link = Annotations::file_of(usable, split);
  if (fs::exists(annotations)) {
    fs::create_directories(link.parent_path());
    fs::create_symlink(fs::absolute(annotations), link);
  }
  return Manifest::open(usable, split);
}

/// What the lines of a manifest name, in `dataset`.
std::vector<std::string> check_usable(const Manifest& manifest, const Dataset& dataset, int workers,
                                      const ReadRegions& read_regions, const UseSplit& use) {
  std::vector<std::string> problems;
  std::vector<std::size_t> whole;
  std::size_t next = 0;
  const auto all_before = [&](std::size_t end) {
    for (; next < end; ++next) whole.push_back(next);
  };
  for (SampleProblem& problem : all_file_problems(manifest, dataset, workers, read_regions)) {
    all_before(problem.sample);
    next = problem.sample + 1;
    problems.push_back(std::move(problem.text));
  }
  all_before(manifest.size());
  try {
    use(manifest, whole);
    if (fs::exists(Annotations::file_of(manifest.dataset(), manifest.split()))) Annotations::read(manifest);
  } catch (const DataError& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

}  // namespace

std::vector<std::string> file_problems(const Manifest& manifest, int workers, const ReadRegions& read_regions) {
  std::vector<std::string> texts;
  for (SampleProblem& problem : all_file_problems(manifest, manifest.dataset(), workers, read_regions))
    texts.push_back(std::move(problem.text));
  return texts;
}

std::vector<std::string> split_problems(const Dataset& dataset, const std::string& split, int workers,
                                        const ReadRegions& read_regions, const UseSplit& use) {
  std::vector<std::string> problems;
  try {
    const std::string file = dataset.split_file(split).string();
    std::set<std::uint64_t> broken;
    std::string index;
    {
      const MappedFile jsonl(file);
      index = build_index(dataset, jsonl.text(), [&](std::uint64_t line, const std::string& text) {
        broken.insert(line);
        problems.push_back(fmt::format("{}:{}: {}", file, line, text));
      });
    }
    std::vector<std::string> others;
    if (broken.empty()) {
      others = check_usable(Manifest::open(dataset, split), dataset, workers, read_regions, use);
    } else if (reinterpret_cast<const IndexHeader*>(index.data())->samples > 0) {
      const ScratchFolder scratch;
      others = check_usable(without_lines(dataset, split, broken, scratch.path()), dataset, workers, read_regions, use);
      for (std::string& problem : others) replace_all(problem, scratch.path().string(), dataset.root.string());
    }
    problems.insert(problems.end(), others.begin(), others.end());
  } catch (const DataError& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

}  // namespace emotion
