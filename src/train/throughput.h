#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace emotion {

/// How fast a run trains, for a line of metrics.jsonl: what is done between the steps does not count.
///
/// `waited`: the seconds that the training has waited for batches so far.
class Throughput {
 public:
  using Clock = std::chrono::steady_clock;
  struct Rates {
    double seconds;             ///< of training since the last take(), that before a pause() included
    double samples_per_second;  ///< since restart() or take()
    double data_wait;           ///< the part of that time that went into waiting for data, 0 to 1
  };

  void add(std::int64_t samples) { samples_ += samples; }
  /// Training ends for a while: its seconds count in the next line, its samples do not.
  void pause() { paused_seconds_ += seconds(); }
  /// Training begins, or goes on after pause().
  void restart(double waited) {
    began_ = Clock::now();
    waited_ = waited;
    samples_ = 0;
  }
  /// `duration` of the time since restart() was no training.
  void shift(Clock::duration duration) { began_ += duration; }
  /// The rates by now; begins anew.
  Rates take(double waited) {
    const double passed = seconds(), divisor = std::max(passed, 1e-9);
    const Rates rates{.seconds = passed + std::exchange(paused_seconds_, 0.0),
                      .samples_per_second = static_cast<double>(samples_) / divisor,
                      .data_wait = std::clamp((waited - waited_) / divisor, 0.0, 1.0)};
    restart(waited);
    return rates;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  std::int64_t samples_ = 0;
  Clock::time_point began_ = Clock::now();
  double waited_ = 0, paused_seconds_ = 0;
};

}  // namespace emotion
