#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "emotion/train/distributed.h"

namespace emotion {

/// Seconds beyond the timeout until a process that lives, but takes no part or no step, counts as hanging.
inline constexpr double kStepGrace = 5;

/// Signs of life of the processes of a group: each writes a state into the rendezvous' store, again and again, and reads those of
/// the others. A thread of its own does so, so that a process that is busy is not taken for a dead one; and it is the only one
/// that touches its connection, so that a store that no longer answers blocks nobody else.
class Watch {
 public:
  /// names: what a message calls each rank. `holder`: the rank that holds the store, -1 if none of them does.
  Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int holder, std::vector<std::string> names, double timeout);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// This process begins an exchange with the others: those that do not are behind.
  void enter_exchange();
  /// This process has finished something others wait for in wait_for(): its n-th.
  void done(std::int64_t n);
  /// From here on (or no longer) this process gets on step by step, and step() says so: one that stays at a step for longer than
  /// kStepGrace seconds beyond the timeout hangs. Without the promise a process may be busy for as long as it likes.
  void promise_steps(bool promised);
  void step();
  /// True once any process was asked to stop (SIGINT, SIGTERM), as far as is known here.
  bool stop_asked() const;
  /// Until `rank` has done its n-th, however long it takes. @throws PeerLost
  void wait_for(int rank, std::int64_t n);
  /// @throws PeerLost if another process is lost, as far as is known here
  void check() const;
  /// `action` ends what would wait for a lost process without a limit, as a GPU does for its peers. It is called once, in a
  /// thread of its own, as soon as another process is lost; check() then says so for good. An empty one: none any more.
  void on_loss(std::function<void()> action);
  /// Calls it now, if that has not happened, and waits for its end, for some seconds at most.
  void abandon();
  /// True once it was called: what it has ended may look done, with any values.
  bool abandoned() const;
  /// After something has failed: who is gone, once that is seen; null if everyone lives. Takes some seconds at most.
  std::unique_ptr<PeerLost> await_verdict();
  /// After an exchange has failed with `reason`: whose fault it is. Takes some seconds at most.
  PeerLost find_lost(const std::string& reason);
  /// Tells the others that this process has stopped: with an error, because of rank `culprit` (itself: its own), or done
  /// (culprit -1).
  void tell(int culprit, const std::string& text);
  /// After tell(): waits until the others know, as long as that makes sense.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    std::int64_t beat = 0, exchanges = 0, done = 0, steps = 0;
    bool promised = false, asked = false, stopped = false;
    int culprit = -1;
    std::string text;
    Clock::time_point changed = Clock::now();  // when `beat` last did
    Clock::time_point stepped = Clock::now();  // when `steps` last did, or the promise began
  };
  struct Shared;

  static void run(std::shared_ptr<Shared> shared);
  static void look_for_loss(const std::shared_ptr<Shared>& shared);
  static void begin_to_abandon(const std::shared_ptr<Shared>& shared);
  static PeerLost lost(const Shared& s, int rank, const std::string& what);
  /// Someone who has stopped with an error, the store that does not answer, or a rank silent for longer than `limit` seconds.
  static std::unique_ptr<PeerLost> look(const Shared& s, double limit);

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace emotion
