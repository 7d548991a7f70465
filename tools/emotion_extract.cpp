#include "checkpoint_flags.h"
#include "share_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Writes the features of a data set or a folder of pictures; goes on where it stopped.", "emotion_extract");
  emotion::ExtractOptions o;
  add_checkpoint_flags(app, o, /*required=*/true);
  add_batch_flags(app, o);
  app.add_option("--data", o.data, "data set, or a folder of pictures (sorted by path)")->required()->type_name("DATASET|DIR");
  app.add_option("--split", o.split, "of a data set")->capture_default_str();
  app.add_option("--out", o.out, "tensor `features` [n, D]; of a folder with its pictures' names, metadata `images`, a JSON list")
      ->required()
      ->type_name("F.safetensors");
  add_share_flags(app, o.share);
  app.footer("Example: emotion_extract --checkpoint runs/demo/emotionnet --data data/demo/affect --out features.safetensors");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_extract, o); });
}
