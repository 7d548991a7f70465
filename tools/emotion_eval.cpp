#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Measures a trained network: top-1, top-5, balanced accuracy, average precision, confusion.", "emotion_eval");
  emotion::EvalOptions o;
  add_checkpoint_flags(app, o, /*required=*/true);
  app.add_option("--data", o.data, "data set; default: the run's validation data")->type_name("DATASET");
  app.add_option("--split", o.split, "default: test, or the run's validation split");
  app.add_option("--output", o.output, "folder for metrics.json")->type_name("DIR");
  app.footer("Example: emotion_eval --checkpoint runs/demo/emotionnet --output results");
  return emotion::run_command(app, argc, argv, [&] { emotion::call_library("emotion_eval", o); });
}
