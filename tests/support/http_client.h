// An HTTP/1.1 client on a plain socket: sends bytes unchanged, and reads one response after the other.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace manta::testing {

struct Answer {
  int status = 0;  // 0: the connection ended without one
  std::string head;
  std::string body;
  // Value of a header, its name as the server writes it.
  std::string header(std::string_view name) const;
};

// Threading: one thread. Ownership: of its socket.
class HttpClient {
 public:
  explicit HttpClient(const std::string& address);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  void send(std::string_view bytes);             // ignores that the other side may have closed
  Answer read();                                 // waits for 20 s at most
  std::string read_head();                       // for a response that has no body whatever it announces
  std::string read_all();                        // until the other side closes, 20 s at most
  bool closed(std::chrono::milliseconds limit);  // by the other side

  Answer get(const std::string& path);
  Answer post(const std::string& path, std::string_view body, const std::string& headers = "");

 private:
  int socket_ = -1;
  bool more();  // false: the other side has closed
  std::string buffer_;
};

}  // namespace manta::testing
