// serve_app: what the peers' ray_serve.py serves, by Manta: GET /echo answers "ok", POST /mlp {"x": [64 numbers]} the
// class that a network of 64-128-10 gives it. Prints its address; ends when its input does. serve_app bare: an echo of
// nothing but Beast, as the limit of what a server in this style can do. serve_app handle: rate of calls by a handle.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#ifdef MANTA_BENCH_TORCH
#include <torch/torch.h>
#endif

#include <manta/manta.h>
#include <manta/serve.h>

namespace {

namespace serve = manta::serve;

struct Echo {
  std::string operator()(const serve::Request&) { return "ok"; }
};

#ifdef MANTA_BENCH_TORCH
struct Input {
  std::vector<float> x;
};
struct Output {
  std::int64_t y = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Input, x)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Output, y)

class Mlp {
 public:
  Mlp() {
    torch::manual_seed(0);
    network_ = torch::nn::Sequential(torch::nn::Linear(64, 128), torch::nn::ReLU(), torch::nn::Linear(128, 10));
    network_->eval();
  }
  std::vector<manta::Result<Output>> operator()(const serve::Batch<Input>& batch) {
    const c10::InferenceMode inference;
    std::vector<manta::Result<Output>> answers(
        batch.size(), manta::fail(manta::ErrorCode::invalid_argument, "x must have 64 numbers"));
    torch::Tensor inputs = torch::zeros({static_cast<std::int64_t>(batch.size()), 64});
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].x.size() == 64)
        std::copy(batch[i].x.begin(), batch[i].x.end(), inputs.mutable_data_ptr<float>() + 64 * i);
    }
    const torch::Tensor classes = network_->forward(inputs).argmax(1);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].x.size() == 64) answers[i] = Output{classes.const_data_ptr<std::int64_t>()[i]};
    }
    return answers;
  }

 private:
  torch::nn::Sequential network_;
};
#endif

// One connection of the bare echo.
class Bare : public std::enable_shared_from_this<Bare> {
 public:
  explicit Bare(boost::asio::ip::tcp::socket socket) : stream_(std::move(socket)) {}
  void read() {
    request_ = {};
    boost::beast::http::async_read(stream_, buffer_, request_,
                                   [self = shared_from_this()](boost::beast::error_code error, std::size_t) {
                                     if (!error) self->write();
                                   });
  }

 private:
  void write() {
    response_ = {};
    response_.version(11);
    response_.set(boost::beast::http::field::content_type, "text/plain");
    response_.body() = "ok";
    response_.prepare_payload();
    boost::beast::http::async_write(stream_, response_,
                                    [self = shared_from_this()](boost::beast::error_code error, std::size_t) {
                                      if (!error) self->read();
                                    });
  }
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
};

void serve_bare() {
  using boost::asio::ip::tcp;
  boost::asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  std::function<void()> accept = [&] {
    acceptor.async_accept([&](boost::beast::error_code error, tcp::socket socket) {
      if (error) return;
      socket.set_option(tcp::no_delay(true));
      std::make_shared<Bare>(std::move(socket))->read();
      accept();
    });
  };
  accept();
  std::printf("127.0.0.1:%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  boost::asio::posix::stream_descriptor input(io, ::dup(0));
  char byte = 0;
  input.async_read_some(boost::asio::buffer(&byte, 1), [&](boost::beast::error_code, std::size_t) { io.stop(); });
  io.run();
}

void call_handle(double seconds) {
  serve::Server server({.port = 0});
  const auto echo = server.run(serve::deployment<Echo>({.name = "echo"}));
  const auto rate = [&](double limit) {
    long calls = 0;
    const auto start = std::chrono::steady_clock::now();
    std::chrono::duration<double> took{};
    do {
      for (int i = 0; i < 100; ++i, ++calls) {
        if (manta::get(echo(serve::Request{})) != "ok") std::abort();
      }
      took = std::chrono::steady_clock::now() - start;
    } while (took.count() < limit);
    return static_cast<double>(calls) / took.count();
  };
  rate(seconds);
  for (int i = 0; i < 5; ++i) std::printf("%.1f\n", rate(seconds));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "bare") {
    serve_bare();
    return 0;
  }
  auto runtime = manta::init(argc, argv);
  if (mode == "handle") {
    call_handle(argc > 2 ? std::stod(argv[2]) : 1);
    return 0;
  }
  serve::Server server({.port = 0});
  server.run(serve::deployment<Echo>({.name = "echo"}));
#ifdef MANTA_BENCH_TORCH
  if (mode != "echo") {
    server.run(serve::deployment<Mlp>({.name = "mlp", .max_batch_size = 32}));
  }
#endif
  std::printf("%s\n", server.address().c_str());
  std::fflush(stdout);
  std::cin.get();
  return 0;
}
