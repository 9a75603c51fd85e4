// Faulty and malicious requests: each gets an answer that names the fault, and the server keeps running.
#include <poll.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class Hostile : public ::testing::Test {
 protected:
  Hostile() : server_({.port = 0, .max_body_bytes = 1 << 20, .idle_timeout = 700ms, .request_timeout = 300ms}) {
    server_.run(deployment<Echo>({.name = "echo"}));
    server_.run(deployment<Twice>({.name = "twice"}));
  }
  // Sends the bytes on a new connection.
  Answer raw(const std::string& bytes) {
    HttpClient client(server_.address());
    client.send(bytes);
    return client.read();
  }
  Answer infer(const std::string& body, const std::string& headers = "") {
    return HttpClient(server_.address()).post("/v2/models/twice/infer", body, headers);
  }
  void expect_alive() { EXPECT_EQ(HttpClient(server_.address()).post("/echo", "x").status, 200); }

  Server server_;
};

TEST_F(Hostile, WrongPlacesAndMethods) {
  HttpClient client(server_.address());
  const Answer nowhere = client.get("/nowhere");
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_THAT(nowhere.body, HasSubstr("there is: echo, twice"));
  EXPECT_EQ(client.get("/").status, 404);
  EXPECT_EQ(client.get("/echo/deeper").status, 404);
  EXPECT_EQ(client.post("/twice", "1").status, 404);
  EXPECT_EQ(client.post("/v2/models/echo/infer", "{}").status, 404);
  EXPECT_EQ(client.post("/v2/models/nobody/infer", "{}").status, 404);
  client.send("DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer deleted = client.read();
  EXPECT_EQ(deleted.status, 405);
  EXPECT_EQ(deleted.header("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(client.get("/v2/models/twice/infer").header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(client.post("/echo", "x", "Content-Encoding: gzip\r\n").status, 415);
  expect_alive();
}

TEST_F(Hostile, InferenceRequestsThatAreWrong) {
  const char* const bodies[] = {
      "",
      "[]",
      "1",
      "{",
      "{}",
      R"({"inputs":[]})",
      R"({"inputs":{}})",
      R"({"inputs":[1]})",
      R"({"inputs":[{}]})",
      R"({"inputs":[{"name":"x"}]})",
      R"({"inputs":[{"name":"x","datatype":"FP33","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[99999999999,99999999999],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":["a","b"]}]})",
      R"({"inputs":[{"name":"x","datatype":"UINT8","shape":[2],"data":[1,300]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})",
      R"({"inputs":[{"name":"z","datatype":"FP32","shape":[1,2],"data":[1,2]}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"none"}]})",
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}],"outputs":[{}]})"};
  for (const char* body : bodies) {
    const Answer answer = infer(body);
    EXPECT_EQ(answer.status, 400) << body << " gave " << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("{\"error\":\"")) << body;
  }
  EXPECT_EQ(infer("{}", "Inference-Header-Content-Length: 99\r\n").status, 400);
  EXPECT_EQ(infer("{}", "Inference-Header-Content-Length: x\r\n").status, 400);
  EXPECT_EQ(infer(std::string(500'000, '[')).status, 400);
  expect_alive();
}

TEST_F(Hostile, SlowClients) {
  HttpClient header(server_.address()), body(server_.address()), silent(server_.address());
  header.send("GET /echo HTT");
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(body.read().status, 408);
  EXPECT_TRUE(body.closed(20s));
  EXPECT_EQ(header.read().status, 408);
  EXPECT_TRUE(header.closed(20s));
  EXPECT_TRUE(silent.closed(20s));
  expect_alive();
}

TEST_F(Hostile, BytesByChance) {
  std::mt19937 random(7);
  const std::string good =
      "POST /v2/models/twice/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: 96\r\nContent-Length: "
      "104\r\n\r\n"
      R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}   12345678)";
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.erase(at, random() % 20);
      } else {
        bytes[at] = static_cast<char>(random());
      }
    }
    HttpClient client(server_.address());
    client.send(bytes);  // and mostly closes at once
    if (i % 20 == 0) {
      const int status = client.read().status;
      EXPECT_TRUE(status == 0 || status == 200 || (status >= 400 && status < 500)) << status;
    }
  }
  expect_alive();
}

TEST(HostileLoad, LargeBodies) {
  Server server = run(deployment<Echo>({.name = "echo"}), {.port = 0});
  const std::string large(100'000'000, 'x');
  HttpClient client(server.address());
  const Answer answer = client.post("/echo", large);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.size(), std::string("POST /echo   ").size() + large.size());
  EXPECT_EQ(client.post("/echo", "small").body, "POST /echo   small");
}

TEST(HostileLoad, ThousandsOfIdleConnections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t count = limit.rlim_cur > 21'000 ? 10'000 : limit.rlim_cur / 2 - 100;  // this process has both ends
  Server server = run(deployment<Echo>({.name = "echo"}), {.port = 0});
  std::vector<std::unique_ptr<HttpClient>> idle;
  for (std::size_t i = 0; i < count; ++i) idle.push_back(std::make_unique<HttpClient>(server.address()));
  HttpClient client(server.address());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.post("/echo", "x").status, 200);
  EXPECT_THAT(client.get("/metrics").body, HasSubstr("manta_http_connections " + std::to_string(count + 1) + "\n"));
  EXPECT_EQ(idle.back()->post("/echo", "x").status, 200);
}

TEST(AccessLog, AnUnforgeableLineForEachResponse) {
  const std::string file = ::testing::TempDir() + "manta_access." + std::to_string(::getpid());
  {
    Server server = run(deployment<Echo>({.name = "echo"}), {.port = 0, .access_log = file});
    HttpClient client(server.address());
    client.post("/echo", "x");
    client.get("/none?\"");
  }
  std::ifstream in(file);
  std::string first, second, more;
  std::getline(in, first);
  std::getline(in, second);
  EXPECT_THAT(first, HasSubstr("\"POST /echo HTTP/1.1\" 200 14 "));
  EXPECT_THAT(second, HasSubstr(" 40"));
  EXPECT_FALSE(std::getline(in, more)) << more;
  std::remove(file.c_str());
  EXPECT_THROW(Server({.port = 0, .access_log = "/nowhere/log"}), manta::Error);
}

}  // namespace
}  // namespace manta::serve::testing
