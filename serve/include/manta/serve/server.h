// The HTTP server.
#pragma once

#include <any>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <manta/serve/deployment.h>
#include <manta/serve/handle.h>
#include <manta/serve/options.h>

namespace manta::serve {

/// Callbacks of Server::wait().
struct WaitOptions {
  /// Called once by the waiting thread when the handlers of SIGINT and SIGTERM are in place: print the address here for
  /// a program that will send these signals. May be empty.
  std::function<void()> on_ready;
  /// Called by the same thread after each SIGHUP, to reload. Empty: SIGHUP keeps its handler.
  std::function<void()> on_hang_up;
};

/// Listens and passes each request to a replica. Callables answer at /NAME (GET and POST); models answer by the Open
/// Inference Protocol, version 2, at /v2/models/NAME (with Triton's binary tensors); /metrics is for Prometheus,
/// /healthz and /v2/health are for load balancers.
///
/// run() of a name that is already served is a rolling update: the new replicas start first; then each replaces an old
/// one, which ends when it has answered its requests, at the latest after graceful_shutdown_timeout. If one does not
/// start, nothing changes. But replicas that hold CPUs or GPUs start one at a time (resources for one more must be
/// free), and replicas that were replaced before a failure stay replaced.
///
/// **Threading**: its own thread does the work; any thread may call, and blocks until its call is done. **Ownership**:
/// owns the socket, the thread and the replicas. The destructor calls shutdown(). Make it after manta::init and destroy
/// it before the Runtime. **Errors**: throws Error: invalid_argument for invalid options, unavailable if the address is
/// taken or a replica does not start, task_failed if its constructor throws.
///
///     auto runtime = manta::init(argc, argv);
///     serve::Server server({.port = 8000});
///     auto digits = server.run(serve::deployment<Digits>({.name = "digits", .num_replicas = 2}, "model.pt"));
///     int seven = manta::get(digits(picture));
///     server.wait();
class Server {
 public:
  explicit Server(HttpOptions options = {});
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();

  /// Deploys, or updates a deployment of the same name. Blocks until the replicas answer.
  template <class D>
  Handle<D> run(const Deployment<D>& deployment) {
    auto targets = std::make_shared<detail::Targets<D>>();
    if (auto* known = std::any_cast<std::shared_ptr<detail::Targets<D>>>(handle_of(deployment.options.name)))
      targets = *known;
    deploy(detail::erased(deployment, targets), targets);
    return Handle<D>(targets);
  }
  /// Answers the requests under way, then ends the replicas. Blocks. Throws Error(not_found) for an unknown name.
  void stop(const std::string& name);

  /// For example "127.0.0.1:8000".
  std::string address() const;
  /// Blocks until SIGINT or SIGTERM, then calls shutdown(). A second such signal ends the program at once. Restores the
  /// program's signal handlers before it returns. Throws Error(unavailable) if the runtime ends meanwhile, for example
  /// because its node process was killed; then requests get a 503, and the health pages report failure.
  void wait(const WaitOptions& options = {});
  /// Stops accepting, answers the requests under way (within graceful_shutdown_timeout), ends the replicas. Blocks.
  void shutdown();

 private:
  struct Impl;
  Impl& open() const;
  const std::any* handle_of(const std::string& name) const;
  void deploy(detail::Deployable deployable, std::any targets);
  std::unique_ptr<Impl> impl_;
};

/// A server with one deployment.
template <class D>
[[nodiscard]] Server run(const Deployment<D>& deployment, HttpOptions options = {}) {
  Server server(std::move(options));
  server.run(deployment);
  return server;
}

}  // namespace manta::serve
