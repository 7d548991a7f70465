#include "emotion/text/word2vec.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/random.h"
#include "emotion/signals.h"
#include "emotion/threads.h"
#include "skip_gram.h"

namespace emotion {
namespace {

constexpr std::uint64_t kInitStream = 0x696e69, kTrainStream = 0x747261;
/// Of each process between two meetings; the fewest meetings of an epoch.
constexpr std::uint64_t kTokensOfAPart = 250'000, kFewestParts = 4;

/// Lists as rows of the kept words, rarer ones gone; frequent words first.
struct Corpus {
  std::vector<std::string> words;
  std::vector<std::uint64_t> counts;
  std::vector<std::vector<std::uint32_t>> lists;
  std::uint64_t tokens = 0;
};

/// Of each word the first of its form, -1 for one of white space alone; and the forms.
struct Forms {
  std::vector<std::string> words;
  std::vector<std::int64_t> first;
};

Forms word_forms(const std::vector<std::string>& words) {
  Forms forms;
  std::unordered_map<std::string, std::int64_t> known;
  for (const auto& word : words) {
    const std::string& form = forms.words.emplace_back(word_form(word));
    const auto id = static_cast<std::int64_t>(forms.first.size());
    forms.first.push_back(form.empty() ? -1 : known.emplace(form, id).first->second);
  }
  return forms;
}

Corpus make_corpus(const std::vector<std::string>& words, const std::vector<std::vector<std::uint32_t>>& lists, int min_count) {
  const Forms forms = word_forms(words);
  std::vector<std::uint64_t> counts(words.size());
  for (const auto& list : lists) {
    for (const std::uint32_t word : list) {
      if (forms.first[word] >= 0) ++counts[static_cast<std::size_t>(forms.first[word])];
    }
  }
  std::vector<std::uint32_t> order(words.size());
  std::iota(order.begin(), order.end(), 0U);
  std::erase_if(order, [&](std::uint32_t id) { return counts[id] < static_cast<std::uint64_t>(min_count) || counts[id] == 0; });
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : forms.words[a] < forms.words[b];
  });
  if (order.empty())
    throw DataError(
        fmt::format("word2vec: no word stands {} times or more in {} keyword lists; lower --min-count", min_count, lists.size()));
  Corpus corpus;
  std::vector<std::int64_t> row(words.size(), -1);
  for (const std::uint32_t id : order) {
    row[id] = static_cast<std::int64_t>(corpus.words.size());
    corpus.words.push_back(forms.words[id]);
    corpus.counts.push_back(counts[id]);
    corpus.tokens += counts[id];
  }
  for (const auto& list : lists) {
    auto& kept = corpus.lists.emplace_back();
    for (const std::uint32_t word : list) {
      const std::int64_t first = forms.first[word], place = first < 0 ? -1 : row[static_cast<std::size_t>(first)];
      if (place >= 0) kept.push_back(static_cast<std::uint32_t>(place));
    }
  }
  return corpus;
}

/// Draws words with probability proportional to count^0.75 in constant time (Walker's alias method).
class NoiseTable {
 public:
  explicit NoiseTable(const std::vector<std::uint64_t>& counts) : threshold_(counts.size()), alias_(counts.size()) {
    std::vector<double> weight(counts.size());
    double sum = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) sum += weight[i] = std::pow(static_cast<double>(counts[i]), 0.75);
    std::vector<std::uint32_t> small, large;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      weight[i] *= static_cast<double>(counts.size()) / sum;
      (weight[i] < 1 ? small : large).push_back(static_cast<std::uint32_t>(i));
    }
    while (!small.empty() && !large.empty()) {
      const std::uint32_t s = small.back(), l = large.back();
      small.pop_back();
      threshold_[s] = weight[s];
      alias_[s] = l;
      weight[l] -= 1 - weight[s];
      if (weight[l] < 1) {
        large.pop_back();
        small.push_back(l);
      }
    }
    for (const auto& rest : {small, large}) {
      for (const std::uint32_t i : rest) threshold_[i] = 1, alias_[i] = i;
    }
  }
  std::uint32_t draw(Random& random) const {
    const auto i = static_cast<std::uint32_t>(random.below(threshold_.size()));
    return random.uniform() < threshold_[i] ? i : alias_[i];
  }

 private:
  std::vector<double> threshold_;
  std::vector<std::uint32_t> alias_;
};

class Trainer {
 public:
  Trainer(Corpus corpus, const Word2VecOptions& options, const Word2VecPeers& peers)
      : corpus_(std::move(corpus)),
        options_(options),
        peers_(peers),
        threads_(static_cast<int>(worker_count(options.threads))),
        noise_(corpus_.counts),
        width_(padded_width(options.dimension)) {
    for (auto i = static_cast<std::size_t>(peers.rank); i < corpus_.lists.size(); i += static_cast<std::size_t>(peers.size)) {
      own_.push_back(i);
      own_tokens_ += corpus_.lists[i].size();
    }
    if (peers.size > 1)
      parts_ =
          std::clamp<std::size_t>(corpus_.tokens / static_cast<std::uint64_t>(peers.size) / kTokensOfAPart, kFewestParts, 1000);
    input_.resize(corpus_.words.size() * width_);
    output_.resize(corpus_.words.size() * width_);
    for (std::size_t row = 0; row < corpus_.words.size(); ++row) {
      Random random{options.seed, row, kInitStream};
      for (int d = 0; d < options.dimension; ++d) {
        input_[row * width_ + static_cast<std::size_t>(d)] = static_cast<float>((random.uniform() - 0.5) / options.dimension);
      }
    }
    for (const std::uint64_t count : corpus_.counts) {
      const double part = static_cast<double>(count) / static_cast<double>(corpus_.tokens) / std::max(options.subsample, 1e-300);
      keep_.push_back(options.subsample <= 0 ? 1.0 : std::min(1.0, (std::sqrt(part) + 1) / part));
    }
  }

  WordVectors train() {
    log_info("word2vec: {} words, {} keywords in {} lists, {} epochs, {} threads{}", corpus_.words.size(), corpus_.tokens,
             corpus_.lists.size(), options_.epochs, threads_,
             peers_.size > 1 ? fmt::format(" in each of {} processes", peers_.size) : "");
    Position position = read_state();
    const std::uint64_t before = done_.load();
    const auto begin = std::chrono::steady_clock::now();
    saved_ = begin;
    for (; position.epoch < options_.epochs; next(position)) {
      if (peers_.size > 1) base_ = {input_, output_};
      run_part(position, begin, before);
      if (stopped()) {
        throw Interrupted(options_.state.empty() ? "word2vec: interrupted; nothing was written"
                                                 : "word2vec: interrupted; the same command goes on where it last saved");
      }
      if (peers_.size > 1) unite();
      check_finite(position);
      save_state(position);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    log_info("word2vec: {:.0f} words/s in {:.1f} s", peers_.size * static_cast<double>(done_.load() - before) / seconds, seconds);
    return result();
  }

 private:
  /// Part `part` of an epoch comes next.
  struct Position {
    int epoch = 0;
    std::size_t part = 0;
  };
  /// What a thread works with.
  struct Tiles {
    std::array<float*, kTileInputs> contexts;
    std::vector<float*> targets;
    std::vector<float> zeros;  ///< the row that fills a tile up
  };

  void next(Position& position) const {
    if (++position.part < parts_) return;
    position = {position.epoch + 1, 0};
  }
  bool stopped() const { return peers_.size > 1 ? peers_.any(stop_requested()) : stop_requested(); }

  /// Own lists of a part: numbers among this process's lists.
  std::pair<std::size_t, std::size_t> range(std::size_t part) const {
    return {own_.size() * part / parts_, own_.size() * (part + 1) / parts_};
  }

  void run_part(const Position& position, std::chrono::steady_clock::time_point begin, std::uint64_t before) {
    finished_ = 0;
    std::vector<std::thread> pool = start_pool(position);
    while (finished_.load() < threads_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      report(begin, before);
    }
    for (auto& thread : pool) thread.join();
  }

  /// All or none: each takes its own lists, and a training with other threads is another one.
  std::vector<std::thread> start_pool(const Position& position) {
    std::vector<std::thread> pool;
    pool.reserve(static_cast<std::size_t>(threads_));
    try {
      for (int t = 0; t < threads_; ++t) pool.emplace_back([this, t, position] { run(static_cast<std::size_t>(t), position); });
    } catch (const std::exception& error) {
      abandoned_ = true;
      for (auto& thread : pool) thread.join();
      throw RunError(fmt::format("word2vec: {} of {} threads can be started: {}; give fewer --threads", pool.size(), threads_,
                                 error.what()));
    }
    return pool;
  }

  void report(std::chrono::steady_clock::time_point begin, std::uint64_t before) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (seconds < next_report_) return;
    next_report_ = seconds + 5;
    const auto done = static_cast<double>(done_.load());
    log_info("word2vec: {:.1f} %, {:.0f} words/s", 100 * done / (static_cast<double>(own_tokens_) * options_.epochs),
             peers_.size * (done - static_cast<double>(before)) / std::max(seconds, 1e-9));
  }

  /// Every thread takes each `threads_`-th list of a part and writes to the shared vectors without locks (Hogwild; Recht et
  /// al., 2011): updates rarely meet, and a lost one does no harm.
  void run(std::size_t thread, const Position& position) {
    Tiles tiles{.contexts = {}, .targets = {}, .zeros = std::vector<float>(width_)};
    std::vector<std::uint32_t> words;
    const auto [first, last] = range(position.part);
    const std::uint64_t stream =
        (position.part * static_cast<std::uint64_t>(peers_.size) + static_cast<std::uint64_t>(peers_.rank)) *
            static_cast<std::uint64_t>(threads_) +
        thread;
    Random random{options_.seed, static_cast<std::uint64_t>(position.epoch), stream, kTrainStream};
    for (std::size_t i = first + thread; i < last && !stop_requested() && !abandoned_; i += static_cast<std::size_t>(threads_)) {
      const auto& list = corpus_.lists[own_[i]];
      words.clear();
      for (const std::uint32_t word : list) {
        if (keep_[word] >= 1 || random.uniform() < keep_[word]) words.push_back(word);
      }
      train_list(words, learning_rate(), random, tiles);
      done_.fetch_add(list.size(), std::memory_order_relaxed);
    }
    finished_.fetch_add(1);
  }

  /// @throws RunError; of several processes in all, which have the same vectors by now
  void check_finite(const Position& position) const {
    const auto finite = [](const std::vector<float>& values) {
      return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
    };
    if (finite(input_) && finite(output_)) return;
    throw RunError(
        fmt::format("word2vec: in epoch {} the vectors are no longer finite numbers; nothing was written; lower --alpha ({:g})",
                    position.epoch + 1, options_.alpha));
  }

  /// The mean of the processes' movements, row by row, over those that moved it: a word that one process alone has seen moves as
  /// far as it did there.
  void unite() {
    std::size_t which = 0;
    for (std::vector<float>* now : {&input_, &output_}) {
      const std::vector<float>& base = base_[which++];
      std::vector<float> movers(corpus_.words.size());
      for (std::size_t row = 0; row < movers.size(); ++row) {
        for (std::size_t k = row * width_; k < (row + 1) * width_; ++k) {
          (*now)[k] -= base[k];
          if ((*now)[k] != 0) movers[row] = 1;
        }
      }
      peers_.sum(*now);
      peers_.sum(movers);
      for (std::size_t row = 0; row < movers.size(); ++row) {
        for (std::size_t k = row * width_; k < (row + 1) * width_; ++k)
          (*now)[k] = base[k] + (*now)[k] / std::max(movers[row], 1.0F);
      }
    }
  }

  double learning_rate() const {
    const double part =
        static_cast<double>(done_.load(std::memory_order_relaxed)) / (static_cast<double>(own_tokens_) * options_.epochs);
    const double last = std::min(options_.min_alpha, options_.alpha);  // never above the first
    return std::max(last, options_.alpha - (options_.alpha - last) * part);
  }

  /// What a kept training must have in common with this one.
  std::string key() const {
    ContentHash hash;
    for (const std::string& word : corpus_.words) hash.add(word);
    for (const auto& list : corpus_.lists) hash.add(std::as_bytes(std::span(list)));
    const Word2VecOptions& o = options_;
    return fmt::format("{} d {} window {} negative {} epochs {} alpha {} {} subsample {} threads {} seed {} processes {}",
                       hash.hex(), o.dimension, o.window, o.negative, o.epochs, o.alpha, o.min_alpha, o.subsample, threads_,
                       o.seed, peers_.size);
  }

  void save_state(Position position) {
    next(position);
    const auto now = std::chrono::steady_clock::now();
    if (peers_.rank != 0 || options_.state.empty() || position.epoch == options_.epochs) return;
    if (std::chrono::duration<double>(now - saved_).count() < options_.save_seconds) return;
    StateDict state;
    const auto tensor = [&](std::vector<float>& values) {
      return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kFloat);
    };
    state.add("input", tensor(input_));
    state.add("output", tensor(output_));
    state.metadata = {{"key", key()}, {"epoch", std::to_string(position.epoch)}, {"part", std::to_string(position.part)}};
    write_safetensors(options_.state, state);
    saved_ = std::chrono::steady_clock::now();
  }

  /// Where a kept training stands, whose vectors are taken over; rank 0 reads it for all.
  Position read_state() {
    std::array<float, 2> place{0, 0};
    if (peers_.rank == 0 && !options_.state.empty() && std::filesystem::exists(options_.state)) {
      const StateDict state = read_safetensors(options_.state);
      const at::Tensor *input = state.find("input"), *output = state.find("output");
      const auto found = state.metadata.find("key");
      const auto size = static_cast<std::int64_t>(input_.size());
      if (found == state.metadata.end() || found->second != key() || !input || !output || input->numel() != size ||
          output->numel() != size) {
        log_info("{}: is of another training; beginning anew", options_.state.string());
      } else {
        std::copy_n(input->const_data_ptr<float>(), input_.size(), input_.begin());
        std::copy_n(output->const_data_ptr<float>(), output_.size(), output_.begin());
        place = {std::stof(state.metadata.at("epoch")), std::stof(state.metadata.at("part"))};
        log_info("{}: goes on in epoch {}", options_.state.string(), place[0] + 1);
      }
    }
    if (peers_.size > 1) {  // the sum of rank 0's values and the others' zeros
      for (const std::span<float> values : {std::span<float>(place), std::span<float>(input_), std::span<float>(output_)}) {
        if (peers_.rank > 0) std::fill(values.begin(), values.end(), 0.0F);
        peers_.sum(values);
      }
    }
    const Position position{static_cast<int>(place[0]), static_cast<std::size_t>(place[1])};
    done_ = own_tokens_ * static_cast<std::uint64_t>(position.epoch);
    for (std::size_t i = 0; i < range(position.part).first; ++i) done_ += corpus_.lists[own_[i]].size();
    return position;
  }

  void train_list(const std::vector<std::uint32_t>& words, double alpha, Random& random, Tiles& tiles) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::size_t low = 0, high = words.size();
      if (options_.window > 0) {  // nearer words count more: the window shrinks by chance
        const std::size_t reach =
            static_cast<std::size_t>(options_.window) - random.below(static_cast<std::uint64_t>(options_.window));
        low = i > reach ? i - reach : 0;
        high = std::min(words.size(), i + reach + 1);
      }
      std::size_t count = 0;
      for (std::size_t j = low; j < high; ++j) {
        if (j != i) tiles.contexts[count++] = input_.data() + words[j] * width_;
        if (count == kTileInputs || (j + 1 == high && count > 0)) {
          train_contexts(count, words[i], static_cast<float>(alpha), random, tiles);
          count = 0;
        }
      }
    }
  }

  /// Some words of a context against the centre word and `negative` noise words, which they share.
  void train_contexts(std::size_t count, std::uint32_t center, float alpha, Random& random, Tiles& tiles) {
    tiles.targets.assign(1, output_.data() + center * width_);
    for (int n = 0; n < options_.negative; ++n) {
      const std::uint32_t target = noise_.draw(random);
      if (target != center) tiles.targets.push_back(output_.data() + target * width_);
    }
    SkipGramTile tile{.inputs = {}, .outputs = {}, .input_count = count, .output_count = 0, .first_is_positive = true};
    for (std::size_t c = 0; c < kTileInputs; ++c) tile.inputs[c] = c < count ? tiles.contexts[c] : tiles.zeros.data();
    for (std::size_t first = 0; first < tiles.targets.size(); first += tile.output_count) {
      tile.output_count = targets_of_a_tile(std::span(tiles.targets).subspan(first));
      for (std::size_t t = 0; t < kTileOutputs; ++t)
        tile.outputs[t] = t < tile.output_count ? tiles.targets[first + t] : tiles.zeros.data();
      skip_gram_update(tile, width_, alpha);
      tile.first_is_positive = false;
    }
  }

  WordVectors result() {
    const auto d = static_cast<std::size_t>(options_.dimension);
    std::vector<float> values(corpus_.words.size() * d);
    for (std::size_t row = 0; row < corpus_.words.size(); ++row)
      std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(row * width_), d,
                  values.begin() + static_cast<std::ptrdiff_t>(row * d));
    return WordVectors::from_memory(std::move(corpus_.words), std::move(values), options_.dimension);
  }

  Corpus corpus_;
  Word2VecOptions options_;
  const Word2VecPeers& peers_;
  int threads_;
  NoiseTable noise_;
  std::size_t width_;
  std::vector<std::size_t> own_;  // this process's lists
  std::uint64_t own_tokens_ = 0;
  std::size_t parts_ = 1;  // of an epoch
  std::vector<float> input_, output_;
  std::array<std::vector<float>, 2> base_;  // both, as the processes last had them in common
  std::vector<double> keep_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<int> finished_{0};
  std::atomic<bool> abandoned_{false};
  double next_report_ = 5;
  std::chrono::steady_clock::time_point saved_;
};

}  // namespace

WordVectors train_word2vec(const std::vector<std::string>& words, const std::vector<std::vector<std::uint32_t>>& lists,
                           const Word2VecOptions& options, const Word2VecPeers& peers) {
  if (options.dimension < 1 || options.negative < 1 || options.epochs < 1 || options.window < 0 || options.min_count < 0 ||
      !(options.alpha > 0)) {
    throw ConfigError(
        "word2vec: dimension, negative and epochs must be at least 1, window and min-count at least 0, alpha above 0");
  }
  return Trainer(make_corpus(words, lists, options.min_count), options, peers).train();
}

}  // namespace emotion
