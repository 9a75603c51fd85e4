// An HTTP/1.1 client on a plain socket: sends bytes unchanged, and reads one response after the other.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace manta::testing {

struct Answer {
  int status = 0;  // 0: the connection ended without a response
  std::string head;
  std::string body;
  // A header's value, by its name as the server writes it.
  std::string header(std::string_view name) const;
};

// Threading: one thread. Ownership: owns its socket.
class HttpClient {
 public:
  explicit HttpClient(const std::string& address);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  void send(std::string_view bytes);             // ignores that the server may have closed
  Answer read();                                 // waits for 20 s at most
  std::string read_head();                       // for a response without the body that its head announces
  std::string read_all();                        // until the server closes, 20 s at most
  bool closed(std::chrono::milliseconds limit);  // by the server

  Answer get(const std::string& path);
  Answer post(const std::string& path, std::string_view body, const std::string& headers = "");

 private:
  int socket_ = -1;
  bool more();  // false: the server has closed
  std::string buffer_;
};

}  // namespace manta::testing
