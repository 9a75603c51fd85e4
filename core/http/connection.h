// One connection: reads a request, gives it to the handler, writes the response, and starts over (HTTP/1.1 keep-alive,
// one request at a time).
//
//   CONN-1  invalid input gets a response that says what is wrong, or the connection closes: after idle_timeout or
//           request_timeout at the latest
//   CONN-2  a connection that waits for a request holds a few hundred bytes; one that receives a request holds what its
//           client has sent of it (READ-2), and of the next request what came in the same read; one that streams a
//           response holds one part of it
//   CONN-3  nothing is read while a request is being answered
//   CONN-4  a request that the authorizer denies is answered before its body is read
//
// Threading: the loop's thread. Ownership: owned by the server until it closes; its pending operations share it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/http/server.h>

#include "core/http/loop_thread.h"
#include "core/http/request_reader.h"

namespace manta::http {

class Connection;

// What the connections of a server share. It outlives them.
struct ConnectionContext {
  const ServerOptions& options;
  Handler& handler;
  Observer* observer;            // may be null
  const Authorizer* authorizer;  // may be null
  std::shared_ptr<LoopThread> thread;
  std::span<char> scratch;                  // one read of one connection; overwritten by the next
  std::function<void(Connection&)> closed;  // called once
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, std::string peer, const ConnectionContext& context);

  void read();
  // Sends the response to the request that the handler has. Once for each request.
  void respond(Response response);
  // The same in parts: see ResponseStream.
  void begin(Response head);
  void write(std::string part, ResponseStream::Written written);
  void end();
  // Closes the connection: at once if no request is under way, else after its response.
  void finish();
  void close();
  int socket() { return socket_.is_open() ? socket_.native_handle() : -1; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { reading, answering, streaming, writing_part, writing, lingering, closed };

  // Sets the deadline of the present state; nullopt: none.
  void expect_by(std::optional<Clock::time_point> time);
  void arm();
  void on_timeout();
  void wait();
  void on_readable();
  void take(std::string_view bytes);
  // Ends reading, as the request is whole or needs no body to be answered. rest: bytes behind it.
  void stop_reading(std::string_view rest);
  std::optional<Response> denial();
  std::optional<Response> refuse_or_continue(bool body_awaited);
  void on_end();
  void refuse(int status, const std::string& why);
  template <class Then>
  void send(Then then);
  void on_sent();
  void report(int status, std::size_t body_bytes);
  void linger();

  const ConnectionContext& context_;
  const std::string peer_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::optional<Clock::time_point> armed_;  // the timer's expiry
  // At or after armed_: a timer that expires early is cheaper than one re-armed for each request.
  std::optional<Clock::time_point> deadline_;
  RequestReader reader_;
  std::string rest_;         // bytes of the next request
  std::string head_, body_;  // of what is being written
  Clock::time_point since_;
  State state_ = State::reading;
  bool judged_ = false;  // the authorizer has seen the head
  bool keep_alive_ = true;
  bool finishing_ = false;

  // Of a response in parts.
  int status_ = 0;
  std::size_t sent_bytes_ = 0;  // of the body
  bool chunked_ = false;
  bool silent_ = false;  // the body is not sent
  bool ending_ = false;  // after the part that is being written
};

}  // namespace manta::http
