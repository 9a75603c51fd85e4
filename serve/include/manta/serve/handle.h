// Calling a deployment from C++, without HTTP.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/serialize.h>
#include <manta/serve/detail/replica.h>

namespace manta::serve {

namespace detail {

// The replicas that calls go to, of all copies of a handle in this process.
template <class D>
struct Targets {
  using R = typename Callable<D>::Answer;
  struct Target {
    Actor<Replica<D>> replica;
    std::deque<Ref<R>> ongoing;  // calls from here, oldest first
  };
  std::mutex mutex;
  std::vector<Target> all;
  std::minstd_rand random{1};

  void set(std::vector<Actor<Replica<D>>> replicas) {
    std::vector<Target> next;
    for (auto& replica : replicas) next.push_back({std::move(replica), {}});
    const std::lock_guard guard(mutex);
    all.swap(next);
  }
};

}  // namespace detail

// Calls the replicas of a deployment: auto answer = handle(argument) is a Ref, to get, await, or give to others. The
// argument is the callable's (of a Batch: one of its elements) or a Ref to it. Of two replicas taken by chance the one
// with fewer calls of this process under way gets it; a replica that dies repeats its calls as max_retries says.
//
// A Handle is a value: give it to another deployment's constructor to compose the two. There it knows the replicas that
// there were when it was given; they live as long as it does, also when the deployment was updated.
//
// Threading: any. Ownership: of the replicas, as an Actor handle. Errors: throws what Actor::call throws; what the
// callable throws arrives with get.
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
    const std::lock_guard guard(targets_->mutex);
    auto& all = targets_->all;
    if (all.empty()) throw Error(ErrorCode::unavailable, "the deployment of this serve::Handle has been stopped");
    std::size_t chosen = 0;
    if (all.size() > 1) {
      const std::size_t one = targets_->random() % all.size();
      const std::size_t other = (one + 1 + targets_->random() % (all.size() - 1)) % all.size();
      forget_ended(all[one].ongoing);
      forget_ended(all[other].ongoing);
      chosen = all[other].ongoing.size() < all[one].ongoing.size() ? other : one;
    }
    Ref<R> answer = all[chosen].replica.template call<&detail::Replica<D>::call>(std::forward<X>(argument));
    if (all.size() > 1) all[chosen].ongoing.push_back(answer);
    return answer;
  }

  // For the runtime.
  std::vector<Actor<detail::Replica<D>>> replicas() const {
    std::vector<Actor<detail::Replica<D>>> result;
    if (targets_ == nullptr) return result;
    const std::lock_guard guard(targets_->mutex);
    for (const auto& target : targets_->all) result.push_back(target.replica);
    return result;
  }

 private:
  static void forget_ended(std::deque<Ref<R>>& calls) {
    while (!calls.empty() && calls.front().ready()) calls.pop_front();
  }
  std::shared_ptr<detail::Targets<D>> targets_;
};

}  // namespace manta::serve

template <class D>
struct manta::serial::Codec<manta::serve::Handle<D>> {
  static void save(Writer& writer, const manta::serve::Handle<D>& handle) { writer(handle.replicas()); }
  static void load(Reader& reader, manta::serve::Handle<D>& handle) {
    std::vector<Actor<manta::serve::detail::Replica<D>>> replicas;
    reader(replicas);
    auto targets = std::make_shared<manta::serve::detail::Targets<D>>();
    targets->set(std::move(replicas));
    handle = manta::serve::Handle<D>(std::move(targets));
  }
};
