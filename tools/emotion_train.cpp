#include "command_line.h"
#include "emotion/commands/train.h"

int main(int argc, char** argv) {
  CLI::App app("Trains a network from a YAML file into a run folder.", "emotion_train");
  emotion::TrainOptions options;
  app.add_option("--config", options.config,
                 "YAML file: what is trained, on what, how, keys in --schema; or a run folder: its config.yaml")
      ->type_name("FILE");
  app.add_option("--set", options.settings, "overrides a key, for instance --set train.epochs=5; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--output", options.output,
                 "run folder (default: output: of the config; with --resume and a run's config.yaml, where that lies)")
      ->type_name("DIR");
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N (device: of the config)")->type_name("D");
  app.add_option("--nproc", options.nproc, "processes on this host that train together; batch and workers are those of each")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("--profile", options.profile, "traces N steps, after two, into trace.json in the run folder")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--resume", options.resume, "goes on from the last checkpoint; starts if there is none");
  app.add_flag("--print-config", options.print_config, "prints the resolved config and stops");
  app.add_flag("--schema", options.schema, "prints every key: type, default, tasks, meaning");
  app.footer("Example: emotion_train --config configs/classifier/facial_expressions.yaml --output runs/faces");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_train, options); });
}
