#include "emotion/commands/search.h"

#include <filesystem>
#include <optional>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "broken_pictures.h"
#include "emotion/data/folder_manifest.h"
#include "emotion/error.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/eval/picture_view.h"
#include "emotion/eval/search_index.h"
#include "emotion/eval/zero_shot.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/progress.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/signals.h"
#include "host_settings.h"
#include "predict.h"
#include "result_file.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kRowsAdded = 16384;

/// A row of results: what was asked, and what was found.
struct Answer {
  std::string query;
  fs::path picture;  // empty for words
  std::vector<SearchHit> hits;
};

std::string strip(const SearchIndex& index, const Answer& answer) {
  std::string html = fmt::format("<section><h2>{}</h2>\n<div class=\"strip\">", html_escape(answer.query));
  if (!answer.picture.empty())
    html += fmt::format("<figure>{}<figcaption>query</figcaption></figure>\n", thumbnail_html(answer.picture, 144, "query"));
  for (const SearchHit& hit : answer.hits) {
    const std::string& name = index.images()[static_cast<std::size_t>(hit.row)];
    html += fmt::format("<figure>{}<figcaption>{:.3f}<br><small>{}</small></figcaption></figure>\n",
                        thumbnail_html(index.info().image_root / name, 144, name), hit.score, html_escape(name));
  }
  return html + "</div></section>\n";
}

void give(const SearchIndex& index, const std::vector<Answer>& answers, const SearchQueryCommand& o) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::string text;  // printed when the files are written
  std::string body = fmt::format("<p>{} pictures, {} of {}; the number is the cosine.</p>\n", index.size(), index.info().space,
                                 html_escape(index.info().checkpoint));
  for (const Answer& answer : answers) {
    nlohmann::ordered_json entry{{"query", answer.query}, {"results", nlohmann::ordered_json::array()}};
    text += answer.query + "\n";
    for (const SearchHit& hit : answer.hits) {
      const std::string& name = index.images()[static_cast<std::size_t>(hit.row)];
      text += fmt::format("  {:.4f} {}\n", hit.score, name);
      entry["results"].push_back({{"image", name}, {"file", (index.info().image_root / name).string()}, {"score", hit.score}});
    }
    json.push_back(std::move(entry));
    if (!o.report.empty()) body += strip(index, answer);
  }
  // Words come from the command line and from files of any encoding.
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  if (!o.report.empty()) write_file_atomically(o.report, html_page("Nearest pictures", body));
  if (!o.json.empty()) write_json_result(o.json, json.dump(2, ' ', false, kReplace) + "\n");
  if (o.json != "-") print_text(text);
}

SearchIndex open_index(const SearchQueryCommand& o) {
  check_result_file("--json", o.json, ResultForm::kJson);
  check_result_file("--report", o.report, ResultForm::kPage);
  SearchIndex index = SearchIndex::open(o.index);
  index.set_breadth(std::max(o.breadth, o.k));
  return index;
}

/// How many pictures are given: --k, or all where the index holds fewer. @throws ConfigError
int pictures_given(const SearchIndex& index, const SearchQueryCommand& o) {
  if (o.k < 1) throw ConfigError(fmt::format("--k is {}, at least 1 is wanted", o.k));
  if (static_cast<std::size_t>(o.k) <= index.size()) return o.k;
  log_info("{}: it holds {} pictures, fewer than --k {}: all are given", o.index, index.size(), o.k);
  return static_cast<int>(index.size());
}

}  // namespace
}  // namespace emotion

void emotion_search_index(const emotion::SearchIndexCommand& o) {
  using namespace emotion;
  refuse_skipping(o.settings);
  check_result_file("--out", o.out, ResultForm::kIndex);
  const Device device = Device::open(chosen_device(o));
  const VisualModel model = VisualModel::open(o.checkpoint, o.settings, device);
  const ScratchFolder scratch;
  const bool dataset = fs::exists(fs::path(o.data) / "dataset.yaml");
  if (!dataset && !fs::is_directory(o.data)) throw DataError(o.data + ": neither a data set nor a folder of pictures");
  const Manifest manifest = dataset ? Manifest::open(Dataset::open(o.data), o.split) : folder_manifest(o.data, scratch.path());
  const bool joint = o.space == "joint";
  if (joint) (void)model.projection(at::zeros({1, model.dimension()}));  // says so before any picture is decoded
  if (!dataset) check_sees_whole_pictures(model, o.data);
  for (const auto& name : {fs::absolute(model.file()), manifest.dataset().images()}) check_utf8_name(name.string());
  for (const auto& setting : o.settings) check_utf8_name(setting);
  SearchIndex index({.kind = o.kind,
                     .space = o.space,
                     .checkpoint = fs::absolute(model.file()).string(),
                     .weights_hash = file_hash(model.file()),
                     .image_root = fs::absolute(manifest.dataset().images()).lexically_normal(),
                     .dimension = joint ? model.embedding_dimension() : model.dimension(),
                     .settings = o.settings});
  std::vector<at::Tensor> parts;
  std::vector<std::string> images;
  const auto add = [&] {
    if (!parts.empty()) index.add(at::cat(parts), std::exchange(images, {}));
    parts.clear();
  };
  for_each_batch(model, device, manifest, o.batch, chosen_workers(o), [&](const auto& samples, const at::Tensor& features) {
    parts.push_back((joint ? model.projection(features) : features).cpu());
    for (const std::uint64_t sample : samples) images.emplace_back(manifest[sample].image);
    if (images.size() >= kRowsAdded) add();
  });
  add();
  index.save(o.out);
  print_out("{}: {} pictures, {} numbers each; recall@10 {:.4f}\n", o.out, index.size(), index.info().dimension,
            index.recall(10, 200));
}

void emotion_search_image(const emotion::SearchQueryCommand& o) {
  using namespace emotion;
  const SearchIndex index = open_index(o);
  const int k = pictures_given(index, o);
  const Device device = Device::open(chosen_device(o));
  const std::string checkpoint = o.checkpoint.empty() ? index.info().checkpoint : o.checkpoint;
  std::vector<std::string> settings = index.info().settings;  // queries see what the index saw
  settings.insert(settings.end(), o.settings.begin(), o.settings.end());
  const VisualModel model = VisualModel::open(checkpoint, settings, device);
  if (file_hash(model.file()) != index.info().weights_hash) {
    throw DataError(fmt::format("{}: made with other weights than {}; make it again with emotion_search index", o.index,
                                model.file().string()));
  }
  std::vector<Answer> answers;
  LoosePictures loose(model);
  const at::NoGradGuard no_grad;
  BrokenPictures broken(model.config());
  const std::vector<fs::path> pictures = list_images(o.queries);
  Progress progress("search", pictures.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    progress.update(i);
    const fs::path& picture = pictures[i];
    std::optional<Image> image;
    if (!broken.read([&] { image = loose.load(picture); })) continue;
    if (!image) throw DataError(fmt::format("{}: no face was found, and {} sees faces", picture.string(), model.file().string()));
    at::Tensor query = model.features(picture_batch(device, *image)).to(at::kFloat);
    if (index.info().space == "joint") query = model.projection(query);
    answers.push_back({picture.string(), picture, index.search(query.cpu(), k)[0]});
  }
  progress.clear();
  broken.close();
  give(index, answers, o);
}

void emotion_search_text(const emotion::SearchQueryCommand& o) {
  using namespace emotion;
  const SearchIndex index = open_index(o);
  if (index.info().space != "joint")
    throw DataError(o.index + ": it holds features of pictures; words want an index made with --space joint");
  const WordVectors vectors = WordVectors::open(o.word2vec);
  if (vectors.dimension() != index.info().dimension) {
    throw DataError(
        fmt::format("{}: its vectors have {} numbers, those of {} have {}; --word2vec wants the file that the network was "
                    "trained with",
                    o.word2vec, vectors.dimension(), o.index, index.info().dimension));
  }
  std::vector<std::string> known, unknown;
  for (const auto& word : o.queries) (vectors.find(word) ? known : unknown).push_back(word);
  if (known.empty()) throw DataError(fmt::format("{}: there is no vector for {}", o.word2vec, fmt::join(unknown, ", ")));
  if (!unknown.empty())
    log_warning("{}: there is no vector for {}: the other words are searched for", o.word2vec, fmt::join(unknown, ", "));
  const std::string name = fmt::format("{}", fmt::join(known, " "));
  const at::Tensor query = class_vectors({known}, {name}, vectors);
  give(index, {{name, {}, index.search(query, pictures_given(index, o))[0]}}, o);
}
