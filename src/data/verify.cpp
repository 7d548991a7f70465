#include "emotion/data/verify.h"

#include <algorithm>
#include <array>
#include <optional>
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
  SeenRegions regions;
  std::optional<std::array<int, 2>> face;  // its width and height
};

/// annotations: null where the split has none
Found look(const Manifest& manifest, const Dataset& dataset, std::size_t i, const ReadRegions& read_regions,
           const Annotations* annotations) {
  Found found;
  const auto attempt = [&](const std::string& place, const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      // Else it is the process's trouble or the machine's: the sample may be whole.
      if (error.code() != ExitCode::kData) throw;
      found.problems.push_back(place + error.what());
    }
  };
  const SampleView sample = manifest[i];
  const std::string place = manifest.place(i) + ": ";
  int width = 0, height = 0;
  attempt(place, [&] {
    const fs::path file = path_below(dataset.images(), sample.image);
    const Image picture = decode_image(file);
    width = picture.width;
    height = picture.height;
    if (sample.box && !box_within(*sample.box, picture.width, picture.height)) {
      throw DataError(fmt::format("{}: its box {:g} lies outside the picture, which has {} x {} pixels", file.string(),
                                  fmt::join(*sample.box, " "), picture.width, picture.height));
    }
  });
  if (annotations && width > 0) attempt("", [&] { annotations->check_size(manifest, i, width, height); });
  if (!sample.face.empty()) {
    attempt(place + "face: ", [&] {
      const Image face = decode_image(stimulus_path(dataset, sample.face));
      found.face = {face.width, face.height};
    });
  }
  if (!sample.regions.empty() && read_regions) {
    attempt(place + "regions: ", [&] { found.regions = read_regions(stimulus_path(dataset, sample.regions), width, height); });
  }
  return found;
}

struct SampleProblem {
  std::size_t sample;
  std::string text;
};

/// True for one that says otherwise than the first which says anything.
template <class Value>
bool differs(std::optional<Value>& first, const std::optional<Value>& now) {
  if (!first) first = now;
  return now && now != first;
}

/// In manifest order.
std::vector<SampleProblem> all_file_problems(const Manifest& manifest, const Dataset& dataset, int workers,
                                             const ReadRegions& read_regions, const Annotations* annotations) {
  std::vector<Found> all(manifest.size());
  const bool whole = for_each_in_threads("verify " + manifest.split(), all.size(), workers,
                                         [&](std::size_t i) { all[i] = look(manifest, dataset, i, read_regions, annotations); });
  if (!whole) throw Interrupted("verify: interrupted");
  std::vector<SampleProblem> problems;
  Found first;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto add = [&](std::string text) { problems.push_back({i, std::move(text)}); };
    for (std::string& text : all[i].problems) add(std::move(text));
    const SeenRegions& regions = all[i].regions;
    if (differs(first.regions.width, regions.width)) {
      add(fmt::format("{}: regions: {}: features are {} wide, those before {}; the regions of a data set come from one detector",
                      manifest.place(i), manifest[i].regions, *regions.width, *first.regions.width));
    }
    if (differs(first.regions.source, regions.source)) {
      add(
          fmt::format("{}: regions: {}: other weights or settings found them ({}) than those before ({}); the regions of a data "
                      "set come from one detector",
                      manifest.place(i), manifest[i].regions, *regions.source, *first.regions.source));
    }
    if (differs(first.face, all[i].face)) {
      add(fmt::format("{}: face: {}: {} pixels, those before have {}; find the faces of a data set with one size",
                      manifest.place(i), manifest[i].face, fmt::join(*all[i].face, " x "), fmt::join(*first.face, " x ")));
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
  std::optional<Annotations> annotations;
  std::string broken;  // why they cannot be read
  try {
    if (fs::exists(Annotations::file_of(manifest.dataset(), manifest.split()))) annotations = Annotations::read(manifest);
  } catch (const DataError& error) {
    broken = error.what();
  }
  std::vector<std::size_t> whole;
  std::size_t next = 0;
  const auto all_before = [&](std::size_t end) {
    for (; next < end; ++next) whole.push_back(next);
  };
  for (SampleProblem& problem :
       all_file_problems(manifest, dataset, workers, read_regions, annotations ? &*annotations : nullptr)) {
    all_before(problem.sample);
    next = problem.sample + 1;
    problems.push_back(std::move(problem.text));
  }
  all_before(manifest.size());
  try {
    use(manifest, whole);
    if (!broken.empty()) throw DataError(broken);
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
  for (SampleProblem& problem : all_file_problems(manifest, manifest.dataset(), workers, read_regions, nullptr))
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
