#include "core/http/connection.h"

#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "core/http/response_head.h"

namespace manta::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLinger{2};  // a client that still sends can read the response meanwhile

RequestReader::Limits limits_of(const ServerOptions& options) {
  return {options.max_header_bytes, options.max_body_bytes};
}

std::string hexadecimal(std::size_t number) {
  std::array<char, 16> digits{};
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr};
}

}  // namespace

Connection::Connection(tcp::socket socket, std::string peer, const ConnectionContext& context)
    : context_(context),
      peer_(std::move(peer)),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      reader_(limits_of(context.options)) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

void Connection::close() {
  if (state_ == State::closed) return;
  const auto self = shared_from_this();  // closed() may drop the last other owner
  if (state_ == State::streaming || state_ == State::writing_part) report(status_, sent_bytes_);
  state_ = State::closed;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  timer_.cancel();
  context_.closed(*this);
}

void Connection::finish() {
  finishing_ = true;
  if (state_ == State::lingering || (state_ == State::reading && !reader_.has_head())) close();
}

// --- time

void Connection::expect_by(std::optional<Clock::time_point> time) {
  deadline_ = time;
  if (time && (!armed_ || *time < *armed_)) arm();
}

void Connection::arm() {
  armed_ = deadline_;
  timer_.expires_at(*armed_);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error) return;  // closed, or armed anew
    self->armed_.reset();
    if (!self->deadline_ || self->state_ == State::closed) return;
    if (Clock::now() < *self->deadline_) return self->arm();
    self->on_timeout();
  });
}

void Connection::on_timeout() {
  if (state_ != State::reading || reader_.empty()) return close();
  refuse(408, "the request did not come within " + std::to_string(context_.options.request_timeout.count()) +
                  " ms (request_timeout)");
}

// --- reading

void Connection::read() {
  state_ = State::reading;
  judged_ = false;
  reader_ = RequestReader(limits_of(context_.options));
  if (finishing_) return close();
  since_ = Clock::now();
  expect_by(since_ + context_.options.idle_timeout);
  if (rest_.empty()) return wait();
  const std::string rest = std::exchange(rest_, {});
  take(rest);
}

void Connection::wait() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    if (error) return self->close();
    self->on_readable();
  });
}

void Connection::on_readable() {
  if (state_ == State::closed) return;
  const std::span<char> space = context_.scratch;
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

void Connection::take(std::string_view bytes) {
  const bool first = reader_.empty();
  const std::size_t used = reader_.take(bytes);
  if (reader_.refused()) return refuse(reader_.refusal().status, reader_.refusal().why);
  const bool judges = reader_.has_head() && !judged_;
  if (judges) {
    judged_ = true;
    reader_.head().peer = peer_;
    if (auto denied = denial()) {
      stop_reading(bytes.substr(used));
      return respond(std::move(*denied));
    }
  }
  if (reader_.done()) {
    stop_reading(bytes.substr(used));
    return context_.handler.handle(reader_.head(), std::move(reader_.body()),
                                   Responder(weak_from_this(), context_.thread));
  }
  if (first && !reader_.empty()) expect_by(since_ + context_.options.request_timeout);
  if (judges && reader_.head().expects_continue) {
    if (auto refusal = refuse_or_continue(used == bytes.size() && reader_.awaits_body())) {
      stop_reading({});
      return respond(std::move(*refusal));
    }
  }
  wait();
}

// Bytes behind an incomplete request have no meaning: the connection closes after the response.
void Connection::stop_reading(std::string_view rest) {
  rest_ = rest;
  state_ = State::answering;
  expect_by(std::nullopt);
  keep_alive_ = reader_.done() && reader_.head().keep_alive;
}

std::optional<Response> Connection::denial() {
  if (context_.authorizer == nullptr) return std::nullopt;
  const auto denied = context_.authorizer->deny(reader_.head());
  if (!denied) return std::nullopt;
  Response response = error_response(denied->status, denied->why);
  if (!denied->challenge.empty()) response.headers.emplace_back("WWW-Authenticate", denied->challenge);
  return response;
}

// RFC 9110, 10.1.1: a final status instead of 100 where the body does not matter.
std::optional<Response> Connection::refuse_or_continue(bool body_awaited) {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (auto refusal = context_.handler.refusal_of(reader_.head())) return refusal;
  error_code failed;
  if (body_awaited) (void)socket_.send(asio::buffer(kContinue), 0, failed);  // fits every socket's buffer
  return std::nullopt;
}

// The client has ended its side.
void Connection::on_end() {
  if (state_ != State::reading || reader_.empty()) return close();
  refuse(400, "the connection ended in the middle of the request");
}

// The bytes are not a request, so those behind them have no meaning: the connection closes after the response.
void Connection::refuse(int status, const std::string& why) {
  keep_alive_ = false;
  state_ = State::answering;
  respond(error_response(status, why));
}

// --- writing

void Connection::report(int status, std::size_t body_bytes) {
  if (context_.observer == nullptr) return;
  const RequestHead& head = reader_.head();
  context_.observer->finished({.peer = peer_,
                               .method = head.method.empty() ? std::string_view("-") : head.method,
                               .target = head.target.empty() ? std::string_view("-") : head.target,
                               .status = status,
                               .body_bytes = body_bytes,
                               .took = Clock::now() - since_});
}

// Writes head_ and body_, then calls then(connection, success).
template <class Then>
void Connection::send(Then then) {
  expect_by(Clock::now() + context_.options.idle_timeout);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head_), asio::buffer(body_)};
  asio::async_write(socket_, buffers,
                    [self = shared_from_this(), then = std::move(then)](error_code error, std::size_t) mutable {
                      self->head_ = {};
                      self->body_ = {};
                      if (error) self->close();
                      then(*self, !error && self->state_ != State::closed);
                    });
}

void Connection::on_sent() {
  if (!keep_alive_ || finishing_) return linger();
  read();
}

void Connection::respond(Response response) {
  if (state_ != State::answering) return;  // the connection has closed
  const RequestHead& request = reader_.head();
  if (const auto wrong = wrong_with(response)) {
    response = error_response(500, "the response cannot be sent: " + *wrong);
  }
  head_ = head_of(response, {.close = !keep_alive_ || finishing_, .keep_alive = request.minor == 0});
  body_ = std::move(response.body);
  if (request.method == "HEAD" || !has_content(response.status) || response.status == 205) body_.clear();
  report(response.status, body_.size());
  state_ = State::writing;
  send([](Connection& self, bool sent) {
    if (sent) self.on_sent();
  });
}

void Connection::begin(Response head) {
  if (state_ != State::answering) return;  // it has closed
  if (wrong_with(head)) return respond(std::move(head));
  const RequestHead& request = reader_.head();
  const bool content = has_content(head.status) && head.status != 205;
  chunked_ = content && request.minor == 1;
  silent_ = !content || request.method == "HEAD";
  if (content && !chunked_) keep_alive_ = false;
  head_ = head_of(head, {.close = !keep_alive_ || finishing_,
                         .keep_alive = request.minor == 0,
                         .length = chunked_  ? ResponseFraming::Length::chunked
                                   : content ? ResponseFraming::Length::to_the_end
                                             : ResponseFraming::Length::known});
  status_ = head.status;
  sent_bytes_ = 0;
  ending_ = false;
  state_ = State::streaming;
}

void Connection::write(std::string part, ResponseStream::Written written) {
  if (state_ != State::streaming) {
    if (state_ == State::writing_part) close();  // the content would have a gap
    return written(false);
  }
  if (!silent_) body_ = std::move(part);
  sent_bytes_ += body_.size();
  if (chunked_ && !body_.empty()) {
    head_ += hexadecimal(body_.size()) + "\r\n";
    body_ += "\r\n";
  }
  state_ = State::writing_part;
  send([written = std::move(written)](Connection& self, bool sent) {
    if (sent) {
      self.state_ = State::streaming;
      self.expect_by(std::nullopt);
    }
    written(sent);
    if (self.ending_) self.end();
  });
}

void Connection::end() {
  if (state_ == State::writing_part) ending_ = true;
  if (state_ != State::streaming) return;
  ending_ = false;
  if (chunked_ && !silent_) head_ += "0\r\n\r\n";
  report(status_, sent_bytes_);
  state_ = State::writing;
  send([](Connection& self, bool sent) {
    if (sent) self.on_sent();
  });
}

// RFC 9112, 9.6: the server ends its side and reads on until the client ends its own: a reset, which unread bytes would
// cause, can destroy the response.
void Connection::linger() {
  if (finishing_) return close();
  state_ = State::lingering;
  rest_ = {};
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  expect_by(Clock::now() + kLinger);
  wait();
}

}  // namespace manta::http
