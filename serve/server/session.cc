#include "serve/server/session.h"

#include <utility>

#include "serve/server/engine.h"

namespace manta::serve {

namespace beast = boost::beast;
namespace http = beast::http;

Session::Session(boost::asio::ip::tcp::socket socket, Engine& engine) : engine_(engine), stream_(std::move(socket)) {
  engine_.opened(*this);
}

Session::~Session() { engine_.closed(*this); }

void Session::close() {
  beast::error_code ignored;
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.socket().close(ignored);
}

void Session::finish() {
  finishing_ = true;
  if (!busy_) close();
}

void Session::read() {
  busy_ = false;
  if (finishing_) return close();
  const HttpOptions& options = engine_.options();
  if (buffer_.size() == 0) buffer_.shrink_to_fit();  // SESSION-2; a pipelined request may be there
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
  parser_->body_limit(options.max_body_bytes);
  stream_.expires_after(options.idle_timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](beast::error_code error, std::size_t) { self->on_header(error); });
}

void Session::on_header(beast::error_code error) {
  since_ = std::chrono::steady_clock::now();
  if (error) return refuse(error);
  busy_ = true;
  if (parser_->is_done()) return on_request({});
  stream_.expires_after(engine_.options().request_timeout);
  const auto& header = parser_->get();
  if (beast::iequals(header[http::field::expect], "100-continue") && buffer_.size() == 0) {
    static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
    beast::error_code failed;
    stream_.socket().non_blocking(true, failed);
    (void)stream_.socket().send(boost::asio::buffer(kContinue, sizeof kContinue - 1), 0, failed);  // fits every socket's buffer
  }
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](beast::error_code failed, std::size_t) { self->on_request(failed); });
}

// What cannot be read as a request. The rest of the stream means nothing: the connection ends after the response.
void Session::refuse(beast::error_code error) {
  const bool sent_something_else = error.category() == http::make_error_code(http::error::bad_method).category() &&
                                   error != http::error::end_of_stream && error != http::error::partial_message;
  if (!sent_something_else) return close();  // gone, or too slow
  busy_ = true;
  keep_alive_ = false;
  method_ = "-";
  target_ = "-";
  if (error == http::error::body_limit) {
    return respond(detail::error_response(413, "the body is larger than " + std::to_string(engine_.options().max_body_bytes) +
                                                   " bytes (HttpOptions::max_body_bytes)"));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return respond(detail::error_response(431, "the header is larger than " + std::to_string(engine_.options().max_header_bytes) +
                                                   " bytes (HttpOptions::max_header_bytes)"));
  }
  respond(detail::error_response(400, "this is no HTTP request: " + error.message()));
}

void Session::on_request(beast::error_code error) {
  if (error) return refuse(error);
  stream_.expires_never();
  http::request<http::string_body> message = parser_->release();
  parser_.reset();
  keep_alive_ = message.keep_alive();
  method_ = std::string(message.method_string());
  target_ = std::string(message.target());
  engine_.answer(shared_from_this(), std::move(message));
}

void Session::respond(Response response) {
  const bool close_after = !keep_alive_ || finishing_;
  auto& message = response_.emplace();
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(!close_after);
  message.body() = std::move(response.body);
  message.content_length(message.body().size());
  if (method_ == "HEAD") message.body().clear();
  engine_.answered(stream_.socket(), method_, target_, response.status, message.body().size(),
                   std::chrono::steady_clock::now() - since_);
  stream_.expires_after(engine_.options().idle_timeout);
  http::async_write(stream_, message, [self = shared_from_this(), close_after](beast::error_code error, std::size_t) {
    self->response_.reset();
    if (error || close_after) return self->close();
    self->read();
  });
}

}  // namespace manta::serve
