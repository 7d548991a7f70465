#include "command_line.h"
#include "emotion/commands/reproduce.h"

int main(int argc, char** argv) {
  CLI::App app("Runs the papers' tables, a row a config, and prints the paper's figure beside the measured one.",
               "emotion_reproduce");
  emotion::ReproduceOptions o;
  app.add_option("--table", o.tables,
                 "a table as --list names it, for instance emotionnet/2, or emotionnet for all of a paper; default: all")
      ->type_name("ID");
  app.add_flag(
      "--list", o.list,
      "prints every row, what it needs and whether that is there, to be made or missing, and the paper's figure; runs nothing");
  app.add_option("--scale", o.scale, "paper, or synth: the same rows with small networks on drawn data sets that it makes itself")
      ->capture_default_str();
  app.add_option("--seeds", o.seeds, "seeds of every training; default 1, and 1,2,3 with --scale synth")->delimiter(',');
  app.add_option("--output", o.output, "folder for runs, results and tables; default runs/reproduce, runs/reproduce-synth")
      ->type_name("DIR");
  app.add_option("--jobs", o.jobs, "commands at a time; default 1, and one per core with --scale synth")
      ->check(emotion::counts(1));
  app.add_option("--device", o.device, "auto, cpu, cuda or cuda:N, for every training and measurement");
  app.add_option("--set", o.settings, "overrides a key of every training that has it, for instance --set train.epochs=5")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--keep-weights", o.keep_weights, "with --scale synth: weights stay when their rows are measured");
  app.add_flag("--again", o.again,
               "what was trained on or made of data or weights that have changed since is removed and made anew; without it such "
               "a row fails and says what has changed");
  app.add_option("--configs", o.configs, "folder that holds tables/, scales/ and the rows' configs")->capture_default_str();
  app.add_option("--bin", o.bin, "folder of the commands it runs; default: its own")->type_name("DIR");
  auto* compare = app.add_option("--compare", o.compare,
                                 "instead: puts run folders side by side, other frameworks' too, by their TensorBoard events; "
                                 "the page is --output, default compare.html")
                      ->type_name("RUN");
  for (const char* of_tables :
       {"--table", "--list", "--scale", "--seeds", "--jobs", "--device", "--set", "--keep-weights", "--again", "--configs"})
    compare->excludes(of_tables);
  app.footer(
      "What is finished is kept: the same command again goes on where it stopped. A row without its data is listed as not run.\n"
      "Example: emotion_reproduce --scale synth --table emotionnet/3");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_reproduce, o); });
}
