#include "command_line.h"
#include "emotion/commands/convert.h"

int main(int argc, char** argv) {
  CLI::App app("Converts weights: .pth and .safetensors into each other, names, ONNX; word dictionaries into word2vec's form.",
               "emotion_convert");
  emotion::ConvertOptions options;
  app.add_option("input", options.input, "weights (.pth, .safetensors), a run folder, or a pickle of word vectors (.pl, .pkl)")
      ->required()
      ->type_name("FILE|RUN");
  app.add_option("output", options.output,
                 "written in the form of its name: .safetensors, .pth or .pt, .onnx (every network), .bin or .txt "
                 "(word2vec)")
      ->type_name("FILE");
  app.add_flag("--list", options.list, "prints name, dtype and shape of every tensor (after --map) instead of writing");
  app.add_option(
         "--map", options.map,
         "renames tensors: emotionnet (the released EmotionNet's names to ours), torchvision (ours to torchvision's), or a file "
         "of pattern<TAB>replacement lines (- leaves out)")
      ->type_name("NAME|FILE");
  app.add_option("--like", options.like,
                 "names and shapes must fit: a backbone (resnet50 ..) or a weights file; all that differ are listed")
      ->type_name("NAME|FILE");
  app.add_option("--config", options.config, "with --classes: stored in a .safetensors file, which is a checkpoint then")
      ->type_name("FILE");
  app.add_option("--classes", options.classes, "a file with a class a line, or a data set")->type_name("FILE|DATASET");
  app.add_option("--set", options.settings, "overrides a key of --config, or for .onnx of the checkpoint's config")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.footer(
      "Example: emotion_convert model_best.pth.tar emotionnet.safetensors --map emotionnet --config configs/emotionnet/base.yaml "
      "--classes data/stock");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_convert, options); });
}
