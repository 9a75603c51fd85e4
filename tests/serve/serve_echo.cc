// A server for tests of its HTTP: /echo describes the request, /slow takes longer than any test, the model `same`
// returns its input. Prints its address.
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include <manta/manta.h>
#include <manta/serve.h>

namespace serve = manta::serve;

namespace {

struct Echo {
  serve::Response operator()(const serve::Request& request) {
    const nlohmann::json seen{
        {"method", request.method}, {"path", request.path}, {"query", request.query}, {"body", request.body}};
    return {.content_type = "application/json",
            .body = seen.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
  }
};

struct Slow {
  std::string operator()(const serve::Request&) {
    std::this_thread::sleep_for(std::chrono::minutes(10));
    return "slept";
  }
};

// Returns its input; for three rows its output differs from the declared one.
struct Same {
  serve::ModelInfo info() const {
    return {.inputs = {{"x", serve::DataType::FP32, {-1, 2}}}, .outputs = {{"y", serve::DataType::FP32, {-1, 2}}}};
  }
  serve::InferenceResponse operator()(const serve::InferenceRequest& request) {
    serve::Tensor y = request.input("x");
    y.name = "y";
    if (y.shape[0] == 3) y.shape = {2, 3};
    return {{std::move(y)}};
  }
};

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  serve::Server server({.port = 0});
  server.run(serve::deployment<Echo>({.name = "echo"}));
  server.run(serve::deployment<Same>({.name = "same"}));
  server.run(serve::deployment<Slow>({.name = "slow"}));
  server.wait({.on_ready = [&] {
    std::printf("%s\n", server.address().c_str());
    std::fflush(stdout);
  }});
  return 0;
}
