#include <manta/serve/server.h>

#include <signal.h>

#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include <manta/detail/mutex.h>

#include "serve/server/deploying.h"
#include "serve/server/engine.h"
#include "serve/server/stop_signals.h"

namespace manta::serve {

struct Server::Impl {
  explicit Impl(HttpOptions options) : engine(std::move(options)), address(engine.address()), loop([this] { run(); }) {}

  void run() {
    sigset_t all;  // signals are for the program's own threads
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    engine.run();
  }

  Engine engine;
  const std::string address;
  manta::detail::Mutex deploying;
  std::map<std::string, std::any> handles MANTA_GUARDED_BY(deploying);
  std::thread loop;
};

Server::Server(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&& other) noexcept {
  if (this != &other) {
    shutdown();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Server::~Server() { shutdown(); }

Server::Impl& Server::open() const {
  if (impl_ == nullptr)
    throw Error(ErrorCode::unavailable, "the server has been shut down. Next: make another serve::Server");
  return *impl_;
}

const std::any* Server::handle_of(const std::string& name) const {
  (void)open();
  const manta::detail::MutexLock guard(impl_->deploying);
  const auto it = impl_->handles.find(name);
  return it == impl_->handles.end() ? nullptr : &it->second;
}

void Server::deploy(detail::Deployable deployable, std::any targets) {
  const manta::detail::MutexLock guard(impl_->deploying);
  const std::string name = deployable.options.name;
  serve::deploy(impl_->engine, std::move(deployable));
  impl_->handles[name] = std::move(targets);
}

void Server::stop(const std::string& name) {
  (void)open();
  const manta::detail::MutexLock guard(impl_->deploying);
  if (!undeploy(impl_->engine, name)) throw Error(ErrorCode::not_found, "nothing called '" + name + "' is served");
  impl_->handles.erase(name);
}

std::string Server::address() const { return impl_ == nullptr ? std::string() : impl_->address; }

namespace {

// The end of Manta under the server wakes the one that waits for signals.
class WakeAtEnd {
 public:
  WakeAtEnd(Engine& engine, StopSignals& signals) : engine_(engine) {
    engine_.on_end([&signals] { signals.wake(); });
  }
  ~WakeAtEnd() {
    engine_.on_end({});
    engine_.execute([] {});  // after that
  }
  WakeAtEnd(const WakeAtEnd&) = delete;

 private:
  Engine& engine_;
};

}  // namespace

void Server::wait(const WaitOptions& options) {
  Engine& engine = open().engine;
  StopSignals signals(options.on_hang_up ? SIGHUP : 0);
  {
    const WakeAtEnd wake(engine, signals);
    if (options.on_ready) options.on_ready();
    while (signals.wait() == SIGHUP) {
      if (options.on_hang_up) options.on_hang_up();  // else another server of this process loads anew
    }
  }
  const std::optional<Error> ended = engine.execute([&] { return engine.keeper().ended(); });
  shutdown();
  if (ended) throw Error(ErrorCode::unavailable, "the server ends, as Manta has ended under it: " + ended->message());
}

void Server::shutdown() {
  if (impl_ == nullptr) return;
  std::chrono::milliseconds longest{0};
  impl_->engine.execute([&] {
    for (const auto& [name, app] : impl_->engine.apps())
      longest = std::max(longest, app->options().graceful_shutdown_timeout);
  });
  const auto deadline = std::chrono::steady_clock::now() + longest;
  impl_->engine.stop(deadline);
  impl_->loop.join();
  try {
    end_all(impl_->engine, deadline);
  } catch (const Error&) {
    // The runtime has ended, and with it all replicas.
  }
  impl_.reset();
}

}  // namespace manta::serve
