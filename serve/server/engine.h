// The server's loop: sockets, the apps' queues, and the replicas' results, in one thread.
//
//   ENGINE-1  each request that was read gets one response: see WORK-1
//   ENGINE-2  the loop blocks only when no socket, result or batch is ready; it polls for a moment while requests are
//   under way
//
// Threading: run() is the loop's thread; execute() and stop() from any other; everything else in the loop's.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/serve/options.h>

#include "serve/http/request.h"
#include "serve/protocols/paths.h"
#include "serve/server/access_log.h"
#include "serve/server/app.h"
#include "serve/server/keeper.h"
#include "serve/server/metrics.h"
#include "serve/server/replaced_replicas.h"
#include "serve/server/work.h"

namespace manta::serve {

class Session;

class Engine {
 public:
  // Listens. Throws Error.
  explicit Engine(HttpOptions options);
  ~Engine();

  void run();
  // Runs f in the loop's thread and returns what it returns. Not from that thread.
  template <class F>
  auto execute(F f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }
  // Accepts nothing more and closes what is idle; run() returns when all is answered, or at the deadline.
  void stop(Router::Time deadline);

  std::string address() const;
  const HttpOptions& options() const { return options_; }
  Keeper& keeper() { return keeper_; }
  // f is called in the loop's thread, once, when Manta has ended under the server. Any thread.
  void on_end(std::function<void()> f);

  // --- in the loop
  std::map<std::string, std::shared_ptr<App>>& apps() { return apps_; }
  ReplacedReplicas& replaced() { return replaced_; }
  ReplicaId add_replica(App& app, std::shared_ptr<const detail::ReplicaLink> link, std::uint64_t number);
  // An app that is no longer at its name: what it has is still answered. Then it is forgotten.
  void retire(std::shared_ptr<App> app) { retired_.push_back(std::move(app)); }
  void forget(const std::shared_ptr<App>& app);
  // Session::respond will be called: now or later, once.
  void answer(std::shared_ptr<Session> session, http::RequestHead& head, std::string body);
  // What is known to be refused, whatever its body.
  std::optional<Response> refusal_of(const http::RequestHead& head) const;
  // Space for what sockets have, until the next use.
  std::span<char> scratch() { return scratch_; }
  void answered(const boost::asio::ip::tcp::socket& socket, const std::string& method, const std::string& target,
                int status, std::size_t body_bytes, std::chrono::nanoseconds took);
  void opened(Session& session);
  void closed(Session& session);

 private:
  void accept();
  // run_one() returns by then.
  void wake_at(Router::Time time);
  struct Target {
    Route route;
    std::shared_ptr<App> app;
  };
  // Empty: a page or a replica answers, which target tells.
  std::optional<Response> find(const http::RequestHead& head, Target& target) const;
  std::optional<Response> find_app(const http::RequestHead& head, Target& target) const;
  Response page(const Route& route, const App* app) const;
  Response readiness(const App* app) const;
  void enqueue(std::shared_ptr<Session> session, const Target& target, http::RequestHead& head, std::string body);
  std::size_t dispatch();
  // Looks after replicas and clients, and again after a while.
  void watch();
  void end();

  HttpOptions options_;
  AccessLog log_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> open_{io_.get_executor()};
  boost::asio::ip::tcp::acceptor acceptor_{io_};
  boost::asio::steady_timer wake_timer_{io_};
  Router::Time wake_at_{};
  boost::asio::steady_timer watch_timer_{io_};
  Work work_;
  Keeper keeper_;
  std::function<void()> on_end_;
  std::map<std::string, std::shared_ptr<App>> apps_;
  std::vector<std::shared_ptr<App>> retired_;
  ReplacedReplicas replaced_;
  std::set<Session*> sessions_;
  std::vector<char> scratch_ = std::vector<char>(std::size_t{256} << 10);
  bool accepting_ = true;
  bool stopping_ = false;
  Router::Time stop_by_;
  ServerCounts counts_;
};

}  // namespace manta::serve
