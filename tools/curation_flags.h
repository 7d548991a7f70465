#pragma once

#include "command_line.h"
#include "emotion/commands/curation.h"

namespace emotion {

/// The subcommands of emotion_data that make a data set from another.
class CurationCommands {
 public:
  explicit CurationCommands(CLI::App& app) {
    add_dedup(app);
    add_split(app);
    add_vote(app);
  }

  /// Runs the one that was asked for, if it is one of these.
  void run() const {
    if (dedup_->parsed()) call_library("emotion_data_dedup", dedup_options_);
    if (split_->parsed()) call_library("emotion_data_split", split_options_);
    if (vote_->parsed()) call_library("emotion_data_vote", vote_options_);
  }

 private:
  void add_dedup(CLI::App& app) {
    auto& o = dedup_options_;
    dedup_ = app.add_subcommand("dedup", "finds near-duplicate pictures over all splits by perceptual hash, and leaves them out");
    dedup_->add_option("--data", o.data, "data set; hashes are kept in its hashes.tsv")->required()->type_name("DATASET");
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
    split_->add_option("--data", o.data, "data set")->required()->type_name("DATASET");
    split_->add_option("--out", o.out, "data set to make")->required()->type_name("DATASET");
    auto* ratio = split_->add_option("--ratio", o.ratio, "shares of train, val and test")->capture_default_str();
    auto* counts = split_->add_option("--counts", o.counts, "samples of each part instead; * is the rest: */33000/71000");
    auto* folds = split_->add_option("--folds", o.folds, "K: splits train-1, val-1 .. train-K, val-K instead");
    auto* names = split_->add_option("--names", o.names, "names of the parts: train/val/test");
    split_->add_option("--groups", o.groups, "near-duplicates to keep together, from emotion_data dedup")->type_name("FILE");
    split_->add_option("--key", o.key, "images whose name gives the same first group stay together: '(.*)/' by folder")
        ->type_name("REGEX");
    split_->add_option("--seed", o.seed)->capture_default_str();
    counts->excludes(ratio);
    folds->excludes(ratio)->excludes(counts)->excludes(names);
  }

  void add_vote(CLI::App& app) {
    auto& o = vote_options_;
    vote_ = app.add_subcommand("vote", "agreement of annotators (Fleiss' kappa), and a data set labelled with their majority");
    vote_->add_option("--data", o.data, "data set with votes")->required()->type_name("DATASET");
    vote_->add_option("--out", o.out, "data set to make; ties are left out")->type_name("DATASET");
    vote_->add_option("--at-least", o.at_least, "equal votes a majority needs (SE30K8: 3 of 5)")->capture_default_str();
    vote_->add_option("--json", o.json, "writes the figures there as well")->type_name("FILE");
  }

  CLI::App *dedup_ = nullptr, *split_ = nullptr, *vote_ = nullptr;
  DedupOptions dedup_options_;
  SplitOptions split_options_;
  VoteOptions vote_options_;
};

}  // namespace emotion
