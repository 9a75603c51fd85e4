#include <utility>

#include <manta/http/responder.h>

#include "core/http/connection.h"

namespace manta::http {

Responder::Responder(std::weak_ptr<Connection> connection, std::shared_ptr<LoopThread> thread)
    : connection_(std::move(connection)), thread_(std::move(thread)) {}

Responder::~Responder() {
  if (thread_ == nullptr) return;
  std::move(*this).respond(error_response(500, "the server has dropped the request without an answer"));
}

Responder& Responder::operator=(Responder&& other) noexcept {
  Responder old(std::move(*this));
  connection_ = std::move(other.connection_);
  thread_ = std::move(other.thread_);
  return *this;
}

void Responder::respond(Response response) && {
  const auto thread = std::move(thread_);
  if (thread->is_here()) {  // without a std::function
    if (const auto connection = connection_.lock()) connection->respond(std::move(response));
    return;
  }
  thread->run([connection = std::move(connection_), response = std::move(response)]() mutable {
    if (const auto open = connection.lock()) open->respond(std::move(response));
  });
}

ResponseStream Responder::stream(Response head) && {
  const auto thread = std::move(thread_);
  thread->run([connection = connection_, head = std::move(head)]() mutable {
    if (const auto open = connection.lock()) open->begin(std::move(head));
  });
  return {std::move(connection_), thread};
}

void Responder::close() && {
  const auto thread = std::move(thread_);
  thread->run([connection = std::move(connection_)] {
    if (const auto open = connection.lock()) open->close();
  });
}

int Responder::socket() const {
  const auto connection = connection_.lock();
  return connection == nullptr ? -1 : connection->socket();
}

ResponseStream::ResponseStream(std::weak_ptr<Connection> connection, std::shared_ptr<LoopThread> thread)
    : connection_(std::move(connection)), thread_(std::move(thread)) {}

ResponseStream::~ResponseStream() {
  if (thread_ == nullptr) return;
  thread_->run([connection = std::move(connection_)] {
    if (const auto open = connection.lock()) open->close();
  });
}

void ResponseStream::write(std::string part, Written written) {
  const bool runs = thread_->run([connection = connection_, part = std::move(part), written]() mutable {
    const auto open = connection.lock();
    if (open == nullptr) return written(false);
    open->write(std::move(part), std::move(written));
  });
  if (!runs) written(false);
}

void ResponseStream::finish() && {
  const auto thread = std::move(thread_);
  thread->run([connection = std::move(connection_)] {
    if (const auto open = connection.lock()) open->end();
  });
}

}  // namespace manta::http
