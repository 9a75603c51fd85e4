#include <manta/http/server.h>

#include <sys/resource.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>

#include <manta/detail/check_option.h>

#include "core/http/connection.h"
#include "core/http/listener.h"

namespace manta::http {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;

namespace {

constexpr std::size_t kScratchBytes = std::size_t{256} << 10;

// As many descriptors as the system allows: a connection needs one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

ServerOptions checked(ServerOptions options) {
  using manta::detail::check_option;
  check_option("max_header_bytes of the HTTP server", static_cast<double>(options.max_header_bytes), 1);
  check_option("max_connections of the HTTP server", static_cast<double>(options.max_connections), 1);
  check_option("idle_timeout of the HTTP server", static_cast<double>(options.idle_timeout.count()), 1);
  check_option("request_timeout of the HTTP server", static_cast<double>(options.request_timeout.count()), 1);
  return options;
}

}  // namespace

// The loop, and the connections in it.
class Server::Impl {
 public:
  Impl(ServerOptions options, Handler& handler, Observer* observer, const Authorizer* authorizer)
      : options_(checked(std::move(options))),
        context_{.options = options_,
                 .handler = handler,
                 .observer = observer,
                 .authorizer = authorizer,
                 .thread = thread_,
                 .scratch = scratch_,
                 .closed = [this](Connection& connection) { on_closed(connection); }},
        listener_(io_, options_,
                  [this](tcp::socket socket, std::string peer) { return accept(std::move(socket), std::move(peer)); }),
        address_(listener_.address()) {
    raise_descriptor_limit();
  }

  ~Impl() {
    stopping_ = true;
    thread_->end();
    listener_.close();
    for (const auto& connection : Connections(connections_)) connection->close();
    io_.poll();  // operations end, and with them their connections
  }

  const std::string& address() const { return address_; }
  std::size_t connections() const { return connections_.size(); }
  bool stopping() const { return stopping_; }
  bool ended() const { return stopping_ && (connections_.empty() || Clock::now() >= stop_by_); }
  void post(std::function<void()> f) { asio::post(io_, std::move(f)); }

  void stop(Time drain_by) {
    post([this, drain_by] {
      stopping_ = true;
      stop_by_ = drain_by;
      listener_.close();
      for (const auto& connection : Connections(connections_)) connection->finish();
    });
  }

  std::size_t poll() {
    thread_->enter();
    return io_.poll();
  }

  void wait(std::optional<Time> until) {
    thread_->enter();
    if (stopping_) until = until ? std::min(*until, stop_by_) : stop_by_;
    if (until) wake_at(*until);
    io_.run_one();
  }

 private:
  using Connections = std::set<std::shared_ptr<Connection>>;

  // True: more may come.
  bool accept(tcp::socket socket, std::string peer) {
    const auto connection = std::make_shared<Connection>(std::move(socket), std::move(peer), context_);
    connections_.insert(connection);
    connection->read();
    return connections_.size() < options_.max_connections;
  }

  void on_closed(Connection& connection) {
    connections_.erase(connection.shared_from_this());
    if (!stopping_) post([this] { listener_.resume(); });
  }

  // run_one() returns by then.
  void wake_at(Time time) {
    if (wake_at_ == time) return;  // setting it anew is an event, after which the loop would come here again
    wake_at_ = time;
    wake_timer_.expires_at(time);
    wake_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) wake_at_ = {};
    });
  }

  const ServerOptions options_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> open_{io_.get_executor()};
  asio::steady_timer wake_timer_{io_};
  Time wake_at_{};
  std::vector<char> scratch_ = std::vector<char>(kScratchBytes);
  const std::shared_ptr<LoopThread> thread_ = std::make_shared<LoopThread>(io_);
  const ConnectionContext context_;
  Connections connections_;
  Listener listener_;
  const std::string address_;
  bool stopping_ = false;
  Time stop_by_{};
};

Server::Server(ServerOptions options, Handler& handler, Observer* observer, const Authorizer* authorizer)
    : impl_(std::make_unique<Impl>(std::move(options), handler, observer, authorizer)) {}
Server::~Server() = default;

const std::string& Server::address() const { return impl_->address(); }
void Server::run() {
  while (!ended()) impl_->wait(std::nullopt);
}
void Server::stop(Time drain_by) { impl_->stop(drain_by); }
void Server::post(std::function<void()> f) { impl_->post(std::move(f)); }
std::size_t Server::poll() { return impl_->poll(); }
void Server::wait(std::optional<Time> until) { impl_->wait(until); }
bool Server::stopping() const { return impl_->stopping(); }
bool Server::ended() const { return impl_->ended(); }
std::size_t Server::connections() const { return impl_->connections(); }

}  // namespace manta::http
