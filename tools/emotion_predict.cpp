#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Says what a trained network sees in pictures.", "emotion_predict");
  emotion::PredictOptions o;
  add_checkpoint_flags(app, o, /*required=*/true);
  app.add_option("images", o.inputs, "pictures or folders of them")->required()->type_name("IMAGE|DIR");
  app.add_option("--json", o.json, "writes all probabilities there")->type_name("FILE");
  app.add_option("--report", o.report, "writes a page with the pictures and their class activation maps")->type_name("FILE");
  app.add_option("--top", o.top, "classes shown")->capture_default_str();
  app.footer("Example: emotion_predict --checkpoint runs/demo/emotionnet photo.jpg --report photo.html");
  return emotion::run_command(app, argc, argv, [&] { emotion::call_library("emotion_predict", o); });
}
