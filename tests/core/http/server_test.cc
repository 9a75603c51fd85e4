// The server: responses from the loop's and other threads; streams; authorisation; limits; its end.
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/error.h>

#include "tests/core/http/running_server.h"
#include "tests/support/http_client.h"

namespace manta::http {
namespace {

using manta::testing::Answer;
using manta::testing::HttpClient;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr auto kLong = 20s;

// Keeps the responders that a handler gets, for the test's thread.
class Kept {
 public:
  RunningServer::Handle handle() {
    return [this](RequestHead&, const std::string&, Responder responder) {
      const std::lock_guard guard(mutex_);
      responders_.push_back(std::move(responder));
      count_.release();
    };
  }
  Responder next() {
    count_.acquire();
    const std::lock_guard guard(mutex_);
    Responder responder = std::move(responders_.front());
    responders_.erase(responders_.begin());
    return responder;
  }

 private:
  std::mutex mutex_;
  std::vector<Responder> responders_;
  std::counting_semaphore<> count_{0};
};

// --- whole responses

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  Kept kept;
  RunningServer server(kept.handle());
  HttpClient client(server.address());
  client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  kept.next().respond({.body = "first"});
  kept.next().respond({.body = "second"});
  EXPECT_EQ(client.read().body, "first");
  EXPECT_EQ(client.read().body, "second");
}

TEST(HttpServer, ManyThreadsAnswer) {
  Kept kept;
  RunningServer server(kept.handle());
  constexpr int kClients = 8, kRequests = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kRequests; ++n) kept.next().respond({.body = "x"});
    });
  }
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&] {
      HttpClient client(server.address());
      for (int n = 0; n < kRequests; ++n) EXPECT_EQ(client.get("/").body, "x");
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(server.finished_requests().size(), std::size_t{kClients} * kRequests);
}

TEST(HttpServer, ADroppedRequestIsAnswered500) {
  RunningServer server([](RequestHead&, const std::string&, const Responder&) {});
  HttpClient client(server.address());
  const Answer answer = client.get("/");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("without an answer"));
  EXPECT_EQ(client.get("/").status, 500);  // the connection goes on
}

TEST(HttpServer, AResponderCanCloseTheConnection) {
  RunningServer server([](RequestHead&, const std::string&, Responder responder) {
    EXPECT_GE(responder.socket(), 0);
    std::move(responder).close();
  });
  HttpClient client(server.address());
  EXPECT_EQ(client.get("/").status, 0);
  EXPECT_EQ(server.in_loop([](Server& each) { return each.connections(); }), 0U);
}

TEST(HttpServer, AResponderMayOutliveTheServer) {
  Kept kept;
  Responder left, replaced;
  {
    RunningServer server(kept.handle());
    HttpClient one(server.address()), two(server.address());
    one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    left = kept.next();
    two.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    replaced = kept.next();
    replaced = Responder();  // drops the request
    EXPECT_EQ(two.read().status, 500);
    server.stop(0ms);
  }
  EXPECT_EQ(left.socket(), -1);
  std::promise<bool> open;
  ResponseStream stream = std::move(left).stream({});
  stream.write("x", [&](bool is_open) { open.set_value(is_open); });
  EXPECT_FALSE(open.get_future().get());
}

TEST(HttpServer, HeadAndStatusesWithoutContent) {
  RunningServer server([](const RequestHead& head, const std::string&, Responder responder) {
    std::move(responder).respond({.status = std::stoi(head.query), .body = "content"});
  });
  HttpClient client(server.address());
  client.send("HEAD /?200 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_head(), HasSubstr("\r\nContent-Length: 7\r\n"));
  for (const int status : {204, 304, 205}) EXPECT_EQ(client.get("/?" + std::to_string(status)).body, "");
  EXPECT_EQ(client.get("/?200").body, "content");  // nothing was left of the others
}

TEST(HttpServer, AResponseThatCannotBeSentIsA500) {
  RunningServer server([](const RequestHead& head, const std::string&, Responder responder) {
    Response response{.headers = {{"X-A", "b\r\nSet-Cookie: stolen=1"}}};
    if (head.path == "/whole") return std::move(responder).respond(response);
    std::move(responder).stream(response).write("x", [](bool open) { EXPECT_FALSE(open); });
  });
  for (const char* path : {"/whole", "/stream"}) {
    const Answer answer = HttpClient(server.address()).get(path);
    EXPECT_EQ(answer.status, 500) << path;
    EXPECT_THAT(answer.body, HasSubstr("the response cannot be sent")) << path;
    EXPECT_THAT(answer.head, Not(HasSubstr("stolen"))) << path;
  }
}

TEST(HttpServer, TheObserverGetsAnEventForEachResponse) {
  RunningServer server(echo);
  HttpClient client(server.address());
  client.post("/a?b", "xy");
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.read().status, 400);
  const auto finished = server.finished_requests();
  ASSERT_EQ(finished.size(), 2U);
  EXPECT_EQ(finished[0].peer, "127.0.0.1");
  EXPECT_EQ(finished[0].method + finished[0].target, "POST/a?b");
  EXPECT_EQ(finished[0].status, 200);
  EXPECT_EQ(finished[0].body_bytes, std::string("POST /a b xy").size());
  EXPECT_EQ(finished[1].method + finished[1].target, "--");
  EXPECT_EQ(finished[1].status, 400);
}

// --- responses in parts

// Writes parts one after the other, each when the one before it has gone.
void write_parts(const std::shared_ptr<ResponseStream>& stream, std::vector<std::string> parts) {
  if (parts.empty()) return std::move(*stream).finish();
  std::string part = std::move(parts.front());
  parts.erase(parts.begin());
  stream->write(std::move(part), [=](bool open) {
    if (open) write_parts(stream, parts);
  });
}

void stream_abc(const RequestHead& head, const std::string&, Responder responder) {
  const int status = head.query.empty() ? 200 : std::stoi(head.query);
  write_parts(std::make_shared<ResponseStream>(std::move(responder).stream({.status = status, .body = "unused"})),
              {"", "a", "", std::string(20, 'b'), "c"});
}

std::string all_of(RunningServer& server, const std::string& bytes) {
  HttpClient client(server.address());
  client.send(bytes);
  return client.read_all();
}

TEST(HttpStream, IsChunked) {
  RunningServer server(stream_abc);
  const std::string all =
      all_of(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, Not(HasSubstr("Content-Length")));
  const std::string body = "\r\n\r\n1\r\na\r\n14\r\n" + std::string(20, 'b') + "\r\n1\r\nc\r\n0\r\n\r\n";
  EXPECT_THAT(all, HasSubstr("Transfer-Encoding: chunked" + body + "HTTP/1.1 200"));  // the connection goes on
  EXPECT_THAT(all, EndsWith("Connection: close" + body));
  EXPECT_EQ(server.finished_requests().at(0).body_bytes, 22U);
}

TEST(HttpStream, EndsWithTheConnectionForHttp10) {
  RunningServer server(stream_abc);
  const std::string all = all_of(server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(all, EndsWith("\r\nConnection: close\r\n\r\na" + std::string(20, 'b') + "c"));
  EXPECT_THAT(all, Not(HasSubstr("Transfer-Encoding")));
}

TEST(HttpStream, HasNoBodyWhereTheRequestOrTheStatusAllowsNone) {
  RunningServer server(stream_abc);
  const std::string head = all_of(server, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, EndsWith("\r\nConnection: close\r\n\r\n"));
  HttpClient client(server.address());
  for (const int status : {204, 304, 205}) EXPECT_EQ(client.get("/?" + std::to_string(status)).status, status);
  EXPECT_EQ(server.finished_requests().at(0).body_bytes, 0U);
}

TEST(HttpStream, ComesFromAnotherThread) {
  Kept kept;
  RunningServer server(kept.handle());
  HttpClient client(server.address());
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  ResponseStream stream = kept.next().stream({});
  for (int i = 0; i < 3; ++i) {
    std::promise<bool> written;
    stream.write("x", [&](bool open) { written.set_value(open); });
    EXPECT_TRUE(written.get_future().get());
  }
  std::move(stream).finish();
  EXPECT_THAT(client.read_all(), EndsWith("\r\n\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"));
}

TEST(HttpStream, FinishFollowsThePartThatIsBeingWritten) {
  RunningServer server([](RequestHead&, const std::string&, Responder responder) {
    ResponseStream stream = std::move(responder).stream({});
    stream.write(std::string(1 << 22, 'x'), [](bool open) { EXPECT_TRUE(open); });
    std::move(stream).finish();
  });
  EXPECT_THAT(all_of(server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), EndsWith("x\r\n0\r\n\r\n"));
}

TEST(HttpStream, ASlowClientHoldsTheWriter) {
  std::atomic<int> gone = 0;
  constexpr int kParts = 64;
  std::function<void(std::shared_ptr<ResponseStream>)> next = [&](std::shared_ptr<ResponseStream> stream) {
    if (gone == kParts) return std::move(*stream).finish();
    stream->write(std::string(1 << 20, 'x'), [&, stream](bool open) {
      if (open) ++gone;
      if (open) next(stream);
    });
  };
  RunningServer server([&](const RequestHead& head, const std::string& body, Responder responder) {
    if (head.path == "/whole") return echo(head, body, std::move(responder));
    next(std::make_shared<ResponseStream>(std::move(responder).stream({})));
  });
  HttpClient client(server.address());
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_head(), StartsWith("HTTP/1.1 200"));
  HttpClient other(server.address());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(other.get("/whole").status, 200);  // others are not held
  EXPECT_LT(gone, kParts);                                                   // no socket's buffers hold 64 MiB
  EXPECT_GT(client.read_all().size(), std::size_t{kParts} << 20);
}

TEST(HttpStream, AClientThatHasLeftEndsIt) {
  std::promise<void> ended;
  std::function<void(std::shared_ptr<ResponseStream>)> next = [&](std::shared_ptr<ResponseStream> stream) {
    stream->write(std::string(1 << 16, 'x'), [&, stream](bool open) { open ? next(stream) : ended.set_value(); });
  };
  RunningServer server([&](RequestHead&, const std::string&, Responder responder) {
    next(std::make_shared<ResponseStream>(std::move(responder).stream({})));
  });
  {
    HttpClient client(server.address());
    client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.read_head(), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_EQ(ended.get_future().wait_for(kLong), std::future_status::ready);
  EXPECT_EQ(server.finished_requests().at(0).target, "/x");
}

TEST(HttpStream, AnIncompleteBodyIsSeenByTheClient) {
  for (const bool early : {false, true}) {
    RunningServer server([&](RequestHead&, const std::string&, Responder responder) {
      ResponseStream stream = std::move(responder).stream({});
      stream.write("x", [](bool) {});
      if (early) {
        stream.write("y", [](bool open) { EXPECT_FALSE(open); });  // before the first one has gone
        std::move(stream).finish();
      }
    });
    const std::string all = all_of(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(all, Not(HasSubstr("\r\n0\r\n\r\n"))) << early;
  }
}

// --- before the body

TEST(HttpServer, AnExpectationIsAnsweredBeforeTheBody) {
  RunningServer server(echo, {.max_body_bytes = 1000});
  const std::string expect = " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  HttpClient client(server.address());
  client.send("POST /a" + expect + "2\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("ok");
  EXPECT_EQ(client.read().body, "POST /a  ok");
  client.send("POST /a" + expect + "2\r\n\r\nok");  // it has come
  EXPECT_EQ(client.read().status, 200);
  client.send("POST /refused" + expect + "2\r\n\r\n");
  EXPECT_EQ(client.read().status, 404);
  EXPECT_TRUE(client.closed(kLong));  // else the body would be the next request
  EXPECT_THAT(all_of(server, "POST /a" + expect + "1001\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
}

class DenyMethods final : public Authorizer {
  std::optional<Denial> deny(const RequestHead& head) const override {
    if (head.method == "GET" && head.peer == "127.0.0.1") return std::nullopt;
    return Denial{.status = 403, .why = head.method + " is not for " + head.peer};
  }
};

TEST(HttpServer, AnAuthorizerDeniesBeforeTheBody) {
  const DenyMethods authorizer;
  RunningServer server(echo, {}, &authorizer);
  HttpClient client(server.address());
  EXPECT_EQ(client.get("/a").status, 200);
  client.send("DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer denied = client.read();
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.body, R"({"error":"DELETE is not for 127.0.0.1"})");
  EXPECT_EQ(denied.header("WWW-Authenticate"), "");
  EXPECT_EQ(client.get("/a").status, 200);  // the connection goes on
  for (const char* more : {"", "Expect: 100-continue\r\n"}) {
    HttpClient sending(server.address());
    sending.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n" + std::string(more) + "\r\n");
    const Answer before = sending.read();  // no byte of the body was sent
    EXPECT_EQ(before.status, 403);
    EXPECT_EQ(before.header("Connection"), "close");
    EXPECT_TRUE(sending.closed(kLong));
  }
  EXPECT_EQ(server.handled(), 2);
  EXPECT_EQ(server.finished_requests().at(1).status, 403);
}

TEST(HttpServer, ABearerTokenOpensIt) {
  const BearerToken authorizer("abc123", "jobs");
  RunningServer server(echo, {}, &authorizer);
  HttpClient client(server.address());
  const Answer without = client.get("/a");
  EXPECT_EQ(without.status, 401);
  EXPECT_EQ(without.header("WWW-Authenticate"), "Bearer realm=\"jobs\"");
  EXPECT_EQ(client.post("/a", "x", "Authorization: Bearer abc123\r\n").status, 200);
  EXPECT_EQ(client.post("/a", "x", "Authorization: Bearer abc124\r\n").header("WWW-Authenticate"),
            "Bearer realm=\"jobs\", error=\"invalid_token\"");
}

// --- limits

TEST(HttpServer, MoreConnectionsWaitToBeAccepted) {
  RunningServer server(echo, {.max_connections = 2});
  auto one = std::make_unique<HttpClient>(server.address());
  HttpClient two(server.address());
  EXPECT_EQ(one->get("/").status, 200);
  EXPECT_EQ(two.get("/").status, 200);
  HttpClient three(server.address());
  three.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(two.get("/").status, 200);
  EXPECT_EQ(server.in_loop([](Server& each) { return each.connections(); }), 2U);
  EXPECT_EQ(server.finished_requests().size(), 3U);
  one.reset();
  EXPECT_EQ(three.read().status, 200);
}

TEST(HttpServer, TimeoutsEndWhatDoesNotCome) {
  RunningServer server(echo, {.idle_timeout = 200ms, .request_timeout = 100ms});
  HttpClient silent(server.address()), slow(server.address());
  slow.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(slow.read().status, 408);
  EXPECT_TRUE(slow.closed(kLong));
  EXPECT_TRUE(silent.closed(kLong));
}

TEST(HttpServer, LimitsAreAnswered) {
  RunningServer server(echo, {.max_body_bytes = 10, .max_header_bytes = 200});
  EXPECT_EQ(HttpClient(server.address()).post("/", std::string(11, 'x')).status, 413);
  EXPECT_EQ(HttpClient(server.address()).post("/", std::string(10, 'x')).status, 200);
  EXPECT_EQ(HttpClient(server.address()).post("/", "", "X: " + std::string(200, 'x') + "\r\n").status, 431);
}

// --- its end

TEST(HttpServer, WhatIsUnderWayIsAnsweredAtTheEnd) {
  Kept kept;
  RunningServer server(kept.handle());
  HttpClient idle(server.address()), asking(server.address());
  asking.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Responder responder = kept.next();
  std::thread stopping([&] { server.stop(kLong); });
  EXPECT_TRUE(idle.closed(kLong));
  std::move(responder).respond({.body = "last"});
  const Answer answer = asking.read();
  EXPECT_EQ(answer.body, "last");
  EXPECT_EQ(answer.header("Connection"), "close");
  stopping.join();
  EXPECT_THROW(HttpClient{server.address()}, std::runtime_error);
}

TEST(HttpServer, ItDoesNotWaitLongerThanItIsGiven) {
  Kept kept;
  RunningServer server(kept.handle());
  HttpClient asking(server.address());
  asking.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const Responder never = kept.next();
  server.stop(1ms);
  EXPECT_TRUE(never);
}

TEST(HttpServer, ALoopThatDoesOtherWorkDrivesIt) {
  struct Pages final : Handler {
    std::optional<Response> refusal_of(const RequestHead&) override { return std::nullopt; }
    void handle(RequestHead& head, std::string body, Responder responder) override {
      echo(head, body, std::move(responder));
    }
  } pages;
  Server server({}, pages);
  std::promise<int> status;
  std::thread client([&] {
    status.set_value(HttpClient(server.address()).get("/").status);
    server.post([] {});
  });
  auto answered = status.get_future();
  while (answered.wait_for(0s) != std::future_status::ready) {
    if (server.poll() == 0) server.wait(std::nullopt);
  }
  EXPECT_EQ(answered.get(), 200);
  client.join();
  const auto soon = std::chrono::steady_clock::now() + 1ms;
  while (std::chrono::steady_clock::now() < soon) server.wait(soon);  // ends although nothing happens
}

// --- where it listens

TEST(HttpServer, WhereItCannotListenItSaysWhatToDo) {
  RunningServer server(echo);
  const int port = std::stoi(server.address().substr(server.address().rfind(':') + 1));
  const auto error_of = [](const ServerOptions& options) -> Error {
    try {
      RunningServer{echo, options}.stop(0ms);
    } catch (const Error& error) {
      return error;
    }
    return {};
  };
  const Error taken = error_of({.port = static_cast<std::uint16_t>(port)});
  EXPECT_EQ(taken.code(), ErrorCode::unavailable);
  EXPECT_THAT(taken.what(), HasSubstr(server.address()));
  EXPECT_THAT(taken.what(), HasSubstr("Next: choose another port"));
  EXPECT_EQ(error_of({.host = "example.com"}).code(), ErrorCode::invalid_argument);
  for (const ServerOptions& options : {ServerOptions{.max_header_bytes = 0}, ServerOptions{.idle_timeout = 0ms},
                                       ServerOptions{.request_timeout = 0ms}, ServerOptions{.max_connections = 0}}) {
    EXPECT_EQ(error_of(options).code(), ErrorCode::invalid_argument);
  }
}

TEST(HttpServer, AnyAddressAndLocalhost) {
  for (const char* host : {"localhost", "0.0.0.0"}) {
    RunningServer server(echo, {.host = host});
    EXPECT_EQ(HttpClient("127.0.0.1" + server.address().substr(server.address().rfind(':'))).get("/").status, 200);
  }
}

}  // namespace
}  // namespace manta::http
