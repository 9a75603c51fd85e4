// Deployments: the classes to serve, and how.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/cancel.h>
#include <manta/detail/actor_status.h>
#include <manta/detail/weak_actor.h>
#include <manta/serve/detail/replica.h>
#include <manta/serve/handle.h>
#include <manta/serve/options.h>

namespace manta::serve {

namespace detail {

/// The type in which a deployment keeps an argument until it starts replicas.
template <class A>
using Kept = std::conditional_t<std::is_convertible_v<A, const char*>, std::string, std::decay_t<A>>;

class ReplicaLink;
/// Finds a replica without keeping it alive. Null: it is dead, or no handle to it is left. Throws Error.
using WeakLink = std::function<std::shared_ptr<const ReplicaLink>()>;

/// A replica without the type of its deployment.
class ReplicaLink {
 public:
  virtual ~ReplicaLink() = default;
  virtual Ref<Replies> handle(const std::vector<Request>& requests) const = 0;
  virtual Ref<Description> describe() const = 0;
  virtual Ref<void> check_health() const = 0;
  /// How many calls through handles have started in its process.
  virtual Ref<std::uint64_t> calls() const = 0;
  virtual void kill() const = 0;  ///< kills the process; the replica restarts
  virtual void end() const = 0;   ///< ends the replica at once, for good
  virtual WeakLink weak() const = 0;
  virtual manta::detail::ActorStatus status(bool with_reason) const = 0;
};

template <class D>
class TypedLink final : public ReplicaLink {
 public:
  explicit TypedLink(Actor<Replica<D>> made) : replica(std::move(made)) {}
  Ref<Replies> handle(const std::vector<Request>& requests) const override {
    return replica.template call<&Replica<D>::handle>(requests);
  }
  Ref<Description> describe() const override { return replica.template call<&Replica<D>::describe>(); }
  Ref<void> check_health() const override { return replica.template call<&Replica<D>::check_health>(); }
  Ref<std::uint64_t> calls() const override { return replica.template call<&Replica<D>::calls>(); }
  void kill() const override { manta::kill(replica, {.restart = true}); }
  void end() const override { manta::kill(replica); }
  WeakLink weak() const override {
    return [weak = manta::detail::WeakActor(replica)]() -> std::shared_ptr<const ReplicaLink> {
      auto found = weak.lock();
      return found ? std::make_shared<TypedLink>(std::move(*found)) : nullptr;
    };
  }
  manta::detail::ActorStatus status(bool with_reason) const override {
    return manta::detail::status_of(replica, with_reason);
  }

  const Actor<Replica<D>> replica;
};

/// A deployment without its type, for the server.
struct Deployable {
  DeploymentOptions options;
  std::function<std::unique_ptr<ReplicaLink>(const Lifeline&)> start;
  /// From now on, calls through handles go to these replicas.
  std::function<void(const std::vector<const ReplicaLink*>&)> publish;
  /// Call it periodically: see Targets::remind. Throws Error.
  std::function<void()> remind;
};

}  // namespace detail

/// A class D and how to serve it. Returned by deployment<D>(); a value.
template <class D>
struct Deployment {
  DeploymentOptions options;
  std::function<Actor<detail::Replica<D>>(const detail::Lifeline&)> start;
};

/// deployment<D>({.name = "digits", .num_replicas = 2}, arguments...): each replica is a D(arguments...) in a process
/// of its own and answers by its operator():
///
///     R operator()(A)                       JSON: nlohmann::json converts the body to A and R to the answer
///     R operator()(const serve::Request&)   the whole request; a std::string or serve::Response is sent unchanged
///     serve::InferenceResponse operator()(const serve::InferenceRequest&)   a model of the Open Inference Protocol
///     std::vector<R> operator()(const serve::Batch<A>&)                     any of these, several requests at once
///
/// A std::stop_token may follow the parameter: it is stopped when all clients that wait for the answer have left.
/// D may have these members: `void check_health()`, which throws if the object is unhealthy and runs between requests;
/// `ModelInfo info() const`; `int max_batch_size() const`, the object's largest Batch. An exception of operator()
/// becomes a 500 with its message; an HttpError becomes its own status. The arguments are copied now and passed to each
/// replica; they may be Refs and Handles.
///
/// **Threading**: any thread; does not block. **Ownership**: the result is a value. **Errors**: none; Server::run
/// checks the options.
template <class D, class... As>
[[nodiscard]] Deployment<D> deployment(DeploymentOptions options, As&&... arguments) {
  static_assert(std::is_constructible_v<D, detail::Kept<As>...>, "manta: D cannot be made of these arguments");
  (void)sizeof(detail::Callable<D>);
  const int retries = options.max_retries;
  const double cpus = options.num_cpus, gpus = options.num_gpus;
  return {std::move(options),
          [retries, cpus, gpus,
           made_of = std::tuple<detail::Kept<As>...>(std::forward<As>(arguments)...)](const detail::Lifeline& line) {
            return manta::actor<detail::Replica<D>>.options(
                {.num_cpus = cpus, .num_gpus = gpus, .max_restarts = -1, .max_task_retries = retries})(line, made_of);
          }};
}

namespace detail {

template <class D>
Deployable erased(const Deployment<D>& deployment, std::shared_ptr<Targets<D>> targets) {
  return {deployment.options,
          [start = deployment.start, name = deployment.options.name](const Lifeline& line) {
            auto link = std::make_unique<TypedLink<D>>(start(line));
            manta::detail::set_label(link->replica.entry(), "replica of deployment '" + name + "'");
            return link;
          },
          [targets](const std::vector<const ReplicaLink*>& links) {
            std::vector<Actor<Replica<D>>> replicas;
            for (const ReplicaLink* link : links) replicas.push_back(static_cast<const TypedLink<D>&>(*link).replica);
            targets->set(std::move(replicas));
          },
          [targets] { targets->remind(); }};
}

}  // namespace detail

}  // namespace manta::serve
