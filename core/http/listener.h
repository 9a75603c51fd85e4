// Accepts connections at one address.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/http/server.h>

namespace manta::http {

// Threading: the loop's thread. Ownership: of its socket; of a connection's until that is accepted.
class Listener {
 public:
  // Takes a connection and its client's IP address. False: there are enough, until resume().
  using Accept = std::function<bool(boost::asio::ip::tcp::socket socket, std::string peer)>;

  // Listens, and accepts once the loop runs. Throws Error.
  Listener(boost::asio::io_context& io, const ServerOptions& options, Accept accept);

  std::string address() const;
  // A connection has ended.
  void resume();
  void close();

 private:
  void accept();
  void retry();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  boost::asio::ip::tcp::endpoint peer_;  // of the next one
  Accept accept_;
  bool accepting_ = false;
};

}  // namespace manta::http
