// An HTTP server for tests: /echo answers with its request as JSON, like serve_echo's. Prints its address.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <manta/http/server.h>

namespace http = manta::http;

namespace {

class Echo final : public http::Handler {
 public:
  std::optional<http::Response> refusal_of(const http::RequestHead& head) override {
    static constexpr std::array<std::string_view, 8> kMethods{"GET",    "HEAD",    "POST",  "PUT",
                                                              "DELETE", "OPTIONS", "TRACE", "PATCH"};
    if (std::find(kMethods.begin(), kMethods.end(), head.method) == kMethods.end())
      return http::error_response(501, "not implemented");
    if (head.path != "/echo") return http::error_response(404, "there is only /echo");
    if (head.method != "GET" && head.method != "HEAD" && head.method != "POST")
      return http::error_response(405, "GET, HEAD and POST only");
    return std::nullopt;
  }
  void handle(http::RequestHead& head, std::string body, http::Responder responder) override {
    if (auto refusal = refusal_of(head)) return std::move(responder).respond(std::move(*refusal));
    const nlohmann::json seen{
        {"method", head.method}, {"path", head.path}, {"query", head.query}, {"body", std::move(body)}};
    std::move(responder).respond({.content_type = "application/json",
                                  .body = seen.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  }
};

}  // namespace

int main() {
  Echo echo;
  http::Server server({}, echo);
  std::printf("%s\n", server.address().c_str());
  std::fflush(stdout);
  server.run();
  return 0;
}
