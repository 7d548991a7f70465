#include "emotion/commands/text.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>
#include <span>
#include <system_error>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file.h"
#include "emotion/io/writable.h"
#include "emotion/log.h"
#include "emotion/nearest.h"
#include "emotion/print.h"
#include "emotion/text/textcnn_input.h"
#include "emotion/text/word2vec.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/distributed.h"
#include "launch.h"
#include "result_file.h"

namespace emotion {
namespace {

std::vector<std::string> all_words(const WordVectors& vectors) {
  std::vector<std::string> words;
  for (std::size_t row = 0; row < vectors.size(); ++row) words.emplace_back(vectors.word(row));
  return words;
}

/// Words come from the command line and from files of any encoding: what is not UTF-8 is replaced.
void write_json(const std::string& file, const nlohmann::ordered_json& json) {
  write_json_result(file, json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void train_vectors(const Word2VecCommand& o, ProcessGroup& group) {
  const bool binary = o.out.ends_with(".bin");
  if (group.is_root()) check_writable_file(o.out);
  if (group.is_root() && !o.vocabulary.empty()) check_writable_file(o.vocabulary);
  const std::string state = o.out + ".state";
  const Manifest manifest = Manifest::open(Dataset::open(o.data), o.split);
  std::vector<std::string> words;
  for (std::uint32_t id = 0; id < manifest.word_count(); ++id) words.emplace_back(manifest.word(id));
  std::vector<std::vector<std::uint32_t>> lists;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const auto keywords = manifest[i].keywords;
    lists.emplace_back(keywords.begin(), keywords.end());
  }
  if (words.empty()) throw DataError(manifest.file().string() + ": no sample has keywords; word2vec has nothing to learn from");
  group.check_same("the keyword lists", fmt::format("{} lists, content {}", lists.size(), file_hash(manifest.file())));
  const Word2VecPeers peers{
      .rank = group.rank(),
      .size = group.size(),
      .sum =
          [&](std::span<float> values) {
            group.sum({at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kFloat)});
          },
      .any = [&](bool value) { return group.any(value); }};
  const WordVectors vectors = train_word2vec(words, lists,
                                             {.dimension = o.dimension,
                                              .window = o.window,
                                              .negative = o.negative,
                                              .epochs = o.epochs,
                                              .min_count = o.min_count,
                                              .alpha = o.alpha,
                                              .subsample = o.subsample,
                                              .threads = decoding_threads(o.threads, group),
                                              .seed = o.seed,
                                              .state = state},
                                             peers);
  if (!group.is_root()) return;
  if (binary)
    vectors.write_binary(o.out);
  else
    vectors.write_text(o.out);
  if (!o.vocabulary.empty()) {
    std::string lines;
    for (const auto& word : all_words(vectors)) lines += word + "\n";
    write_file_atomically(o.vocabulary, lines);
  }
  std::error_code gone;  // the result is whole without it
  std::filesystem::remove(state, gone);
  log_info("{}: {} words of {} numbers", o.out, vectors.size(), vectors.dimension());
}

/// The words' rows. @throws DataError naming every word without one, with the nearest that is there
std::vector<std::size_t> find_rows(const WordVectors& vectors, const std::vector<std::string>& words, const std::string& file) {
  std::vector<std::size_t> rows;
  std::vector<std::string> strange;
  for (const auto& word : words) {
    if (const auto row = vectors.find(word)) {
      rows.push_back(*row);
    } else {
      strange.push_back(word);
    }
  }
  if (strange.empty()) return rows;
  const std::vector<std::string> known = all_words(vectors);
  if (strange.size() == 1)
    throw DataError(fmt::format("{}: there is no word '{}'{}", file, strange[0], did_you_mean(strange[0], known)));
  for (auto& word : strange) {
    const std::string near = nearest(word, known);
    word = near.empty() ? fmt::format("'{}'", word) : fmt::format("'{}' (did you mean {}?)", word, near);
  }
  throw DataError(fmt::format("{}: there are no words {}", file, fmt::join(strange, ", ")));
}

/// What the TextCNN reads of the words, int64 [1, max_keywords]: as in training each once, and none that was kept from it.
/// @throws DataError if it knows none of them
at::Tensor encode_words(const TrainedTextCNN& trained, const std::vector<std::string>& words, const std::string& checkpoint) {
  const auto unknown = static_cast<std::int64_t>(trained.vocabulary.size());
  std::vector<std::int64_t> ids;
  const WordSet excluded(trained.excluded), classes(trained.classes);
  std::vector<std::string> strange, warnings;
  std::set<std::string> seen;
  for (const auto& word : words) {
    if (!seen.insert(word).second) continue;
    if (excluded.contains(word)) {
      warnings.push_back(fmt::format("'{}' {} a class: the TextCNN reads the other keywords", word,
                                     classes.contains(word) ? "is" : "stands for"));
      continue;
    }
    if (ids.size() == static_cast<std::size_t>(trained.max_keywords)) continue;
    const auto row = trained.vocabulary.find(word);
    if (!row) {
      strange.push_back(word);
      warnings.push_back(fmt::format("'{}' is not in the vocabulary", word));
    }
    ids.push_back(row ? static_cast<std::int64_t>(*row) : unknown);
  }
  if (ids.empty()) throw DataError("no non-emotion keyword: the TextCNN has nothing to read; give words that are no class of it");
  if (strange.size() == ids.size()) {
    throw DataError(fmt::format("{}: no keyword is in its vocabulary ({}); give words that it was trained on", checkpoint,
                                fmt::join(strange, ", ")));
  }
  for (const auto& warning : warnings) log_warning("{}", warning);
  return textcnn_input({ids}, trained.vocabulary.size(), trained.max_keywords);
}

}  // namespace
}  // namespace emotion

void emotion_text_word2vec(const emotion::Word2VecCommand& o) {
  using namespace emotion;
  if (!o.out.ends_with(".bin") && !o.out.ends_with(".txt"))
    throw ConfigError("--out is '" + o.out + "'; a .bin or .txt file is wanted");
  const std::vector<std::pair<std::string, std::string>> same{
      {"--data", o.data},
      {"--split", o.split},
      {"options", fmt::format("{} {} {} {} {} {} {} {} {}", o.dimension, o.window, o.negative, o.epochs, o.min_count, o.alpha,
                              o.subsample, o.threads, o.seed)}};
  run_shared(o.share, same, [&](ProcessGroup& group) { train_vectors(o, group); });
}

void emotion_text_nearest(const emotion::NearestCommand& o) {
  using namespace emotion;
  check_result_file("--json", o.json, ResultForm::kJson);
  const WordVectors vectors = WordVectors::open(o.word2vec);
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  const std::vector<std::size_t> rows = find_rows(vectors, o.words, o.word2vec);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& word = o.words[i];
    std::vector<float> query(static_cast<std::size_t>(vectors.dimension()));
    vectors.copy(rows[i], query);
    json[word] = nlohmann::ordered_json::array();
    if (o.json.empty()) print_out("{}\n", word);
    const std::size_t self[] = {rows[i]};
    for (const auto& [other, score] : vectors.nearest(query, static_cast<std::size_t>(std::max(o.top, 1)), self)) {
      json[word].push_back({{"word", vectors.word(other)}, {"score", score}});
      if (o.json.empty()) print_out("  {:<24} {:.4f}\n", vectors.word(other), score);
    }
  }
  if (!o.json.empty()) write_json(o.json, json);
}

void emotion_text_textcnn_predict(const emotion::TextCNNPredictCommand& o) {
  using namespace emotion;
  check_result_file("--json", o.json, ResultForm::kJson);
  TrainedTextCNN trained = load_textcnn(o.checkpoint);
  const at::NoGradGuard no_grad;
  const at::Tensor ids = encode_words(trained, o.words, o.checkpoint);
  const at::Tensor p = at::softmax(trained.network->forward(ids), 1).contiguous();
  std::vector<std::size_t> order(trained.classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const float* value = p.const_data_ptr<float>();
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return value[a] > value[b]; });
  nlohmann::ordered_json json;
  for (const std::size_t k : order) json["probabilities"][trained.classes[k]] = value[k];
  if (!o.json.empty()) {
    write_json(o.json, json);
    return;
  }
  for (std::size_t i = 0; i < std::min(order.size(), static_cast<std::size_t>(std::max(o.top, 1))); ++i) {
    print_out("{:<24} {:.4f}\n", trained.classes[order[i]], value[order[i]]);
  }
}
