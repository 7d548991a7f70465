#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Measures features: a classifier is fitted to what a frozen network gives, and measured on the test split.",
               "emotion_probe");
  emotion::ProbeCommand o;
  add_checkpoint_flags(app, o, /*required=*/false);
  add_batch_flags(app, o);
  app.get_option("--batch")->description("images a forward pass; fine_tune: and samples a step, instead of train.batch");
  app.get_option("--set")->description("overrides a key of the config, and of the checkpoint's own: --set probe.momentum=0");
  app.get_option("--checkpoint")
      ->description("run folder, a checkpoint's folder, or a weights file; random: an untrained --set model.backbone=NAME");
  app.add_option("--config", o.config, "config with a probe section, its training data and its checkpoint; flags come before it")
      ->type_name("FILE");
  app.add_option("--data", o.data, "data set with labels")->type_name("DATASET");
  app.add_option("--train-split", o.train_split, "default: train");
  app.add_option("--val-split", o.validation_split,
                 "where a sweep, or fine_tune's best checkpoint, is chosen; default: val, else a fifth of the training split "
                 "(fine_tune: the last checkpoint)");
  app.add_option("--test-split", o.test_split, "default: test");
  app.add_option("--targets", o.targets, "labels, keywords, one_vs_all:CLASS or a file, as data.targets");
  app.add_option("--method", o.method,
                 "linear; knn: nearest neighbours by cosine; fine_tune: the whole network trained on, as optimizer, schedule and "
                 "train of the config or --set say; one label a sample")
      ->check(CLI::IsMember({"linear", "knn", "fine_tune"}));
  app.add_option("--solver", o.solver, "lbfgs: the optimum of the regularised problem; sgd: the papers' recipe")
      ->check(CLI::IsMember({"lbfgs", "sgd"}));
  app.add_option("--C", o.C, "lbfgs: inverse of the L2 penalty; default 1")->check(emotion::positive());
  app.add_option("--lr", o.lr, "sgd: learning rate, a tenth every 10 epochs; default 0.1")->check(emotion::positive());
  app.add_option("--epochs", o.epochs, "sgd; default 30")->check(emotion::counts(1));
  app.add_option("--epoch-samples", o.epoch_samples, "sgd: samples an epoch, as many of every class; default: all, each once")
      ->check(emotion::counts(0));
  app.add_option("--sweep", o.sweep, "values of lr (sgd), C (lbfgs) or k (knn), of which validation data choose one")
      ->delimiter(',')
      ->check(emotion::positive());
  app.add_option("--k", o.k, "knn: neighbours that vote; default 20")->check(emotion::counts(1));
  app.add_option("--seed", o.seed, "default 1");
  app.add_option("--seeds", o.seeds, "repetitions with seed, seed + 1, ..: mean and standard deviation")
      ->check(emotion::counts(1));
  app.add_option("--folds", o.folds, "cross-validation over the training split in place of a test split")
      ->check(emotion::counts(0));
  app.add_option("--fraction", o.fraction, "part of the training samples used; default 1")->check(CLI::Range(1e-9, 1.0));
  app.add_flag("--one-vs-all", o.one_vs_all, "a binary problem for each class");
  app.add_option("--views", o.views,
                 "augmented views of every training picture; default 0: the one that validation sees, which scores in any case")
      ->check(emotion::counts(0));
  app.add_flag("--crop-box", o.crop_box, "the sample's box is the picture");
  app.add_option("--cache", o.cache, "folder where features are kept; default ~/.cache/emotion/features")->type_name("DIR");
  app.add_flag("--no-cache", o.no_cache, "features are not kept");
  app.add_option("--output", o.output, "folder for metrics.json and probe.safetensors")->type_name("DIR");
  app.footer("Example: emotion_probe --checkpoint runs/demo/emotionnet --data data/demo/affect --sweep 0.01,0.1,1,10");
  return emotion::run_command(app, argc, argv, [&] {
    o.batch_given = app.count("--batch") > 0;
    EMOTION_CALL(emotion_probe, o);
  });
}
