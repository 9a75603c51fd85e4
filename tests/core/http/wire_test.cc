// HTTP/1.1 on real connections: what comes back for what is sent, byte for byte.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/http/running_server.h"
#include "tests/support/http_client.h"

namespace manta::http {
namespace {

using manta::testing::Answer;
using manta::testing::HttpClient;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class Wire : public ::testing::Test {
 protected:
  // All that comes back until the server closes; ask for that.
  std::string exchange(const std::string& bytes) {
    HttpClient client(server_.address());
    client.send(bytes);
    return client.read_all();
  }
  // Sends it on a connection of its own.
  Answer raw(const std::string& bytes) {
    HttpClient client(server_.address());
    client.send(bytes);
    return client.read();
  }
  Answer ask(const std::string& target) { return HttpClient(server_.address()).get(target); }
  void expect_alive() { EXPECT_EQ(HttpClient(server_.address()).post("/echo", "x").status, 200); }

  RunningServer server_{echo, {.max_body_bytes = 1 << 20, .request_timeout = 60s}};
};

int responses(const std::string& bytes) {
  int count = 0;
  for (std::size_t at = bytes.find("HTTP/1.1 "); at != std::string::npos; at = bytes.find("HTTP/1.1 ", at + 1)) ++count;
  return count;
}

TEST_F(Wire, ABodyNeverBecomesTheNextRequest) {
  const std::string smuggled = "GET /echo?smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const std::string length = std::to_string(smuggled.size());
  for (const char* fields :
       {"Transfer-Encoding: gzip\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, x\r\n", "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0b"
        "chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 62\r\n", "Content-Length: 0, 62\r\n", "Content-Length : 62\r\n",
        "Content-Length: 0 62\r\n", "X: y\r\n Content-Length: 62\r\n", "Content-Length: +0\r\n",
        "X: y\nContent-Length: 62\r\n", "X: y\rContent-Length: 62\r\n"}) {
    const std::string all = exchange(std::string("POST /echo HTTP/1.1\r\nHost: x\r\n") + fields + "\r\n" + smuggled);
    EXPECT_EQ(responses(all), 1) << fields << all;
    EXPECT_THAT(all, Not(HasSubstr("smuggled"))) << fields;
    EXPECT_THAT(all, HasSubstr("\r\nConnection: close\r\n")) << fields;
  }
  const std::string body = exchange("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + length +
                                    "\r\n\r\n" + smuggled);
  EXPECT_EQ(responses(body), 1);
  EXPECT_THAT(body, HasSubstr("POST /echo  " + smuggled));
}

TEST_F(Wire, AnHttp10ConnectionStaysWhereTheClientAsks) {
  HttpClient client(server_.address());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    EXPECT_EQ(client.read().header("Connection"), "keep-alive");
  }
  client.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().header("Connection"), "close");
  EXPECT_TRUE(client.closed(20s));
  EXPECT_EQ(ask("/echo").header("Connection"), "");
}

TEST_F(Wire, ARefusedClientThatStillSendsReadsWhy) {
  HttpClient client(server_.address());
  const std::string large(10'000'000, 'x');
  EXPECT_EQ(client.post("/echo", large).status, 413);
  EXPECT_TRUE(client.closed(20s));
}

TEST_F(Wire, RequestsThatAreNone) {
  EXPECT_EQ(raw("hello\r\n\r\n").status, 400);
  EXPECT_EQ(raw("GET /echo\r\n\r\n").status, 400);
  EXPECT_EQ(raw("GET /echo HTTP/9.9\r\n\r\n").status, 505);
  EXPECT_EQ(raw("GET /echo HTTP/1.1\r\nno colon\r\n\r\n").status, 400);
  EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n").status, 400);
  EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").status, 400);
  EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").status, 400);
  std::string tls("\x16\x03\x01\x02\x00\x01\x00", 7);
  tls.append(200, '\1');
  EXPECT_EQ(raw(tls).status, 400);
  EXPECT_EQ(raw("GET /echo HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n").status, 431);
  EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n").status, 413);
  EXPECT_EQ(raw("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n").status, 413);
  expect_alive();
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(Wire, FramingThatNeverEndsIsNotKept) {
  const std::size_t before = resident_bytes();
  const std::string piece(1 << 20, 'x');
  for (const char* start : {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", "GET /",
                            "GET / HTTP/1.1\r\nHost: x\r\nA: ",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "}) {
    HttpClient client(server_.address());
    client.send(start);
    for (int i = 0; i < 64; ++i) client.send(piece);  // until the server closes
    const int status = client.read().status;
    EXPECT_TRUE(status == 0 || (status >= 400 && status < 500)) << start << status;
  }
  EXPECT_LT(resident_bytes(), before + (std::size_t{16} << 20));
}

TEST_F(Wire, AThousandClientsThatSendByteByByte) {
  const std::size_t before = resident_bytes();
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(std::make_unique<HttpClient>(server_.address()));
  const std::string bytes =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nab";
  for (const char byte : bytes) {
    for (const auto& client : clients) client->send({&byte, 1});
  }
  EXPECT_EQ(ask("/echo").status, 200);
  EXPECT_LT(resident_bytes(), before + (std::size_t{64} << 20));
  for (const auto& client : clients) client->send("cde\r\n0\r\n\r\n");
  for (const auto& client : clients) ASSERT_EQ(client->read().body, "POST /echo  abcde");
}

}  // namespace
}  // namespace manta::http
