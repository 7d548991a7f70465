#pragma once

namespace emotion {

/// From now on SIGINT and SIGTERM ask for a stop at the next safe point; a second one ends the process at once (exit 130).
/// SIGPIPE and SIGXFSZ become write errors.
void handle_stop_signals();

/// True once SIGINT or SIGTERM came. Long loops look here between pieces of work, save, and throw Interrupted.
bool stop_requested() noexcept;

}  // namespace emotion
