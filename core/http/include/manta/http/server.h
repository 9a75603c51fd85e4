#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <manta/http/authorization.h>
#include <manta/http/handler.h>

namespace manta::http {

/// A plain struct for designated initialisers.
struct ServerOptions {
  std::string host = "127.0.0.1";                        ///< an IP address or localhost; 0.0.0.0 or :: for all networks
  std::uint16_t port = 0;                                ///< 0: any; Server::address() tells which
  std::size_t max_body_bytes = std::size_t{128} << 20;   ///< more is answered 413
  std::size_t max_header_bytes = std::size_t{16} << 10;  ///< more is answered 431
  /// From a response to the next request's first byte; for a response, or a part of one, to be sent.
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds request_timeout{
      30'000};                           ///< from a request's first byte to its last; longer is answered 408
  std::size_t max_connections = 20'000;  ///< more wait to be accepted
};

/// A server of HTTP/1.1 (RFC 9110, RFC 9112), without TLS: it reads requests, gives each to the handler, and writes the
/// handler's responses. A connection's requests are answered in order, one at a time. A connection holds what its
/// client has sent of one request, within the options' limits, and reads nothing more until that is answered.
///
/// **Threading:** the server has no thread; its loop runs in a thread of the caller. That calls run(), or, if it does
/// other work too, poll() and wait(). Any thread may call post(), stop() and address(). All other methods belong to the
/// loop's thread, which also calls Handler, Observer and Authorizer.
///
/// **Ownership:** owns its sockets. Handler, Observer and Authorizer outlive it. Responders may outlive it; what they
/// send is then dropped. The destructor closes all connections; the loop must have ended.
///
/// **Errors:** the constructor throws Error: invalid_argument for options that make no sense, unavailable where it
/// cannot listen.
///
///   http::Server server({.port = 8000}, handler);
///   std::thread loop([&] { server.run(); });
///   while (more_work()) work();
///   server.stop(std::chrono::steady_clock::now() + std::chrono::seconds(5));
///   loop.join();
class Server {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Listens; connections are accepted once the loop runs. observer, authorizer: may be null.
  Server(ServerOptions options, Handler& handler, Observer* observer = nullptr, const Authorizer* authorizer = nullptr);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "127.0.0.1:8000", "[::1]:8000"
  const std::string& address() const;
  /// Runs the loop until ended().
  void run();
  /// Accepts nothing more and closes what is idle; requests under way are answered until drain_by.
  void stop(Time drain_by);
  /// Runs f in the loop's thread. Wakes wait().
  void post(std::function<void()> f);

  /// Does what can be done without waiting; returns how many things that were.
  std::size_t poll();
  /// Waits until there is something to do, and does it; at most until then.
  void wait(std::optional<Time> until);
  bool stopping() const;
  /// stop() was called, and each request is answered, or drain_by has passed.
  bool ended() const;
  /// How many are open.
  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace manta::http
