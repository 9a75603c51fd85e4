#include "serve/server/session.h"

#include <array>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "serve/http/response_head.h"
#include "serve/server/engine.h"

namespace manta::serve {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLinger{2};  // for a client that still sends to read why its request was refused

http::RequestReader::Limits limits_of(const HttpOptions& options) {
  return {options.max_header_bytes, options.max_body_bytes};
}

}  // namespace

Session::Session(tcp::socket socket, Engine& engine)
    : engine_(engine),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      reader_(limits_of(engine.options())) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  engine_.opened(*this);
}

Session::~Session() { engine_.closed(*this); }

void Session::close() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  timer_.cancel();
}

void Session::finish() {
  finishing_ = true;
  const bool under_way =
      state_ == State::answering || state_ == State::writing || (state_ == State::reading && reader_.has_head());
  if (!under_way) close();
}

// --- time

void Session::expect_by(std::optional<Clock::time_point> time) {
  deadline_ = time;
  if (time && (!armed_ || *time < *armed_)) arm();
}

void Session::arm() {
  armed_ = deadline_;
  timer_.expires_at(*armed_);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error) return;  // closed, or armed anew
    self->armed_.reset();
    if (!self->deadline_ || !self->socket_.is_open()) return;
    if (Clock::now() < *self->deadline_) return self->arm();
    self->on_timeout();
  });
}

void Session::on_timeout() {
  if (state_ != State::reading || reader_.empty()) return close();
  refuse(408, "the request did not come within " + std::to_string(engine_.options().request_timeout.count()) +
                  " ms (HttpOptions::request_timeout)");
}

// --- reading

void Session::read() {
  state_ = State::reading;
  asked_ = false;
  reader_ = http::RequestReader(limits_of(engine_.options()));
  if (finishing_) return close();
  since_ = Clock::now();
  expect_by(since_ + engine_.options().idle_timeout);
  if (rest_.empty()) return wait();
  const std::string rest = std::exchange(rest_, {});
  take(rest);
}

void Session::wait() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    if (!error) self->on_readable();
  });
}

void Session::on_readable() {
  const std::span<char> space = engine_.scratch();
  error_code error;
  const std::size_t wanted = state_ == State::reading ? std::min(reader_.wanted(), space.size()) : space.size();
  const std::size_t n = socket_.read_some(asio::buffer(space.data(), wanted), error);
  if (error == asio::error::would_block || error == asio::error::interrupted) return wait();
  if (error == asio::error::eof) return on_end();
  if (error) return close();
  if (state_ == State::lingering) return wait();
  if (reader_.empty()) since_ = Clock::now();
  take({space.data(), n});
}

void Session::take(std::string_view bytes) {
  const bool first = reader_.empty();
  const std::size_t used = reader_.take(bytes);
  if (reader_.refused()) return refuse(reader_.refusal().status, reader_.refusal().why);
  if (reader_.done()) {
    rest_ = bytes.substr(used);
    state_ = State::answering;
    expect_by(std::nullopt);
    keep_alive_ = reader_.head().keep_alive;
    return engine_.answer(shared_from_this(), reader_.head(), std::move(reader_.body()));
  }
  if (first && !reader_.empty()) expect_by(since_ + engine_.options().request_timeout);
  if (reader_.has_head() && reader_.head().expects_continue && !asked_) {
    asked_ = true;
    // What is refused anyhow need not be sent: RFC 9110, 10.1.1.
    if (auto refusal = engine_.refusal_of(reader_.head())) {
      keep_alive_ = false;
      state_ = State::answering;
      return respond(std::move(*refusal));
    }
    if (used == bytes.size() && reader_.awaits_body()) send_continue();
  }
  wait();
}

void Session::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  error_code failed;
  (void)socket_.send(asio::buffer(kContinue), 0, failed);  // fits every socket's buffer
}

// The client sends no more.
void Session::on_end() {
  if (state_ != State::reading || reader_.empty()) return close();
  refuse(400, "the connection ended in the middle of the request");
}

// What cannot be read as a request. The rest of the stream means nothing: the connection ends after the response.
void Session::refuse(int status, const std::string& why) {
  keep_alive_ = false;
  state_ = State::answering;
  respond(detail::error_response(status, why));
}

// --- writing

void Session::respond(Response response) {
  const http::RequestHead& request = reader_.head();
  if (const auto wrong = http::wrong_with(response)) {
    response = detail::error_response(500, "the response cannot be sent: " + *wrong);
  }
  const bool close_after = !keep_alive_ || finishing_;
  head_ = http::head_of(response, {.close = close_after, .keep_alive = request.minor == 0});
  body_ = std::move(response.body);
  if (request.method == "HEAD" || !http::has_content(response.status) || response.status == 205) body_.clear();
  engine_.answered(socket_, request.method.empty() ? "-" : request.method,
                   request.target.empty() ? "-" : request.target, response.status, body_.size(), Clock::now() - since_);
  state_ = State::writing;
  expect_by(Clock::now() + engine_.options().idle_timeout);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head_), asio::buffer(body_)};
  asio::async_write(socket_, buffers, [self = shared_from_this(), close_after](error_code error, std::size_t) {
    self->head_ = {};
    self->body_ = {};
    if (error) return self->close();
    if (close_after) return self->linger();
    self->read();
  });
}

// RFC 9112, 9.6: the server ends its side, and reads on until the client ends its own, so that what it still sends does
// not destroy the response.
void Session::linger() {
  if (finishing_) return close();
  state_ = State::lingering;
  rest_ = {};
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  expect_by(Clock::now() + kLinger);
  wait();
}

}  // namespace manta::serve
