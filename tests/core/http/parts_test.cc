// The server's parts, each alone: the listener, the loop's thread, a connection, authorisation.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/error.h>

#include "core/http/connection.h"
#include "core/http/listener.h"
#include "core/http/loop_thread.h"
#include "tests/support/http_client.h"

namespace manta::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Listener, AcceptsUntilItIsStopped) {
  boost::asio::io_context io(1);
  std::vector<boost::asio::ip::tcp::socket> accepted;
  std::vector<std::string> peers;
  Listener listener(io, {}, [&](boost::asio::ip::tcp::socket socket, std::string peer) {
    accepted.push_back(std::move(socket));
    peers.push_back(std::move(peer));
    return accepted.size() < 2;
  });
  const manta::testing::HttpClient one(listener.address()), two(listener.address()), three(listener.address());
  io.run();  // returns as nothing is under way: it accepts no more
  EXPECT_EQ(accepted.size(), 2U);
  EXPECT_EQ(peers, std::vector<std::string>(2, "127.0.0.1"));
  listener.resume();
  io.restart();
  io.run();
  EXPECT_EQ(accepted.size(), 3U);
  listener.close();
  listener.resume();
  io.restart();
  EXPECT_EQ(io.run(), 0U);
}

TEST(LoopThread, RunsFunctionsInTheLoopUntilItsEnd) {
  boost::asio::io_context io(1);
  const auto work = boost::asio::make_work_guard(io);
  LoopThread thread(io);
  std::thread loop([&] {
    thread.enter();
    io.run();
  });
  std::promise<std::thread::id> ran;
  EXPECT_TRUE(thread.run([&] {
    bool nested = false;
    thread.run([&] { nested = true; });  // at once, since this is the loop's thread
    EXPECT_TRUE(nested);
    ran.set_value(std::this_thread::get_id());
  }));
  EXPECT_EQ(ran.get_future().get(), loop.get_id());
  EXPECT_FALSE(thread.is_here());
  thread.end();
  EXPECT_FALSE(thread.run([] { ADD_FAILURE(); }));
  io.stop();
  loop.join();
}

class Answers final : public Handler {
  std::optional<Response> refusal_of(const RequestHead&) override { return std::nullopt; }
  void handle(RequestHead& head, std::string body, Responder responder) override {
    ++answered;
    std::move(responder).respond({.body = head.peer + head.path + body});
  }

 public:
  int answered = 0;
};

TEST(Connection, AnswersUntilItIsFinished) {
  boost::asio::io_context io(1);
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  manta::testing::HttpClient client("127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()));
  const ServerOptions options;
  Answers handler;
  std::vector<char> scratch(4096);
  int closed = 0;
  const ConnectionContext context{.options = options,
                                  .handler = handler,
                                  .observer = nullptr,
                                  .authorizer = nullptr,
                                  .thread = std::make_shared<LoopThread>(io),
                                  .scratch = scratch,
                                  .closed = [&](Connection&) { ++closed; }};
  context.thread->enter();
  const auto connection = std::make_shared<Connection>(acceptor.accept(), "peer", context);
  connection->read();
  for (const char* body : {"one", "two"}) {
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + std::string(body));
    const int before = handler.answered;
    while (handler.answered == before) io.run_one();
    io.poll();  // the response is written
    EXPECT_EQ(client.read().body, "peer/a" + std::string(body));
  }
  connection->finish();
  connection->close();
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(connection->socket(), -1);
  EXPECT_TRUE(client.closed(std::chrono::seconds(20)));
  io.poll();
}

RequestHead head_with(std::vector<std::pair<std::string, std::string>> fields) {
  RequestHead head;
  head.fields = std::move(fields);
  return head;
}

TEST(BearerToken, AllowsTheTokenAlone) {
  const BearerToken authorizer("abc-123._~+/==");
  const auto denied = [&](const std::string& value) { return authorizer.deny(head_with({{"authorization", value}})); };
  for (const char* value : {"Bearer abc-123._~+/==", "bearer abc-123._~+/==", "BEARER   abc-123._~+/=="}) {
    EXPECT_FALSE(denied(value)) << value;
  }
  for (const char* value : {"Bearer abc-123._~+/=", "Bearer abc-123._~+/===", "Bearer abc-123._~+/==abc-123._~+/==",
                            "Bearer xbc-123._~+/==", "Bearer ABC-123._~+/==", "Bearer x", "Bearer a,b"}) {
    const auto denial = denied(value);
    ASSERT_TRUE(denial) << value;
    EXPECT_EQ(denial->status, 401);
    EXPECT_THAT(denial->challenge, HasSubstr("error=\"invalid_token\""));
    EXPECT_THAT(denial->why + denial->challenge, Not(HasSubstr("123")));
  }
  for (const char* value :
       {"", "Bearer", "Bearer ", "Basic abc-123._~+/==", "abc-123._~+/==", "Bearerabc-123._~+/=="}) {
    const auto denial = denied(value);
    ASSERT_TRUE(denial) << value;
    EXPECT_EQ(denial->challenge, "Bearer realm=\"manta\"") << value;
  }
  EXPECT_TRUE(authorizer.deny({}));
  EXPECT_TRUE(authorizer.deny(head_with({{"authorization", "Bearer abc-123._~+/=="}, {"authorization", "Bearer x"}})));
}

TEST(BearerToken, IsOneThatClientsCanSend) {
  for (const char* token : {"", "=", "a b", "a\"", "a=b", "a\r\nb", "\xc3\xa9"})
    EXPECT_THROW(BearerToken{token}, Error);
  EXPECT_THROW(BearerToken("a", "x\"y"), Error);
  EXPECT_THROW(BearerToken("a", "x\r\ny"), Error);
}

TEST(ErrorResponse, IsJsonWhateverTheMessage) {
  EXPECT_EQ(error_response(418, "a \"b\"\n\xff").body, "{\"error\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"}");
  EXPECT_EQ(error_response(418, "").status, 418);
}

}  // namespace
}  // namespace manta::http
