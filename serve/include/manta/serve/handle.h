// Calls to a deployment from C++, without HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/detail/actor_status.h>
#include <manta/detail/mutex.h>
#include <manta/get.h>
#include <manta/serialize.h>
#include <manta/serve/detail/replica.h>

namespace manta::serve {

namespace detail {

template <class D>
using Replicas = std::vector<Actor<Replica<D>>>;

/// A handle in another process calls a replica only if the directory has listed it within this time.
inline constexpr std::chrono::milliseconds kRosterIsFresh{500};

/// A deployment's replicas; a later state has a higher version.
template <class D>
struct Roster {
  std::uint64_t version = 0;
  Replicas<D> replicas;
};

/// The actor in which handles of other processes look up the roster; made when the first handle is sent to one. It gets
/// the roster by calls, not by its constructor, whose arguments would keep the replicas for ever. After a restart of
/// the directory the server sends the roster again within a tenth of a second.
template <class D>
class Directory {
 public:
  static std::string_view manta_label() { return manta::detail::class_label<D>(); }
  void set(const Roster<D>& roster) {
    if (roster.version >= roster_.version) roster_ = roster;
  }
  /// Without replicas if the version is not later than `known`.
  Roster<D> since(std::uint64_t known) const {
    return roster_.version > known ? roster_ : Roster<D>{.version = roster_.version, .replicas = {}};
  }

 private:
  Roster<D> roster_;
};

/// The replicas to which all copies of a handle in this process send calls.
///
///     TARGETS-1  a call goes to a replica that the directory has listed within kRosterIsFresh: a handle that was idle
///                for longer asks the directory before it calls. The server kills a replaced replica later than that
///                (REPLACED-3), so no call goes to a replaced replica after the server has killed it
template <class D>
class Targets {
 public:
  using R = typename Callable<D>::Answer;
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLookEvery{100};
  static constexpr std::chrono::milliseconds kLookAgain{5};  ///< while the directory has no roster yet
  static constexpr std::chrono::seconds kLookTimeout{5};     ///< then it uses the roster that it has

  Targets() = default;
  /// For a handle that came from another process.
  explicit Targets(Actor<Directory<D>> directory) : directory_(std::move(directory)), follows_(true) {}

  void set(Replicas<D> replicas) {
    const manta::detail::MutexLock guard(mutex_);
    take({.version = version_ + 1, .replicas = std::move(replicas)});
    if (directory_) (void)tell();
  }
  /// Sends the roster again if the directory has restarted.
  void remind() {
    const manta::detail::MutexLock guard(mutex_);
    if (!directory_ || follows_) return;
    const std::uint32_t restarts = manta::detail::status_of(directory_, false).restarts;
    if (std::exchange(directory_restarts_, restarts) != restarts) (void)tell();
  }
  /// What represents a handle in other processes.
  Actor<Directory<D>> directory() {
    const manta::detail::MutexLock first(making_);
    Actor<Directory<D>> directory;
    Ref<void> known;
    {
      const manta::detail::MutexLock guard(mutex_);
      if (directory_) return directory_;
      directory = manta::actor<Directory<D>>.options({.max_restarts = -1, .max_task_retries = -1})();
      directory_ = directory;
      known = tell();
    }
    get(known);  // it knows before the first handle asks; not under mutex_, which the server's loop takes
    return directory;
  }
  template <class X>
  Ref<R> call(X&& argument) {
    const manta::detail::MutexLock guard(mutex_);
    if (follows_) look();
    if (all_.empty()) {
      throw Error(ErrorCode::unavailable, version_ > 0
                                              ? "the deployment of this serve::Handle has been stopped"
                                              : "the replicas of this serve::Handle are not known yet; try again");
    }
    Target& chosen = all_[choose()];
    Ref<R> answer = chosen.replica.template call<&Replica<D>::call>(std::forward<X>(argument));
    if (all_.size() > 1) chosen.ongoing.push_back(answer);
    return answer;
  }

 private:
  struct Target {
    Actor<Replica<D>> replica;
    std::deque<Ref<R>> ongoing;  // calls from this process, oldest first
  };

  Ref<void> tell() MANTA_REQUIRES(mutex_) {
    Roster<D> roster{.version = version_, .replicas = {}};
    for (const Target& target : all_) roster.replicas.push_back(target.replica);
    return directory_.template call<&Directory<D>::set>(roster);
  }
  void take(Roster<D> roster) MANTA_REQUIRES(mutex_) {
    version_ = roster.version;
    all_.clear();
    for (auto& replica : roster.replicas) all_.push_back({std::move(replica), {}});
  }
  // Asks for a newer roster now and then; waits for it only if there is no replica, or the roster is too old.
  void look() MANTA_REQUIRES(mutex_) {
    const auto now = Clock::now();
    if (asked_ && asked_.ready()) (void)hear();
    if (!all_.empty() && now - fresh_at_ <= kRosterIsFresh) {
      if (!asked_ && now - asked_at_ >= kLookEvery) ask(now);
      return;
    }
    for (auto at = now; at < now + kLookTimeout; at = Clock::now()) {
      ask(at);
      if (!hear() || fresh_at_ == at) return;
      std::this_thread::sleep_for(kLookAgain);
    }
  }
  void ask(Clock::time_point now) MANTA_REQUIRES(mutex_) {
    asked_ = directory_.template call<&Directory<D>::since>(version_);
    asked_at_ = now;
  }
  // False: the directory does not answer.
  bool hear() MANTA_REQUIRES(mutex_) {
    auto newer = try_get(std::exchange(asked_, {}), kLookTimeout);
    if (!newer) return false;
    if (newer->version == 0 || newer->version < version_) return true;  // it has restarted and has no roster yet
    fresh_at_ = asked_at_;
    if (newer->version > version_) take(std::move(*newer));
    return true;
  }
  // Power of two choices: of two replicas taken by chance the one with fewer calls under way.
  std::size_t choose() MANTA_REQUIRES(mutex_) {
    if (all_.size() == 1) return 0;
    const std::size_t one = random_() % all_.size();
    const std::size_t other = (one + 1 + random_() % (all_.size() - 1)) % all_.size();
    forget_ended(all_[one].ongoing);
    forget_ended(all_[other].ongoing);
    return all_[other].ongoing.size() < all_[one].ongoing.size() ? other : one;
  }
  static void forget_ended(std::deque<Ref<R>>& calls) {
    while (!calls.empty() && calls.front().ready()) calls.pop_front();
  }

  manta::detail::Mutex making_;  // held by the thread that makes the directory, taken before mutex_
  manta::detail::Mutex mutex_;
  std::vector<Target> all_ MANTA_GUARDED_BY(mutex_);
  std::uint64_t version_ MANTA_GUARDED_BY(mutex_) = 0;
  std::minstd_rand random_ MANTA_GUARDED_BY(mutex_){1};
  Actor<Directory<D>> directory_ MANTA_GUARDED_BY(mutex_);  // none: no handle has been given away
  std::uint32_t directory_restarts_ MANTA_GUARDED_BY(mutex_) = 0;
  const bool follows_ = false;  // whether the directory knows better
  Ref<Roster<D>> asked_ MANTA_GUARDED_BY(mutex_);
  Clock::time_point asked_at_ MANTA_GUARDED_BY(mutex_){};
  Clock::time_point fresh_at_ MANTA_GUARDED_BY(mutex_){};  // the directory was asked for what is known
};

}  // namespace detail

/// Calls the replicas of a deployment: auto answer = handle(argument) is a Ref, to get, await, or pass on. The argument
/// is the callable's parameter (for a Batch: one element) or a Ref to it. Of two random replicas the call goes to the
/// one with fewer calls of this process under way. If a replica dies, its calls are repeated up to max_retries times.
///
/// A Handle is a value: pass it to another deployment's constructor to compose the two. There it follows updates of its
/// deployment: while in use, within a tenth of a second; after a pause, with the next call, which blocks until the
/// directory's process has answered, 5 s at most. A replaced replica ends when no handle refers to it, at the latest
/// after DeploymentOptions::graceful_shutdown_timeout; a call that it has not answered by then fails with actor_died.
///
/// **Threading**: any thread. **Ownership**: shares the replicas, like an Actor handle. **Errors**: throws what
/// Actor::call throws, and Error(unavailable) after Server::stop; get() throws what the callable throws.
template <class D>
class Handle {
 public:
  using A = typename detail::Callable<D>::Argument;
  using R = typename detail::Callable<D>::Answer;

  Handle() = default;
  explicit Handle(std::shared_ptr<detail::Targets<D>> targets) : targets_(std::move(targets)) {}
  explicit operator bool() const noexcept { return targets_ != nullptr; }

  template <class X>
  Ref<R> operator()(X&& argument) const {
    if (targets_ == nullptr) throw Error(ErrorCode::invalid_argument, "an empty serve::Handle is called");
    return targets_->call(std::forward<X>(argument));
  }

  /// Internal.
  const std::shared_ptr<detail::Targets<D>>& targets() const { return targets_; }

 private:
  std::shared_ptr<detail::Targets<D>> targets_;
};

}  // namespace manta::serve

template <class D>
struct manta::serial::Codec<manta::serve::Handle<D>> {
  static void save(Writer& writer, const manta::serve::Handle<D>& handle) {
    writer(static_cast<bool>(handle));
    if (!handle) return;
    writer(handle.targets()->directory());
  }
  static void load(Reader& reader, manta::serve::Handle<D>& handle) {
    bool there = false;
    reader(there);
    if (!there) {
      handle = {};
      return;
    }
    manta::Actor<manta::serve::detail::Directory<D>> directory;
    reader(directory);
    handle = manta::serve::Handle<D>(std::make_shared<manta::serve::detail::Targets<D>>(std::move(directory)));
  }
};
