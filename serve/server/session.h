// One connection: reads a request, has it answered, writes the response, and again (HTTP/1.1 keep-alive, one at a time).
//
//   SESSION-1  whatever a client sends gets a response that says what is wrong, or the connection is closed: by the end of
//              idle_timeout or request_timeout at the latest
//   SESSION-2  a connection that waits for a request keeps no memory but its buffers of a few hundred bytes
//
// Threading: the loop's thread. Ownership: shared by its operations under way and by the request that is being answered.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <manta/serve/http.h>

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
  int socket() { return stream_.socket().native_handle(); }

 private:
  void on_header(boost::beast::error_code error);
  void on_request(boost::beast::error_code error);
  void refuse(boost::beast::error_code error);

  Engine& engine_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  std::string method_, target_;  // for the log
  std::chrono::steady_clock::time_point since_;
  bool keep_alive_ = true;
  bool busy_ = false;  // from a request's first byte known to its response written
  bool finishing_ = false;
};

}  // namespace manta::serve
