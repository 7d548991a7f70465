#include "distributed_watch.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "emotion/signals.h"

namespace emotion {
namespace {

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

std::string key_of(int rank) { return "state/" + std::to_string(rank); }

}  // namespace

struct Watch::Shared {
  c10::intrusive_ptr<c10d::Store> store;
  int rank = 0, holder = 0;
  std::vector<std::string> names;
  double timeout = 0;

  std::mutex mutex;
  std::condition_variable wake, seen;
  std::vector<State> states;
  std::int64_t rounds = 0;
  Clock::time_point last_round = Clock::now();
  bool urgent = false, poked = false, quit = false, ended = false;

  void poke() {
    poked = true;
    wake.notify_all();
  }
  std::string store_error;
  std::function<void()> on_loss;   // empty once it was called
  std::unique_ptr<PeerLost> loss;  // for which it was called
  bool abandoned = false, abandoning = false;

  double period() const { return std::clamp(timeout / 10, 0.05, 1.0); }
  /// Silence that counts once something has gone wrong.
  double suspicion() const { return std::clamp(timeout / 2, 3 * period(), 5.0); }

  std::vector<std::uint8_t> text_of_mine() {
    State& mine = states[static_cast<std::size_t>(rank)];
    ++mine.beat;
    mine.asked = stop_requested();
    const std::string text = fmt::format("{} {} {} {} {:d} {:d} {:d} {}\n{}", mine.beat, mine.exchanges, mine.done, mine.steps,
                                         mine.promised, mine.asked, mine.stopped, mine.culprit, mine.text);
    return {text.begin(), text.end()};
  }

  void take(std::size_t other, const std::vector<std::uint8_t>& bytes) {
    std::istringstream in(std::string(bytes.begin(), bytes.end()));
    State read;
    in >> read.beat >> read.exchanges >> read.done >> read.steps >> read.promised >> read.asked >> read.stopped >> read.culprit;
    in.ignore(1);
    std::getline(in, read.text, '\0');
    const State& before = states[other];
    read.changed = read.beat != before.beat ? Clock::now() : before.changed;
    const bool stays = read.promised && before.promised && read.steps == before.steps;
    read.stepped = stays ? before.stepped : Clock::now();
    states[other] = std::move(read);
  }
};

Watch::Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int holder, std::vector<std::string> names, double timeout)
    : shared_(std::make_shared<Shared>()) {
  shared_->store = std::move(store);
  shared_->rank = rank;
  shared_->holder = holder;
  shared_->states.resize(names.size());
  shared_->names = std::move(names);
  shared_->timeout = timeout;
  thread_ = std::thread(&Watch::run, shared_);
}

Watch::~Watch() {
  {
    std::unique_lock lock(shared_->mutex);
    shared_->quit = true;
    shared_->wake.notify_all();
    // A store that no longer answers may hold the thread: it is left behind then.
    shared_->seen.wait_for(lock, std::chrono::duration<double>(shared_->suspicion()), [&] { return shared_->ended; });
    if (!shared_->ended) {
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

void Watch::run(std::shared_ptr<Shared> shared) {
  std::vector<std::string> keys;
  for (std::size_t r = 0; r < shared->names.size(); ++r) keys.push_back(key_of(static_cast<int>(r)));
  std::unique_lock lock(shared->mutex);
  try {
    for (bool last = false; !last;) {
      last = shared->quit;  // what was said before `quit` still goes out
      const auto mine = shared->text_of_mine();
      lock.unlock();
      shared->store->set(key_of(shared->rank), mine);
      const auto all = shared->store->check(keys) ? shared->store->multiGet(keys) : std::vector<std::vector<std::uint8_t>>{};
      lock.lock();
      for (std::size_t r = 0; r < all.size(); ++r) {
        if (static_cast<int>(r) != shared->rank) shared->take(r, all[r]);
      }
      ++shared->rounds;
      shared->last_round = Clock::now();
      look_for_loss(shared);
      shared->seen.notify_all();
      if (last) break;
      const double pause = shared->urgent ? 0.01 : shared->period();
      shared->wake.wait_for(lock, std::chrono::duration<double>(pause), [&] { return shared->quit || shared->poked; });
      shared->poked = false;
    }
  } catch (const std::exception& error) {
    if (!lock.owns_lock()) lock.lock();
    shared->store_error = error.what();
  }
  shared->ended = true;
  look_for_loss(shared);
  shared->seen.notify_all();
}

void Watch::look_for_loss(const std::shared_ptr<Shared>& shared) {
  const bool stopped = shared->states[static_cast<std::size_t>(shared->rank)].stopped;
  if (!shared->on_loss || shared->quit || stopped) return;
  if ((shared->loss = look(*shared, shared->timeout))) begin_to_abandon(shared);
}

void Watch::begin_to_abandon(const std::shared_ptr<Shared>& shared) {
  shared->abandoned = shared->abandoning = true;
  std::thread([shared, action = std::exchange(shared->on_loss, nullptr)]() mutable {
    try {
      action();
    } catch (const std::exception&) {  // the loss is what is told
    }
    action = nullptr;
    const std::lock_guard lock(shared->mutex);
    shared->abandoning = false;
    shared->seen.notify_all();
  }).detach();  // one that takes too long is left behind
}

void Watch::on_loss(std::function<void()> action) {
  const std::lock_guard lock(shared_->mutex);
  shared_->on_loss = std::move(action);
}

void Watch::abandon() {
  std::unique_lock lock(shared_->mutex);
  if (shared_->on_loss) begin_to_abandon(shared_);
  shared_->seen.wait_for(lock, std::chrono::duration<double>(shared_->suspicion()), [&] { return !shared_->abandoning; });
}

bool Watch::abandoned() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->abandoned;
}

void Watch::enter_exchange() {
  const std::lock_guard lock(shared_->mutex);
  ++shared_->states[static_cast<std::size_t>(shared_->rank)].exchanges;
}

void Watch::done(std::int64_t n) {
  const std::lock_guard lock(shared_->mutex);
  shared_->states[static_cast<std::size_t>(shared_->rank)].done = n;
  shared_->poke();
}

void Watch::promise_steps(bool promised) {
  const std::lock_guard lock(shared_->mutex);
  shared_->states[static_cast<std::size_t>(shared_->rank)].promised = promised;
}

void Watch::step() {
  const std::lock_guard lock(shared_->mutex);
  ++shared_->states[static_cast<std::size_t>(shared_->rank)].steps;
}

bool Watch::stop_asked() const {
  const std::lock_guard lock(shared_->mutex);
  const auto& states = shared_->states;
  return stop_requested() || std::any_of(states.begin(), states.end(), [](const State& state) { return state.asked; });
}

PeerLost Watch::lost(const Shared& s, int rank, const std::string& what) {
  return {fmt::format("{} {}", s.names[static_cast<std::size_t>(rank)], what), rank};
}

std::unique_ptr<PeerLost> Watch::look(const Shared& s, double limit) {
  if (s.loss) return std::make_unique<PeerLost>(*s.loss);
  const auto now = Clock::now();
  const State* first = nullptr;
  int at = -1;
  for (std::size_t r = 0; r < s.states.size(); ++r) {
    const State& state = s.states[r];
    if (static_cast<int>(r) == s.rank || !state.stopped || state.culprit < 0) continue;
    // One that stopped by itself says more than one that stopped because of another.
    if (!first || state.culprit == static_cast<int>(r)) first = &state, at = static_cast<int>(r);
  }
  if (first && first->culprit == at) return std::make_unique<PeerLost>(lost(s, at, "stopped: " + first->text));
  if (first) return std::make_unique<PeerLost>(first->text, first->culprit);
  const double unanswered = seconds_between(s.last_round, now);
  if (s.ended || unanswered > limit) {
    const std::string how =
        s.ended ? "is gone: its end of the rendezvous is closed" : fmt::format("does not answer for {:.0f} s", unanswered);
    if (s.holder >= 0 && s.holder != s.rank) return std::make_unique<PeerLost>(lost(s, s.holder, how));
    if (s.holder < 0) return std::make_unique<PeerLost>("the rendezvous " + how, -1);
  }
  for (std::size_t r = 0; r < s.states.size(); ++r) {
    const State& state = s.states[r];
    const double silent = seconds_between(state.changed, now);
    if (static_cast<int>(r) == s.rank || state.stopped || silent <= limit) continue;
    return std::make_unique<PeerLost>(
        lost(s, static_cast<int>(r), fmt::format("was killed, hangs or lost its network: no sign of it for {:.0f} s", silent)));
  }
  for (std::size_t r = 0; r < s.states.size(); ++r) {
    const State& state = s.states[r];
    const double stays = seconds_between(state.stepped, now);
    if (static_cast<int>(r) == s.rank || state.stopped || !state.promised || stays <= s.timeout + kStepGrace) continue;
    return std::make_unique<PeerLost>(
        lost(s, static_cast<int>(r), fmt::format("lives but hangs: no step of its work for {:.0f} s", stays)));
  }
  return nullptr;
}

void Watch::wait_for(int rank, std::int64_t n) {
  std::unique_lock lock(shared_->mutex);
  shared_->urgent = true;
  shared_->poke();
  while (shared_->states[static_cast<std::size_t>(rank)].done < n) {
    if (const auto found = look(*shared_, shared_->timeout)) throw PeerLost(*found);
    shared_->seen.wait_for(lock, std::chrono::milliseconds(50));
  }
  shared_->urgent = false;
}

void Watch::check() const {
  const std::lock_guard lock(shared_->mutex);
  if (const auto found = look(*shared_, shared_->timeout)) throw PeerLost(*found);
}

std::unique_ptr<PeerLost> Watch::await_verdict() {
  std::unique_lock lock(shared_->mutex);
  const auto begin = Clock::now();
  const double suspicion = shared_->suspicion();
  while (seconds_between(begin, Clock::now()) < 2 * suspicion) {
    if (auto found = look(*shared_, suspicion)) return found;
    shared_->seen.wait_for(lock, std::chrono::milliseconds(50));
  }
  return nullptr;
}

PeerLost Watch::find_lost(const std::string& reason) {
  if (const auto found = await_verdict()) return *found;
  const std::lock_guard lock(shared_->mutex);
  // All are alive: the one that is behind keeps the others waiting.
  const auto& states = shared_->states;
  const auto behind =
      std::min_element(states.begin(), states.end(), [](const State& a, const State& b) { return a.exchanges < b.exchanges; });
  const auto rank = static_cast<int>(behind - states.begin());
  const auto mine = states[static_cast<std::size_t>(shared_->rank)].exchanges;
  if (rank != shared_->rank && behind->exchanges < mine)
    return lost(*shared_, rank, fmt::format("lives but takes no part: it is {} exchanges behind", mine - behind->exchanges));
  return {"an exchange between the processes failed: " + reason, -1};
}

void Watch::tell(int culprit, const std::string& text) {
  const std::lock_guard lock(shared_->mutex);
  State& mine = shared_->states[static_cast<std::size_t>(shared_->rank)];
  mine.stopped = true;
  mine.culprit = culprit;
  mine.text = text;
  shared_->urgent = true;
  shared_->poke();
}

void Watch::stop() {
  std::unique_lock lock(shared_->mutex);
  const int culprit = shared_->states[static_cast<std::size_t>(shared_->rank)].culprit;
  const bool holds = shared_->holder == shared_->rank;
  const std::int64_t round = shared_->rounds + 2;  // one that began after this
  const auto begin = Clock::now();
  const double patience = culprit < 0 ? shared_->timeout : 2 * shared_->suspicion();
  while (!shared_->ended && seconds_between(begin, Clock::now()) < patience) {
    bool others = shared_->rounds >= round;
    for (std::size_t r = 0; holds && r < shared_->states.size(); ++r) {
      const State& state = shared_->states[r];
      const bool silent = seconds_between(state.changed, Clock::now()) > shared_->suspicion();
      others = others && (static_cast<int>(r) == shared_->rank || state.stopped || silent);
    }
    if (others) break;
    shared_->seen.wait_for(lock, std::chrono::milliseconds(50));
  }
}

}  // namespace emotion
