// Looking after replicas: one that does not answer, or says three times that it is ill, is started again.
#include "serve/server/engine.h"

#include <manta/get.h>

namespace manta::serve {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kLook{200};
constexpr int kFailures = 3;

}  // namespace

void Engine::watch_health() {
  health_timer_.expires_after(kLook);
  health_timer_.async_wait([this](boost::system::error_code error) {
    if (error || stopping_) return;
    if (!accepting_ && sessions_.size() < options_.max_connections) accept();
    const auto now = Clock::now();
    for (auto& [name, app] : apps_) {
      for (auto& [id, replica] : app->replicas) check_health(*app, replica, now);
    }
    watch_health();
  });
}

void Engine::check_health(App& app, App::Replica& replica, Router::Time now) {
  const DeploymentOptions& options = app.options();
  try {
    if (!replica.check) {
      if (now - replica.checked < options.health_check_period) return;
      replica.checked = now;
      replica.check = replica.link->check_health();
      app.deployable.remind();
      return;
    }
    if (replica.check.ready()) {
      const auto result = try_get(replica.check, std::chrono::nanoseconds(0));
      replica.check = {};
      replica.failures = result ? 0 : replica.failures + 1;
      if (replica.failures < kFailures) return;
    } else if (now - replica.checked < options.health_check_timeout) {
      return;
    }
    replica.check = {};
    replica.checked = now;
    replica.failures = 0;
    replica.link->kill(true);
  } catch (const Error&) {
    replica.check = {};  // the runtime is ending
  }
}

}  // namespace manta::serve
