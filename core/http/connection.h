// One connection: reads a request, has it answered, writes the response, and again (HTTP/1.1 keep-alive, one at a
// time).
//
//   CONN-1  whatever a client sends gets a response that says what is wrong, or the connection is closed: by the end
//           of idle_timeout or request_timeout at the latest
//   CONN-2  a connection that waits for a request keeps no memory but a few hundred bytes; one that sends a request
//           keeps no more than what it has sent of it (READ-2), and of the next what came in the same read; one that
//           streams a response keeps one part of it
//   CONN-3  nothing is read while a request is being answered
//   CONN-4  a request that the authorizer denies is answered before its body is read
//
// Threading: the loop's thread. Ownership: the server's until it closes; shared by its operations under way.
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

// What the connections of a server share; it outlives them.
struct ConnectionContext {
  const ServerOptions& options;
  Handler& handler;
  Observer* observer;            // may be null
  const Authorizer* authorizer;  // may be null
  std::shared_ptr<LoopThread> thread;
  std::span<char> scratch;                  // for what a socket has, until the next use
  std::function<void(Connection&)> closed;  // called once
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, std::string peer, const ConnectionContext& context);

  void read();
  // The response to the request that was given to the handler: once for each.
  void respond(Response response);
  // The same in parts: see ResponseStream.
  void begin(Response head);
  void write(std::string part, ResponseStream::Written written);
  void end();
  // Closes it if no request is under way, else after its response.
  void finish();
  void close();
  int socket() { return socket_.is_open() ? socket_.native_handle() : -1; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { reading, answering, streaming, writing_part, writing, lingering, closed };

  // Something must have happened by then; nullopt: there is no limit.
  void expect_by(std::optional<Clock::time_point> time);
  void arm();
  void on_timeout();
  void wait();
  void on_readable();
  void take(std::string_view bytes);
  // The request is whole, or answered as it is.
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
  std::optional<Clock::time_point> armed_;     // the timer
  std::optional<Clock::time_point> deadline_;  // never before armed_, which is moved seldom
  RequestReader reader_;
  std::string rest_;         // read, but of the next request
  std::string head_, body_;  // of what is being written
  Clock::time_point since_;
  State state_ = State::reading;
  bool judged_ = false;  // the head has been looked at
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
