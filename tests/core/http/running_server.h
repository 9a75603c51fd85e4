// A server whose handler is a function, with its loop in a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/http/server.h>

namespace manta::http {

// Answers "METHOD PATH QUERY BODY".
inline void echo(const RequestHead& head, const std::string& body, Responder responder) {
  std::move(responder).respond({.body = head.method + " " + head.path + " " + head.query + " " + body});
}

class RunningServer final : private Handler, private Observer {
 public:
  using Handle = std::function<void(RequestHead& head, std::string body, Responder responder)>;
  struct Finished {
    std::string peer, method, target;
    int status = 0;
    std::size_t body_bytes = 0;
  };

  explicit RunningServer(Handle handle, ServerOptions options = {}, const Authorizer* authorizer = nullptr)
      : handle_(std::move(handle)),
        server_(std::move(options), *this, this, authorizer),
        loop_([this] { server_.run(); }) {}
  ~RunningServer() override { stop(std::chrono::seconds(20)); }

  std::string address() const { return server_.address(); }
  void stop(std::chrono::milliseconds drain) {
    server_.stop(std::chrono::steady_clock::now() + drain);
    if (loop_.joinable()) loop_.join();
  }
  // In the loop's thread, which it waits for.
  template <class F>
  auto in_loop(F f) {
    std::packaged_task<decltype(f(server_))()> task([&] { return f(server_); });
    auto result = task.get_future();
    server_.post([&task] { task(); });
    return result.get();
  }
  std::vector<Finished> finished_requests() {
    return in_loop([this](Server&) { return finished_; });
  }
  int handled() {
    return in_loop([this](Server&) { return handled_; });
  }

 private:
  std::optional<Response> refusal_of(const RequestHead& head) override {
    if (head.path == "/refused") return error_response(404, "there is nothing at /refused");
    return std::nullopt;
  }
  void handle(RequestHead& head, std::string body, Responder responder) override {
    ++handled_;
    handle_(head, std::move(body), std::move(responder));
  }
  void finished(const RequestFinished& request) override {
    finished_.push_back({std::string(request.peer), std::string(request.method), std::string(request.target),
                         request.status, request.body_bytes});
  }

  Handle handle_;
  std::vector<Finished> finished_;  // in the loop
  int handled_ = 0;                 // in the loop
  Server server_;
  std::thread loop_;
};

}  // namespace manta::http
