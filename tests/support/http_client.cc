#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace manta::testing {

std::string Answer::header(std::string_view name) const {
  const std::string wanted = "\r\n" + std::string(name) + ": ";
  const std::size_t at = head.find(wanted);
  if (at == std::string::npos) return {};
  const std::size_t from = at + wanted.size();
  return head.substr(from, head.find("\r\n", from) - from);
}

HttpClient::HttpClient(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const auto port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  sockaddr_in to{};
  sockaddr_in6 to6{};
  const bool v6 = address.front() == '[';
  to.sin_family = AF_INET;
  to.sin_port = port;
  to6.sin6_family = AF_INET6;
  to6.sin6_port = port;
  if (v6) {
    ::inet_pton(AF_INET6, address.substr(1, colon - 2).c_str(), &to6.sin6_addr);
  } else {
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  }
  socket_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto* where = v6 ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to);
  if (::connect(socket_, where, v6 ? sizeof to6 : sizeof to) != 0)
    throw std::runtime_error("cannot connect to " + address);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

HttpClient::~HttpClient() { ::close(socket_); }

void HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool HttpClient::more() {
  pollfd wait{socket_, POLLIN, 0};
  if (::poll(&wait, 1, 20'000) <= 0) throw std::runtime_error("no response within 20 s");
  char bytes[65536];
  const ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(n));
  return true;
}

std::string HttpClient::read_all() {
  while (more()) {
  }
  return std::exchange(buffer_, {});
}

std::string HttpClient::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return {};
  }
  const std::string head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  return head;
}

Answer HttpClient::read() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return {};
  }
  Answer answer;
  answer.head = buffer_.substr(0, end + 2);
  answer.status = std::stoi(answer.head.substr(9, 3));
  buffer_.erase(0, end + 4);
  const std::string length = answer.header("Content-Length");
  const std::size_t size = length.empty() ? 0 : std::stoul(length);
  while (buffer_.size() < size) {
    if (!more()) throw std::runtime_error("a response ended early");
  }
  answer.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return answer;
}

bool HttpClient::closed(std::chrono::milliseconds limit) {
  pollfd wait{socket_, POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(limit.count())) <= 0) return false;
  char byte = 0;
  return ::recv(socket_, &byte, 1, MSG_PEEK) <= 0;
}

Answer HttpClient::get(const std::string& path) {
  send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  return read();
}

Answer HttpClient::post(const std::string& path, std::string_view body, const std::string& headers) {
  send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
       "\r\n\r\n");
  send(body);
  return read();
}

}  // namespace manta::testing
