#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Trains a linear classifier on frozen features and measures it on the test split.", "emotion_probe");
  emotion::ProbeCommand o;
  add_checkpoint_flags(app, o, /*required=*/false);
  app.add_option("--config", o.config,
                 "config with a probe section; its output is the checkpoint, its training data the data set")
      ->type_name("FILE");
  app.add_option("--data", o.data, "data set with labels")->type_name("DATASET");
  app.add_option("--train-split", o.train_split)->capture_default_str();
  app.add_option("--test-split", o.test_split)->capture_default_str();
  app.add_option("--solver", o.solver, "lbfgs: the optimum of the regularised problem; sgd: the papers' recipe")
      ->check(CLI::IsMember({"lbfgs", "sgd"}));
  app.add_option("--C", o.C, "lbfgs: inverse of the L2 penalty; default 1")->check(CLI::PositiveNumber);
  app.add_option("--fraction", o.fraction, "part of the training samples used")
      ->capture_default_str()
      ->check(CLI::Range(1e-9, 1.0));
  app.add_option("--seed", o.seed)->capture_default_str();
  app.add_option("--output", o.output, "folder for metrics.json")->type_name("DIR");
  app.footer("Example: emotion_probe --checkpoint runs/demo/emotionnet --data data/demo/affect");
  return emotion::run_command(app, argc, argv, [&] { emotion::call_library("emotion_probe", o); });
}
