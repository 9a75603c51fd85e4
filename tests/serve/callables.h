// Callables and models that the tests serve.
#pragma once

#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>
#include <manta/serve.h>

#include "tests/support/http_client.h"

namespace manta::serve::testing {

using manta::testing::Answer;
using manta::testing::HttpClient;

struct Point {
  double x = 0, y = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, x, y)

struct Sum {
  double operator()(const Point& point) { return point.x + point.y; }
};

struct Echo {
  std::string operator()(const Request& request) {
    return request.method + " " + request.path + " " + request.query + " " + std::string(request.header("x-test")) +
           " " + request.body;
  }
};

struct Pid {
  explicit Pid(std::string says = "") : text(std::move(says)) {}
  std::string operator()(const Request& request) {
    if (request.query == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return text + ":" + std::to_string(::getpid());
  }
  std::string text;
};

// Returns the size of the batch that a number was in, and the sign of its square root. 13 fails alone; 666 makes its
// whole batch fail.
struct Sizes {
  std::vector<manta::Result<std::vector<int>>> operator()(const Batch<int>& numbers) {
    std::vector<manta::Result<std::vector<int>>> answers;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (const int number : numbers) {
      if (number == 666) throw std::runtime_error("666 is refused");
      if (number == 13) {
        answers.push_back(manta::fail(manta::ErrorCode::invalid_argument, "13 is refused"));
      } else {
        answers.push_back(std::vector<int>{number, static_cast<int>(numbers.size())});
      }
    }
    return answers;
  }
};

struct Throws {
  int operator()(int what) {
    if (what == 1) throw HttpError(418, "teapot");
    if (what == 2) throw std::runtime_error("broken");
    if (what == 3) throw 3;
    return what;
  }
};

struct FailsToStart {
  FailsToStart() { throw std::runtime_error("no weights"); }
  int operator()(int x) { return x; }
};

// A model of the protocol: y = 2 x.
struct Twice {
  ModelInfo info() const {
    return {
        .platform = "test", .inputs = {{"x", DataType::FP32, {-1, 2}}}, .outputs = {{"y", DataType::FP32, {-1, 2}}}};
  }
  InferenceResponse operator()(const InferenceRequest& request) {
    check_inputs(request, info());
    const Tensor& x = request.input("x");
    std::vector<float> values(x.data.size() / sizeof(float));
    std::memcpy(values.data(), x.data.data(), x.data.size());
    for (float& value : values) value *= 2;
    return {{make_tensor("y", x.shape, values)}};
  }
};

// A composition: calls Sum and adds one.
struct Composed {
  explicit Composed(Handle<Sum> handle) : sum(std::move(handle)) {}
  double operator()(const Point& point) { return manta::get(sum(point)) + 1; }
  Handle<Sum> sum;
};

// Passes on the answer of Pid.
struct Relay {
  explicit Relay(Handle<Pid> handle) : pid(std::move(handle)) {}
  std::string operator()(const Request&) { return manta::get(pid(Request{})); }
  Handle<Pid> pid;
};

// Unhealthy from the third call on.
struct Ill {
  int operator()(int x) {
    ++calls;
    return x == 0 ? ::getpid() : x;
  }
  void check_health() const {
    if (calls >= 3) throw std::runtime_error("ill");
  }
  int calls = 0;
};

}  // namespace manta::serve::testing
