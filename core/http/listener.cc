#include "core/http/listener.h"

#include <chrono>
#include <utility>

#include <manta/error.h>

namespace manta::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kBacklog = 4096;
constexpr std::chrono::milliseconds kRetry{100};  // after the system ran out of descriptors or memory

// RFC 3986, 3.2.2: an IPv6 address stands in brackets.
std::string with_port(const std::string& host, unsigned port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace

Listener::Listener(asio::io_context& io, const ServerOptions& options, Accept accept)
    : acceptor_(io), retry_timer_(io), accept_(std::move(accept)) {
  const auto check = [&](const error_code& error) {
    if (!error) return;
    throw Error(ErrorCode::unavailable,
                "cannot listen at " + with_port(options.host, options.port) + ": " + error.message() +
                    ". Next: choose another port or host, or end the process that listens there");
  };
  error_code error;
  const auto host = asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
  if (error) {
    throw Error(ErrorCode::invalid_argument, "the HTTP server's host is \"" + options.host +
                                                 "\", which is no IP address. Next: 127.0.0.1 for "
                                                 "this machine alone, 0.0.0.0 for all networks");
  }
  const tcp::endpoint endpoint(host, options.port);
  acceptor_.open(endpoint.protocol(), error);
  check(error);
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  acceptor_.bind(endpoint, error);
  check(error);
  acceptor_.listen(kBacklog, error);
  check(error);
  resume();
}

std::string Listener::address() const {
  const tcp::endpoint endpoint = acceptor_.local_endpoint();
  return with_port(endpoint.address().to_string(), endpoint.port());
}

void Listener::resume() {
  if (accepting_ || !acceptor_.is_open()) return;
  accepting_ = true;
  accept();
}

void Listener::accept() {
  acceptor_.async_accept(peer_, [this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
        error == asio::error::no_memory) {
      return retry();
    }
    if (!error) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      accepting_ = accept_(std::move(socket), peer_.address().to_string());
    }
    if (accepting_) accept();
  });
}

void Listener::retry() {
  accepting_ = false;
  retry_timer_.expires_after(kRetry);
  retry_timer_.async_wait([this](error_code error) {
    if (!error) resume();
  });
}

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  retry_timer_.cancel();
}

}  // namespace manta::http
