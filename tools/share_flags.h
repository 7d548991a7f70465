#pragma once

#include "command_line.h"

/// Flags of every command whose work several processes share.
inline void add_share_flags(CLI::App& app, emotion::ShareOptions& o) {
  app.add_option("--nproc", o.nproc, "processes on this host that share the work; torchrun and Slurm start them on several hosts")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  app.add_option("--timeout", o.timeout, "seconds without a sign of a process until the others stop")
      ->capture_default_str()
      ->check(emotion::positive());
}
