// SE30K8 (Wei et al., CVPR 2020): a pickle {id: {image_emotion: votes of five people, image_url, tags, ..}}.
//
// The label is the most common vote if at least three people gave it; the other pictures are left out (as the released code has
// it).
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/plain_pickle.h"
#include "emotions.h"
#include "files.h"
#include "formats.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMajority = 3;
using Value = PlainPickle::Value;

fs::path find_pickle(const fs::path& root) {
  for (const char* folder : {"SE30K8/annotations", "annotations", ""}) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& file : files_of(root / folder, "")) {
      if (file.starts_with("mturk_annotations") && (file.ends_with(".pkl") || file.ends_with(".pkl.keep")))
        return root / folder / file;
    }
  }
  throw DataError(root.string() +
                  ": mturk_annotations_240.pkl.keep is missing; looked in it, annotations/ and SE30K8/annotations/");
}

/// A list of lists of names, or of names.
std::vector<std::string> votes_of(const Value& lists, const std::vector<std::string>& classes, const std::string& place) {
  std::vector<std::string> votes;
  const auto add = [&](const Value& vote) {
    const auto cls = class_called(vote.text(), classes);
    if (!cls) throw DataError(fmt::format("{}: unknown emotion '{}'", place, vote.text()));
    votes.push_back(*cls);
  };
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const Value worker = lists[i];
    if (worker.is_text()) add(worker);
    for (std::size_t k = 0; worker.is_list() && k < worker.size(); ++k) add(worker[k]);
  }
  return votes;
}

/// The first of the most common ones, if it has a majority of the five.
std::string majority(const std::vector<std::string>& votes) {
  std::string best;
  std::ptrdiff_t most = kMajority - 1;
  for (const auto& vote : votes) {
    const auto count = std::count(votes.begin(), votes.end(), vote);
    if (count > most) {
      most = count;
      best = vote;
    }
  }
  return best;
}

}  // namespace

void read_se30k8(const fs::path& root, ImportDraft& draft) {
  draft.classes = {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise(negative)", "surprise(positive)"};
  const fs::path file = find_pickle(root);
  const MappedFile map(file);
  const PlainPickle pickle(map.text(), file.string());
  const Value all = pickle.root();
  if (!all.is_dict()) throw DataError(file.string() + ": a dictionary of pictures is wanted");
  std::map<std::string, std::string> pictures;  // id -> path
  for (const auto& picture : files_of(root, "", true)) {
    if (has_picture_name(picture)) pictures.emplace(fs::path(picture).stem().string(), picture);
  }
  if (!pictures.empty()) draft.image_root = root;
  std::uint64_t without_majority = 0, without_votes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Value entry = all[i], key = all.key(i);
    const std::string id = key.is_int() ? std::to_string(key.integer()) : std::string(key.text());
    const std::string place = fmt::format("{}: picture {}", file.string(), id);
    if (id.empty() || !entry.is_dict()) throw DataError(place + ": an id and a dictionary are wanted");
    const auto emotions = entry.find("image_emotion");
    Sample sample;
    if (emotions && emotions->is_list()) sample.votes = votes_of(*emotions, draft.classes, place);
    without_votes += sample.votes.empty();
    const std::string label = majority(sample.votes);
    if (label.empty()) {
      without_majority += !sample.votes.empty();
      continue;
    }
    sample.labels = {label};
    const auto url_value = entry.find("image_url"), tags = entry.find("tags");
    const std::string url(url_value ? url_value->text() : std::string_view());
    for (std::size_t k = 0; tags && tags->is_list() && k < tags->size(); ++k) {
      if (!(*tags)[k].text().empty()) sample.keywords.emplace_back((*tags)[k].text());
    }
    const auto found = pictures.find(id);
    const std::string extension = url.empty() ? ".jpg" : fs::path(file_name_of_url(url)).extension().string();
    // The released downloader puts 10,000 pictures into a folder.
    sample.image = found != pictures.end() ? found->second : fmt::format("images/{:06}/{}{}", i / 10000, id, extension);
    draft.add(sample, {}, url, place);
  }
  draft.note("{} pictures in {}; {} have no emotion that {} people share, {} have no votes: left out", all.size(),
             file.filename().string(), without_majority, kMajority, without_votes);
}

}  // namespace emotion
