#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>
#include <unordered_map>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"
#include "emotion/signals.h"
#include "emotion/text/word_vectors.h"
#include "skip_gram.h"

namespace emotion {
namespace {

constexpr std::uint64_t kInitStream = 0x696e69, kTrainStream = 0x747261;

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
  Trainer(Corpus corpus, const Word2VecOptions& options)
      : corpus_(std::move(corpus)), options_(options), noise_(corpus_.counts), width_(padded_width(options.dimension)) {
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
    const int threads =
        options_.threads > 0 ? options_.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    log_info("word2vec: {} words, {} keywords in {} lists, {} epochs, {} threads", corpus_.words.size(), corpus_.tokens,
             corpus_.lists.size(), options_.epochs, threads);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
      pool.emplace_back([this, t, threads] { run(static_cast<std::size_t>(t), static_cast<std::size_t>(threads)); });
    while (running(threads)) report(begin);
    for (auto& thread : pool) thread.join();
    if (stop_requested()) throw Interrupted("word2vec: interrupted; nothing was written");
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    log_info("word2vec: {:.0f} words/s in {:.1f} s", static_cast<double>(done_.load()) / seconds, seconds);
    return result();
  }

 private:
  /// What a thread works with.
  struct Tiles {
    std::array<float*, kTileInputs> contexts;
    std::vector<float*> targets;
    std::vector<float> zeros;  ///< the row that fills a tile up
  };

  bool running(int threads) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return finished_.load() < threads;
  }

  void report(std::chrono::steady_clock::time_point begin) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (seconds < next_report_) return;
    next_report_ = seconds + 5;
    const double all = static_cast<double>(corpus_.tokens) * options_.epochs, done = static_cast<double>(done_.load());
    log_info("word2vec: {:.1f} %, {:.0f} words/s", 100 * done / all, done / std::max(seconds, 1e-9));
  }

  /// Every thread takes each `threads`-th list of an epoch and writes to the shared vectors without locks (Hogwild; Recht et
  /// al., 2011): updates rarely meet, and a lost one does no harm.
  void run(std::size_t thread, std::size_t threads) {
    Tiles tiles{.contexts = {}, .targets = {}, .zeros = std::vector<float>(width_)};
    std::vector<std::uint32_t> words;
    for (int epoch = 0; epoch < options_.epochs && !stop_requested(); ++epoch) {
      Random random{options_.seed, static_cast<std::uint64_t>(epoch), thread, kTrainStream};
      for (std::size_t i = thread; i < corpus_.lists.size() && !stop_requested(); i += threads) {
        const auto& list = corpus_.lists[i];
        words.clear();
        for (const std::uint32_t word : list) {
          if (keep_[word] >= 1 || random.uniform() < keep_[word]) words.push_back(word);
        }
        train_list(words, learning_rate(), random, tiles);
        done_.fetch_add(list.size(), std::memory_order_relaxed);
      }
    }
    finished_.fetch_add(1);
  }

  double learning_rate() const {
    const double part =
        static_cast<double>(done_.load(std::memory_order_relaxed)) / (static_cast<double>(corpus_.tokens) * options_.epochs);
    return std::max(options_.min_alpha, options_.alpha - (options_.alpha - options_.min_alpha) * part);
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
    for (std::size_t first = 0; first < tiles.targets.size(); first += kTileOutputs) {
      tile.output_count = std::min(kTileOutputs, tiles.targets.size() - first);
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
  NoiseTable noise_;
  std::size_t width_;
  std::vector<float> input_, output_;
  std::vector<double> keep_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<int> finished_{0};
  double next_report_ = 5;
};

}  // namespace

WordVectors train_word2vec(const std::vector<std::string>& words, const std::vector<std::vector<std::uint32_t>>& lists,
                           const Word2VecOptions& options) {
  if (options.dimension < 1 || options.negative < 1 || options.epochs < 1 || options.window < 0 || !(options.alpha > 0)) {
    throw ConfigError("word2vec: dimension, negative and epochs must be at least 1, window at least 0, alpha above 0");
  }
  return Trainer(make_corpus(words, lists, options.min_count), options).train();
}

}  // namespace emotion
