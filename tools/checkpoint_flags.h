#pragma once

#include "command_line.h"
#include "emotion/commands/eval.h"

/// Flags of every command that runs a trained network.
inline void add_checkpoint_flags(CLI::App& app, emotion::CheckpointOptions& o, bool required) {
  auto* checkpoint =
      app.add_option("--checkpoint", o.checkpoint, "run folder (best checkpoint), a checkpoint's folder, or a weights file")
          ->type_name("RUN|FILE");
  if (required) checkpoint->required();
  app.add_option("--set", o.settings, "overrides a key of the stored config, for instance --set model.backbone=resnet18")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--device", o.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
}

/// Of those that run it over a whole data set.
inline void add_batch_flags(CLI::App& app, emotion::CheckpointOptions& o) {
  app.add_option("--batch", o.batch, "images a forward pass")->capture_default_str()->check(emotion::counts(1));
  app.add_option("--workers", o.workers, "decoding threads; 0 = one per core")->capture_default_str();
}
