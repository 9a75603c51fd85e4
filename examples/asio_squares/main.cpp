// A server on Boost.Asio whose sessions await tasks: the loop's one thread serves all clients while workers compute.
//
//   build/release/bin/asio_squares
//
// prints
//
//   ada: 7 squared is 49
//   bob: 12 squared is 144
//   bob: "pi" is no number

#include <charconv>
#include <iostream>
#include <stdexcept>
#include <string>

#include <manta/asio.h>
#include <manta/manta.h>
#include <boost/asio.hpp>

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::ip::tcp;

int number_of(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::invalid_argument("\"" + text + "\" is no number");
  return number;
}
std::string square(const std::string& text) {
  const int x = number_of(text);
  return text + " squared is " + std::to_string(x * x);
}

asio::awaitable<std::string> read_line(tcp::socket& socket) {
  std::string line;
  const std::size_t size = co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', use_awaitable);
  line.resize(size - 1);
  co_return line;
}

asio::awaitable<void> session(tcp::socket socket) {
  const std::string name = co_await read_line(socket);
  const std::string question = co_await read_line(socket);
  std::string answer = name + ": ";
  try {
    const manta::Ref<std::string> result = manta::remote<square>(question);
    answer += co_await manta::async(result, use_awaitable);
  } catch (const manta::TaskError& error) {
    answer += error.task()->what;
  }
  answer += "\n";
  co_await asio::async_write(socket, asio::buffer(answer), use_awaitable);
}

asio::awaitable<void> ask(tcp::endpoint server, std::string name, std::string question) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(server, use_awaitable);
  const std::string text = name + "\n";
  co_await asio::async_write(socket, asio::buffer(text), use_awaitable);
  const std::string rest = question + "\n";
  co_await asio::async_write(socket, asio::buffer(rest), use_awaitable);
  const std::string answer = co_await read_line(socket);
  std::cout << answer << "\n";
}

asio::awaitable<void> serve(tcp::acceptor& acceptor, int clients) {
  for (; clients > 0; --clients) {
    tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    asio::co_spawn(acceptor.get_executor(), session(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> ask_three(tcp::endpoint server) {
  co_await ask(server, "ada", "7");
  co_await ask(server, "bob", "12");
  co_await ask(server, "bob", "pi");
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  asio::io_context loop(1);
  tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
  asio::co_spawn(loop, serve(acceptor, 3), asio::detached);
  asio::co_spawn(loop, ask_three(acceptor.local_endpoint()), asio::detached);
  loop.run();
}
