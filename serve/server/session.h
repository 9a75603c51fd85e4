// One connection: reads a request, has it answered, writes the response, and again (HTTP/1.1 keep-alive, one at a
// time).
//
//   SESSION-1  whatever a client sends gets a response that says what is wrong, or the connection is closed: by the end
//              of idle_timeout or request_timeout at the latest
//   SESSION-2  a connection that waits for a request keeps no memory but a few hundred bytes; one that sends a request
//              keeps no more than what it has sent of it (READ-2), and of the next what came in the same read
//   SESSION-3  nothing is read while a request is being answered
//
// Threading: the loop's thread. Ownership: shared by its operations under way and by the request that is being
// answered.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/serve/http.h>

#include "serve/http/request_reader.h"

namespace manta::serve {

class Engine;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, Engine& engine);
  ~Session();

  void read();
  // The answer to the request that was given to Engine::answer. Once for each.
  void respond(Response response);
  // Closes it if no request is under way, else after its response.
  void finish();
  void close();
  int socket() { return socket_.native_handle(); }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State { reading, answering, writing, lingering };

  void wait();
  void on_readable();
  void take(std::string_view bytes);
  void on_end();
  void refuse(int status, const std::string& why);
  void send_continue();
  void linger();
  // Something must have happened by then; nullopt: there is no limit.
  void expect_by(std::optional<Clock::time_point> time);
  void arm();
  void on_timeout();

  Engine& engine_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::optional<Clock::time_point> armed_;     // the timer
  std::optional<Clock::time_point> deadline_;  // never before armed_, which is moved seldom
  http::RequestReader reader_;
  std::string rest_;         // read, but of the next request
  std::string head_, body_;  // of the response being written
  Clock::time_point since_;
  State state_ = State::reading;
  bool asked_ = false;  // whether the body may come: Expect
  bool keep_alive_ = true;
  bool finishing_ = false;
};

}  // namespace manta::serve
