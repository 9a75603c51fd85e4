// Accepts connections at one address.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/http/server.h>

namespace manta::http {

// Threading: the loop's thread. Ownership: owns the listening socket.
class Listener {
 public:
  // Takes a connection and its client's IP address. False: no more, until resume().
  using Accept = std::function<bool(boost::asio::ip::tcp::socket socket, std::string peer)>;

  // Listens. Connections are accepted when the loop runs. Throws Error.
  Listener(boost::asio::io_context& io, const ServerOptions& options, Accept accept);

  std::string address() const;
  // Accepts again, for example when a connection has closed.
  void resume();
  void close();

 private:
  void accept();
  void retry();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  boost::asio::ip::tcp::endpoint peer_;  // of the connection being accepted
  Accept accept_;
  bool accepting_ = false;
};

}  // namespace manta::http
