#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app(
      "Measures a trained network: accuracy, average precision (pictures ranked by a class's logit), confusion, calibration, "
      "with 95 % intervals.",
      "emotion_eval");
  emotion::EvalOptions o;
  add_checkpoint_flags(app, o, /*required=*/true);
  add_batch_flags(app, o);
  app.add_option("--data", o.data, "data set; default: the run's validation data")->type_name("DATASET");
  app.add_option("--split", o.split, "default: test, or the run's validation split");
  app.add_option("--output", o.output, "folder for metrics.json, per_class.csv, confusion.csv and eval.html")->type_name("DIR");
  app.add_option("--compare", o.compare, "second network on the same samples: McNemar's test")->type_name("RUN|FILE");
  app.add_option("--bootstrap", o.bootstrap,
                 "resamples behind the intervals; 0 = none. A thousand of 70,000 samples take 0.1 s a class")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000));
  app.add_option("--seed", o.seed, "of the resamples")->capture_default_str();
  app.add_flag("--zero-shot", o.zero_shot, "the data set's classes by their words alone: --word2vec or --textcnn says how");
  app.add_option("--word2vec", o.word2vec, "zero-shot: cosine of the projected image with the mean vector of a class's words")
      ->type_name("FILE");
  app.add_option("--textcnn", o.textcnn,
                 "zero-shot: cosine of the image's emotions with those a TextCNN reads in a class's words")
      ->type_name("RUN|FILE");
  app.add_option("--synonyms", o.synonyms, "zero-shot: `class<TAB>word, word` lines; default: the class's name")
      ->type_name("FILE");
  app.add_flag("--crop-box", o.crop_box, "the sample's box is the picture, as EMOTIC-B is measured");
  app.footer("Example: emotion_eval --checkpoint runs/demo/emotionnet --output results");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_eval, o); });
}
