#pragma once

#include <functional>
#include <memory>
#include <string>

#include <manta/http/message.h>

namespace manta::http {

class Connection;
class LoopThread;

/// The body of a response, sent in parts: chunked, or until the connection ends for a client of HTTP/1.0.
///
/// The next part is written when the one before it has been handed to the system, so a slow client holds one part:
///
///   void write_lines(std::shared_ptr<ResponseStream> stream, int count) {
///     if (count == 0) return std::move(*stream).finish();
///     stream->write("data\n", [=](bool open) { if (open) write_lines(stream, count - 1); });
///   }
///
/// **Threading:** any thread, one at a time; does not block. **Ownership:** does not own the connection, which may end
/// before it. Its destructor closes the connection unless finish() was called: the client sees an incomplete body.
class ResponseStream {
 public:
  /// Called once: true when the next part can be written, false where the connection has ended. In the thread of the
  /// server's loop or of its destructor, or, where the server has ended, inside write().
  using Written = std::function<void(bool open)>;

  ResponseStream(std::weak_ptr<Connection> connection, std::shared_ptr<LoopThread> thread);
  ~ResponseStream();
  ResponseStream(ResponseStream&&) noexcept = default;
  ResponseStream& operator=(ResponseStream&&) = delete;

  /// Sends a part. The head of the response goes with the first one; an empty part sends the head alone. A call before
  /// the previous part's `written` closes the connection.
  void write(std::string part, Written written);
  /// Ends the body, behind the part that is being sent, if any.
  void finish() &&;

 private:
  std::weak_ptr<Connection> connection_;
  std::shared_ptr<LoopThread> thread_;  // null: moved from, or finished
};

/// The right to answer one request, once.
///
/// **Threading:** any thread, one at a time; does not block. In the thread of the server's loop the response is written
/// at once, other threads post it to the loop. **Ownership:** does not own the connection, which may end before it; a
/// response is then dropped. Its destructor answers 500 if nothing else was answered.
class Responder {
 public:
  /// An empty one, to be assigned to.
  Responder() = default;
  Responder(std::weak_ptr<Connection> connection, std::shared_ptr<LoopThread> thread);
  ~Responder();
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;

  explicit operator bool() const { return thread_ != nullptr; }

  /// Sends the whole response. One that cannot be sent becomes a 500 that says why; see Response::headers.
  void respond(Response response) &&;
  /// Sends status and headers of `head`, whose body is not used; the stream sends the body.
  ResponseStream stream(Response head) &&;
  /// Closes the connection without a response.
  void close() &&;

  /// The connection's descriptor, to be polled for a hang-up; -1 where it has ended. In the thread of the server's
  /// loop only.
  int socket() const;

 private:
  std::weak_ptr<Connection> connection_;
  std::shared_ptr<LoopThread> thread_;  // null: empty, or used
};

}  // namespace manta::http
