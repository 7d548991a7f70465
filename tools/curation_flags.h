#pragma once

#include "command_line.h"
#include "emotion/commands/curation.h"

namespace emotion {

/// The subcommands of emotion_data that make a data set from another.
class CurationCommands {
 public:
  explicit CurationCommands(CLI::App& app) {
    add_curate(app);
    add_dedup(app);
    add_split(app);
    add_vote(app);
    add_pack(app);
    add_fetch(app);
  }

  /// Runs the one that was asked for, if it is one of these.
  void run() const {
    if (curate_->parsed()) EMOTION_CALL(emotion_data_curate, curate_options_);
    if (dedup_->parsed()) EMOTION_CALL(emotion_data_dedup, dedup_options_);
    if (split_->parsed()) EMOTION_CALL(emotion_data_split, split_options_);
    if (vote_->parsed()) EMOTION_CALL(emotion_data_vote, vote_options_);
    if (pack_->parsed()) EMOTION_CALL(emotion_data_pack, pack_options_);
    if (fetch_->parsed()) EMOTION_CALL(emotion_data_fetch, fetch_options_);
  }

 private:
  void add_curate(CLI::App& app) {
    auto& o = curate_options_;
    curate_ = app.add_subcommand(
        "curate", "emotion classes from a collection's keywords, in two steps: a table of candidates to edit, then the data set");
    curate_->add_option("collection,--collection", o.collection, "JSONL file of {\"image\", \"keywords\"} lines, or a data set")
        ->required()
        ->type_name("FILE|DATASET");
    curate_->add_option("--root", o.root, "folder of a file's pictures (default: where it lies)")->type_name("DIR");
    auto* candidates = curate_->add_option("--candidates", o.candidates, "first step: writes the table of candidates there");
    candidates->type_name("FILE");
    const auto first = [&](CLI::Option* option) { option->needs(candidates); };
    first(curate_->add_option("--seeds", o.seeds, "words that name emotions, a line each; else all keywords are candidates")
              ->type_name("FILE"));
    first(curate_->add_option("--word2vec", o.word2vec, "word vectors: keywords near a seed are candidates too")
              ->type_name("FILE"));
    first(curate_->add_option("--similarity", o.similarity, "cosine that counts as near")->capture_default_str());
    first(curate_->add_option("--min-images", o.min_images, "rarer keywords are no candidates")->capture_default_str());
    first(curate_->add_option("--top", o.top, "candidates at most, the most frequent")->capture_default_str());
    auto* categories = curate_->add_option("--categories", o.categories, "second step: the edited table, or a word a line");
    categories->type_name("FILE")->excludes(candidates);
    const auto second = [&](CLI::Option* option) { option->needs(categories); };
    second(curate_->add_option("--out", o.out, "data set to make")->type_name("DATASET"));
    second(curate_->add_option("--min-emotional", o.min_emotional, "emotion keywords an image must have")->capture_default_str());
    second(curate_->add_option("--min-other", o.min_other, "other keywords an image must have")->capture_default_str());
  }

  void add_dedup(CLI::App& app) {
    auto& o = dedup_options_;
    dedup_ = app.add_subcommand("dedup", "finds near-duplicate pictures over all splits by perceptual hash, and leaves them out");
    dedup_->add_option("data,--data", o.data, "data set; hashes are kept in its hashes.tsv")->required()->type_name("DATASET");
    dedup_->add_option("--out", o.out, "data set to make, with the largest picture of each group")->type_name("DATASET");
    dedup_->add_option("--radius", o.radius, "bits of 64 in which near-duplicates may differ")->capture_default_str();
    dedup_->add_flag("--mirrored", o.mirrored, "mirror images are duplicates too");
    dedup_->add_option("--groups", o.groups, "writes the groups as JSON there; emotion_data split reads it")->type_name("FILE");
    dedup_->add_option("--html", o.html, "writes a page with the pictures of each group there")->type_name("FILE");
    dedup_->add_option("--shown", o.shown, "groups on the page, the largest first")->capture_default_str();
    dedup_->add_option("--workers", o.workers, "threads; 0 = one per core")->capture_default_str();
  }

  void add_split(CLI::App& app) {
    auto& o = split_options_;
    split_ = app.add_subcommand("split", "parts all samples of a data set anew; a picture or group is never parted");
    split_->add_option("data,--data", o.data, "data set")->required()->type_name("DATASET");
    split_->add_option("--out", o.out, "data set to make")->required()->type_name("DATASET");
    auto* ratio = split_->add_option("--ratio", o.ratio, "parts of train, val and test, of any sum")->capture_default_str();
    auto* counts = split_->add_option("--counts", o.counts, "samples of each part instead; * is the rest: */33000/71000");
    auto* folds =
        split_->add_option("--folds", o.folds, "K: splits train-1, val-1 .. train-K, val-K instead, every class dealt evenly");
    auto* names = split_->add_option("--names", o.names, "names of the parts: train/val/test");
    split_->add_option("--groups", o.groups, "near-duplicates to keep together, from emotion_data dedup")->type_name("FILE");
    split_->add_option("--key", o.key, "images whose name gives the same first group stay together: '(.*)/' by folder")
        ->type_name("REGEX");
    split_->add_option("--seed", o.seed)->capture_default_str();
    auto* stratify = split_->add_flag("--stratify", o.stratify,
                                      "each class is divided by the ratio, by a sample's first label; groups stay together");
    stratify->excludes(counts)->excludes(folds);
    counts->excludes(ratio);
    folds->excludes(ratio)->excludes(counts)->excludes(names);
  }

  void add_vote(CLI::App& app) {
    auto& o = vote_options_;
    vote_ = app.add_subcommand("vote", "agreement of annotators (Fleiss' kappa), and a data set labelled with their majority");
    vote_->add_option("data,--data", o.data, "data set with votes")->required()->type_name("DATASET");
    vote_->add_option("--out", o.out, "data set to make; ties are left out")->type_name("DATASET");
    vote_->add_option("--at-least", o.at_least, "equal votes a majority needs (SE30K8: 3 of 5)")->capture_default_str();
    vote_->add_option("--json", o.json, "writes the figures there as well")->type_name("FILE");
  }

  void add_pack(CLI::App& app) {
    auto& o = pack_options_;
    pack_ = app.add_subcommand("pack", "packs a data set into tar shards in WebDataset's form; they are read without unpacking");
    pack_->add_option("data,--data", o.data, "data set")->required()->type_name("DATASET");
    pack_->add_option("--out", o.out, "data set to make")->required()->type_name("DATASET");
    pack_->add_option("--samples", o.samples, "samples in a shard")->capture_default_str();
    pack_->footer("Shards of others become a data set by emotion_data import webdataset.");
  }

  void add_fetch(CLI::App& app) {
    auto& o = fetch_options_;
    fetch_ = app.add_subcommand("fetch", "fetches pictures by URL; what fails stands in failures.tsv with its reason");
    auto* urls = fetch_->add_option("--urls", o.urls, "table of `relative path<TAB>url`")->type_name("FILE");
    auto* data = fetch_->add_option("--data", o.data, "data set with a urls.tsv; pictures go to its image root");
    auto* out = fetch_->add_option("--out", o.out, "folder of the pictures, with --urls")->type_name("DIR");
    fetch_->add_option("--parallel", o.parallel, "transfers at once")->capture_default_str();
    fetch_->add_option("--per-host", o.per_host, "of them from one host")->capture_default_str();
    fetch_->add_option("--timeout", o.timeout, "seconds a picture may take")->capture_default_str();
    fetch_->add_option("--retries", o.retries, "further attempts after 429, 5xx, time-outs and cut connections")
        ->capture_default_str();
    fetch_->add_option("--max-megabytes", o.max_megabytes, "larger pictures are refused")->capture_default_str();
    fetch_->add_flag("--retry-failed", o.retry_failed, "tries again what failed for good before");
    fetch_->add_flag("--allow-private", o.allow_private, "also from this machine and private networks");
    fetch_->add_option("--workers", o.workers, "threads that decode; 0 = one per core")->capture_default_str();
    data->type_name("DATASET")->excludes(urls)->excludes(out);
  }

  CLI::App *curate_ = nullptr, *dedup_ = nullptr, *split_ = nullptr, *vote_ = nullptr, *pack_ = nullptr, *fetch_ = nullptr;
  CurateCommandOptions curate_options_;
  DedupOptions dedup_options_;
  SplitOptions split_options_;
  VoteOptions vote_options_;
  PackOptions pack_options_;
  FetchOptions fetch_options_;
};

}  // namespace emotion
