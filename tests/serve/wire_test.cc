// HTTP/1.1 on real connections: requests and responses, byte for byte.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

// Returns what the query asks for.
struct Answers {
  Response operator()(const Request& request) {
    const std::string& query = request.query;
    if (query == "204" || query == "304" || query == "205")
      return {.status = std::stoi(query), .body = "there is none"};
    if (query == "split") return {.headers = {{"X-A", "b\r\nSet-Cookie: stolen=1"}}};
    if (query == "name") return {.headers = {{"X A", "b"}}};
    if (query == "length") return {.body = "abc", .headers = {{"Content-Length", "1"}}};
    if (query == "coding") return {.body = "abc", .headers = {{"Transfer-Encoding", "chunked"}}};
    if (query == "type") return {.body = "{}", .headers = {{"content-type", "application/problem+json"}}};
    if (query == "bad_type") return {.content_type = "text/html\r\nX: y", .body = "abc"};
    return {.body = request.path + "|" + std::string(request.header("host")) + "|" + request.body};
  }
};

class Wire : public ::testing::Test {
 protected:
  Wire() : server_({.port = 0, .max_body_bytes = 1 << 20, .request_timeout = 60s}) {
    server_.run(deployment<Echo>({.name = "echo"}));
    server_.run(deployment<Answers>({.name = "answers"}));
  }
  // All bytes until the server closes; the request must ask for that.
  std::string exchange(const std::string& bytes) {
    HttpClient client(server_.address());
    client.send(bytes);
    return client.read_all();
  }
  Answer ask(const std::string& target) { return HttpClient(server_.address()).get(target); }

  Server server_;
};

int responses(const std::string& bytes) {
  int count = 0;
  for (std::size_t at = bytes.find("HTTP/1.1 "); at != std::string::npos; at = bytes.find("HTTP/1.1 ", at + 1)) ++count;
  return count;
}

TEST_F(Wire, TargetsInAllForms) {
  EXPECT_EQ(ask("/%65ch%6F").status, 200);
  EXPECT_EQ(ask("/./x/..//echo").status, 200);
  EXPECT_EQ(ask("/echo%2Fx").status, 404);
  EXPECT_EQ(ask("/echo%00").status, 400);
  EXPECT_EQ(ask("/%76%32/health/live").status, 200);
  EXPECT_EQ(ask("http://elsewhere:1/echo?a=b").body, "GET /echo a=b  ");
  EXPECT_EQ(ask("http://elsewhere").status, 404);
  HttpClient client(server_.address());
  client.send(
      "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS /v2/models/x/infer HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS /echo "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer all = client.read();
  EXPECT_EQ(all.status, 204);
  EXPECT_EQ(all.header("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(client.read().status, 404);
  EXPECT_EQ(client.read().header("Allow"), "GET, HEAD, POST, OPTIONS");
  client.send(
      "BREW /echo HTTP/1.1\r\nHost: x\r\n\r\nCONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\nPUT /echo HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  EXPECT_EQ(client.read().status, 501);
  EXPECT_EQ(client.read().status, 501);
  EXPECT_EQ(client.read().status, 405);
  EXPECT_THAT(exchange("GET / HTTP/2.0\r\n\r\n"), HasSubstr("HTTP/1.1 505 "));
}

TEST_F(Wire, HeadAndStatusesWithoutContent) {
  HttpClient client(server_.address());
  client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.read_head();
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: 13\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nDate: "));
  for (const char* status : {"204", "304", "205"}) {
    const Answer answer = client.get("/answers?" + std::string(status));
    EXPECT_EQ(std::to_string(answer.status), status);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(answer.header("Content-Length"), answer.status == 205 ? "0" : "");
  }
  EXPECT_EQ(client.get("/answers").body, "/answers|x|");  // nothing is left of the other requests
  EXPECT_EQ(responses(exchange("HEAD /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), 1);
  EXPECT_THAT(exchange("HEAD /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(Wire, AProgramCannotBreakTheResponse) {
  for (const char* what : {"split", "name", "length", "coding", "bad_type"}) {
    const Answer answer = ask("/answers?" + std::string(what));
    EXPECT_EQ(answer.status, 500) << what;
    EXPECT_THAT(answer.body, HasSubstr("the response cannot be sent")) << what;
    EXPECT_THAT(answer.head, Not(HasSubstr("stolen")));
  }
  const Answer typed = ask("/answers?type");
  EXPECT_EQ(typed.header("content-type"), "application/problem+json");
  EXPECT_EQ(typed.header("Content-Type"), "");
}

TEST_F(Wire, ExpectationsAreAnsweredBeforeTheBody) {
  const std::string expect = "Host: x\r\nExpect: 100-continue\r\n";
  HttpClient client(server_.address());
  client.send("POST /answers HTTP/1.1\r\n" + expect + "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("2\r\nok\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body, "/answers|x|ok");
  client.send("GET /answers HTTP/1.1\r\n" + expect + "\r\n");
  EXPECT_EQ(client.read().status, 200);  // no body follows
  client.send("POST /answers HTTP/1.1\r\n" + expect + "Content-Length: 2\r\n\r\nok");
  EXPECT_EQ(client.read().status, 200);  // the body is there
  const std::string length = "Content-Length: 2\r\n\r\n";
  EXPECT_THAT(exchange("POST /nowhere HTTP/1.1\r\n" + expect + length), HasSubstr("HTTP/1.1 404 "));
  EXPECT_THAT(exchange("PUT /echo HTTP/1.1\r\n" + expect + length), HasSubstr("HTTP/1.1 405 "));
  EXPECT_THAT(exchange("POST /echo HTTP/1.1\r\nContent-Encoding: br\r\n" + expect + length),
              ::testing::StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(exchange("POST /echo HTTP/1.1\r\n" + expect + "Content-Length: 9999999\r\n\r\n"),
              ::testing::StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(exchange("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: more\r\n" + length),
              ::testing::StartsWith("HTTP/1.1 417 "));
}

TEST(WireAddress, AnIpv6AddressStandsInBrackets) {
  std::unique_ptr<Server> server;
  try {
    server = std::make_unique<Server>(HttpOptions{.host = "::1", .port = 0});
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("[::1]:0"));
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  EXPECT_THAT(server->address(), ::testing::StartsWith("[::1]:"));
  server->run(deployment<Echo>({.name = "echo"}));
  EXPECT_EQ(HttpClient(server->address()).get("/echo").status, 200);
}

}  // namespace
}  // namespace manta::serve::testing
