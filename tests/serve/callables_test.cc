// Callables: JSON, raw requests, batches, models, handles; over real sockets, from worker processes.
#include <cstring>
#include <future>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;

const HttpOptions kAnyPort{.port = 0};

TEST(Serve, AnswersJson) {
  Server server = run(deployment<Sum>({.name = "sum"}), kAnyPort);
  HttpClient client(server.address());
  const Answer answer = client.post("/sum", R"({"x": 1.5, "y": 2})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "3.5");
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(client.post("/sum", R"({"x": 1, "y": 2})").body, "3.0");  // the same connection
}

TEST(Serve, LabelsItsReplicasAsTheClass) {
  EXPECT_THAT(std::string(manta::detail::class_label<detail::Replica<Sum>>()),
              ::testing::EndsWith("serve::testing::Sum"));
}

TEST(Serve, GivesTheWholeRequestToCallablesThatTakeIt) {
  Server server = run(deployment<Echo>({.name = "echo"}), kAnyPort);
  HttpClient client(server.address());
  EXPECT_EQ(client.get("/echo?a=1&b=2").body, "GET /echo a=1&b=2  ");
  EXPECT_EQ(client.post("/echo", "hello", "X-Test: yes\r\n").body, "POST /echo  yes hello");
  // Two at once: answered in order.
  client.send("GET /echo?1 HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?2 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read().body, "GET /echo 1  ");
  EXPECT_EQ(client.read().body, "GET /echo 2  ");
  client.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_TRUE(client.closed(std::chrono::seconds(10)));
}

TEST(Serve, AChunkedBodyAndExpectContinue) {
  Server server = run(deployment<Echo>({.name = "echo"}), kAnyPort);
  HttpClient client(server.address());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body, "POST /echo   abcde");
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("ok");
  EXPECT_EQ(client.read().body, "POST /echo   ok");
}

TEST(Serve, ErrorsOfACallableSayWhatIsWrong) {
  Server server = run(deployment<Throws>({.name = "throws"}), kAnyPort);
  HttpClient client(server.address());
  EXPECT_EQ(client.post("/throws", "0").body, "0");
  const Answer chosen = client.post("/throws", "1");
  EXPECT_EQ(chosen.status, 418);
  EXPECT_EQ(chosen.body, R"({"error":"teapot"})");
  EXPECT_EQ(client.post("/throws", "2").status, 500);
  EXPECT_EQ(client.post("/throws", "2").body, R"({"error":"broken"})");
  EXPECT_EQ(client.post("/throws", "3").status, 500);
  const Answer no_json = client.post("/throws", "{1");
  EXPECT_EQ(no_json.status, 400);
  EXPECT_THAT(no_json.body, HasSubstr("line 1, column 2"));
  EXPECT_EQ(client.post("/throws", "\"text\"").status, 400);
  EXPECT_EQ(client.post("/throws", std::string(1'000'000, '[')).status, 400);
  EXPECT_EQ(client.post("/throws", "4").body, "4");
}

TEST(Serve, BatchesWithResultsAndErrorsForEach) {
  Server server = run(deployment<Sizes>({.name = "sizes", .max_batch_size = 4}), kAnyPort);
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 16; ++i) {
    answers.push_back(std::async(std::launch::async, [&server, i] {
      HttpClient client(server.address());
      return client.post("/sizes", std::to_string(i == 5 ? 13 : i == 6 ? 666 : 100 + i));
    }));
  }
  int largest = 0;
  for (int i = 0; i < 16; ++i) {
    const Answer answer = answers[static_cast<std::size_t>(i)].get();
    if (i == 5) {
      EXPECT_EQ(answer.status, 400);
      EXPECT_EQ(answer.body, R"({"error":"13 is refused"})");
    } else if (i == 6) {
      EXPECT_EQ(answer.status, 500);
      EXPECT_EQ(answer.body, R"({"error":"666 is refused"})");
    } else {
      ASSERT_EQ(answer.status, 200) << answer.body;
      const auto values = nlohmann::json::parse(answer.body).get<std::vector<int>>();
      EXPECT_EQ(values[0], 100 + i);
      EXPECT_LE(values[1], 4);
      largest = std::max(largest, values[1]);
    }
  }
  EXPECT_GT(largest, 1) << "16 requests at once were never computed together";
}

TEST(Serve, ABatchMayWaitForOthers) {
  Server server =
      run(deployment<Sizes>({.name = "sizes", .max_batch_size = 3, .batch_wait = std::chrono::seconds(20)}), kAnyPort);
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(std::async(
        std::launch::async, [&server, i] { return HttpClient(server.address()).post("/sizes", std::to_string(i)); }));
  }
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].get().body, "[" + std::to_string(i) + ",3]");
  // A request that stays alone leaves after batch_wait.
  server.run(deployment<Sizes>({.name = "short", .max_batch_size = 3, .batch_wait = std::chrono::milliseconds(20)}));
  EXPECT_EQ(HttpClient(server.address()).post("/short", "7").body, "[7,1]");
}

TEST(Serve, AModelOfTheInferenceProtocol) {
  Server server = run(deployment<Twice>({.name = "twice", .version = "3"}), kAnyPort);
  HttpClient client(server.address());
  const std::string request =
      R"({"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4.5]]}]})";
  const Answer answer = client.post("/v2/models/twice/infer", request);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(nlohmann::json::parse(answer.body),
            nlohmann::json::parse(R"({"id":"a","model_name":"twice","model_version":"3",
                "outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[2.0,4.0,6.0,9.0]}]})"));
  EXPECT_EQ(client.post("/v2/models/twice/versions/3/infer", request).status, 200);
  EXPECT_EQ(client.post("/v2/models/twice/versions/4/infer", request).status, 404);
  EXPECT_EQ(client.get("/v2/models/twice").status, 200);
  EXPECT_EQ(nlohmann::json::parse(client.get("/v2/models/twice").body)["inputs"][0]["shape"],
            (std::vector<int>{-1, 2}));
  EXPECT_EQ(client.get("/v2/models/twice/ready").status, 200);
  EXPECT_EQ(client.get("/v2/health/live").status, 200);
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  EXPECT_EQ(nlohmann::json::parse(client.get("/v2").body)["name"], "manta");
  EXPECT_EQ(nlohmann::json::parse(client.post("/v2/repository/index", "{}").body)[0]["name"], "twice");
  const Answer wrong = client.post("/v2/models/twice/infer",
                                   R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, R"({"error":"input 'x' has the shape [1,3], the model takes [-1,2]"})");
  const auto statistics = nlohmann::json::parse(client.get("/v2/models/twice/stats").body);
  EXPECT_EQ(statistics["model_stats"][0]["inference_count"], 3);
  const std::string metrics = client.get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("nv_inference_request_success{model=\"twice\",version=\"3\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("nv_inference_request_failure{model=\"twice\",version=\"3\",reason=\"OTHER\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("manta_http_connections 1\n"));
}

TEST(Serve, HandlesCallWithoutHttp) {
  Server server(kAnyPort);
  const Handle<Sum> sum = server.run(deployment<Sum>({.name = "sum", .num_replicas = 2}));
  std::vector<manta::Ref<double>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(sum(Point{1.0 * i, 1}));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(manta::get(answers[static_cast<std::size_t>(i)]), i + 1);
  const Handle<Sizes> sizes = server.run(deployment<Sizes>({.name = "sizes"}));
  EXPECT_EQ(manta::get(sizes(7)), (std::vector<int>{7, 1}));
  EXPECT_THROW((void)manta::get(sizes(13)), manta::Error);
  EXPECT_THROW((void)Handle<Sum>()(Point{}), manta::Error);
  server.stop("sum");
  EXPECT_THROW((void)sum(Point{}), manta::Error);
  EXPECT_EQ(HttpClient(server.address()).post("/sum", "{}").status, 404);
}

TEST(Serve, OneDeploymentAsksAnother) {
  Server server(kAnyPort);
  const Handle<Sum> sum = server.run(deployment<Sum>({.name = "sum", .num_replicas = 2}));
  server.run(deployment<Composed>({.name = "composed"}, sum));
  HttpClient client(server.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.post("/composed", R"({"x":1,"y":2})").body, "4.0");
}

TEST(Serve, ReplicasShareTheRequests) {
  Server server = run(deployment<Pid>({.name = "pid", .num_replicas = 3}), kAnyPort);
  std::set<std::string> seen;
  for (int i = 0; i < 200 && seen.size() < 3; ++i) seen.insert(HttpClient(server.address()).get("/pid").body);
  EXPECT_EQ(seen.size(), 3u);
}

}  // namespace
}  // namespace manta::serve::testing
