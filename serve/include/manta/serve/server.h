// The HTTP server, and what it serves.
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

struct WaitOptions {
  // Called once, by the thread that waits, when SIGINT and SIGTERM are handled: the place to print the address for a
  // program that will send them. Empty: nothing is called.
  std::function<void()> on_ready;
  // Called there after each SIGHUP, to load something anew. Empty: SIGHUP does what it did.
  std::function<void()> on_hang_up;
};

// Listens, and gives each request to a replica. Callables answer at /NAME (GET and POST), models by the Open Inference
// Protocol, version 2, at /v2/models/NAME (Triton's binary tensors included); /metrics is for Prometheus, /healthz and
// /v2/health for load balancers.
//
// run() of a name that is served already is a rolling update: the new replicas are started first, then each takes the
// place of an old one, which ends when it has answered what it had, at the latest after graceful_shutdown_timeout. If
// one of them cannot be started, nothing changes; but where replicas hold CPUs or GPUs they are started one at a time
// (there must be space for one more), and those that were replaced before a failure stay.
//
// Threading: a thread of its own does the work; any thread may call, and blocks until it is done. Ownership: owns the
// socket, the thread and the replicas. The destructor is shutdown(). Make it after manta::init, destroy it before the
// Runtime. Errors: throws Error: invalid_argument for options that make no sense, unavailable where the address is
// taken or a replica does not start; task_failed where its constructor throws.
//
//   auto runtime = manta::init(argc, argv);
//   serve::Server server({.port = 8000});
//   auto digits = server.run(serve::deployment<Digits>({.name = "digits", .num_replicas = 2}, "model.pt"));
//   int seven = manta::get(digits(picture));
//   server.wait();
class Server {
 public:
  explicit Server(HttpOptions options = {});
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();

  template <class D>
  Handle<D> run(const Deployment<D>& deployment) {
    auto targets = std::make_shared<detail::Targets<D>>();
    if (auto* known = std::any_cast<std::shared_ptr<detail::Targets<D>>>(handle_of(deployment.options.name)))
      targets = *known;
    deploy(detail::erased(deployment, targets), targets);
    return Handle<D>(targets);
  }
  // Answers what is under way, then ends the replicas. Throws Error(not_found).
  void stop(const std::string& name);

  // "127.0.0.1:8000"
  std::string address() const;
  // Blocks until SIGINT or SIGTERM, then does what shutdown() does. A second such signal ends the program at once. What
  // the program had set for these signals is put back before it returns. Throws Error(unavailable) where the runtime
  // ends meanwhile, for example as its node process was killed: requests are then answered 503, and no health page says
  // that the server is well.
  void wait(const WaitOptions& options = {});
  // Accepts nothing more, answers what is under way (graceful_shutdown_timeout), ends the replicas.
  void shutdown();

 private:
  struct Impl;
  Impl& open() const;
  const std::any* handle_of(const std::string& name) const;
  void deploy(detail::Deployable deployable, std::any targets);
  std::unique_ptr<Impl> impl_;
};

// A server of one deployment.
template <class D>
[[nodiscard]] Server run(const Deployment<D>& deployment, HttpOptions options = {}) {
  Server server(std::move(options));
  server.run(deployment);
  return server;
}

}  // namespace manta::serve
