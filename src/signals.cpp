#include "emotion/signals.h"

#include <unistd.h>

#include <csignal>

namespace emotion {
namespace {

volatile std::sig_atomic_t stop_signals = 0;

void on_stop_signal(int /*signal*/) {
  if (stop_signals > 0) ::_exit(130);
  stop_signals = 1;
}

}  // namespace

void handle_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool stop_requested() noexcept { return stop_signals > 0; }

}  // namespace emotion
