#include <manta/serve/detail/heart.h>

#include <signal.h>

#include <algorithm>
#include <utility>

namespace manta::serve::detail {

void Pulse::beat(std::uint64_t replica, std::int64_t checking_ms) {
  Beat& beat = beats_[replica];
  beat.replica = replica;
  ++beat.count;
  beat.checking_ms = checking_ms;
}

std::vector<Beat> Pulse::beats(const std::vector<std::uint64_t>& replicas) {
  std::vector<Beat> known;
  for (const std::uint64_t replica : replicas) {
    if (const auto it = beats_.find(replica); it != beats_.end()) known.push_back(it->second);
  }
  beats_.clear();
  for (const Beat& beat : known) beats_[beat.replica] = beat;
  return known;
}

Heart::Heart(Lifeline line) : line_(std::move(line)) {
  sigset_t all, before;  // signals go to the program's own threads
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Heart::~Heart() {
  {
    const manta::detail::MutexLock lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Heart::run() {
  const std::chrono::milliseconds period(std::max<std::int64_t>(line_.period_ms, 1));
  const manta::detail::MutexLock lock(mutex_);
  while (!stopping_) {
    {
      const manta::detail::MutexUnlock unlocked(mutex_);
      beat();
    }
    const auto next = std::chrono::steady_clock::now() + period;
    while (!stopping_ && stopped_.wait_until(mutex_, next)) continue;
  }
}

void Heart::beat() {
  try {
    const std::int64_t since = checking_since_;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto checking = now - std::chrono::steady_clock::duration(since);
    (void)line_.pulse.call<&Pulse::beat>(
        line_.replica, since == 0 ? -1 : std::chrono::duration_cast<std::chrono::milliseconds>(checking).count());
  } catch (const Error&) {
    // The runtime is ending, or the pulse is being started again: the next beat says as much.
  }
}

}  // namespace manta::serve::detail
