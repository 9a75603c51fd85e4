// Parses one HTTP/1 request incrementally and strictly (RFC 9112).
//
//   READ-1  where the RFC lets a server repair or refuse a message, the message is refused: bare LF, folded lines,
//           spaces before a colon, lists and repetitions of Content-Length, Transfer-Encoding beside Content-Length
//   READ-2  memory never exceeds head_bytes for the head, body_bytes for the body, and head_bytes for the rest of the
//           framing (chunk extensions, trailers), which is read and dropped
//   READ-3  the result does not depend on how the bytes are split
//
// Threading: one thread. Ownership: owns the head and the body. No I/O. Boost.Beast's parser accepts unknown transfer
// codings, merges trailers into the head, and repairs what READ-1 refuses; a check strict enough to prevent that would
// do all of its work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <manta/http/message.h>

#include "core/http/refusal.h"

namespace manta::http {

class RequestReader {
 public:
  struct Limits {
    std::size_t head_bytes = 0;
    std::size_t body_bytes = 0;
  };
  static constexpr std::size_t kRequestLineBytes = 8192;  // at most, and at most head_bytes; RFC 9112, 3 asks for 8,000

  explicit RequestReader(Limits limits) : limits_(limits) {}

  // Consumes bytes of this request and returns how many. 0 once done() or refused().
  std::size_t take(std::string_view bytes);

  bool empty() const { return state_ == State::request_line && partial_.empty() && head_bytes_ == 0; }
  bool has_head() const { return state_ != State::request_line && state_ != State::fields && state_ != State::refused; }
  // The body is due, and no byte of it has been read.
  bool awaits_body() const {
    return body_.empty() && partial_.empty() && (state_ == State::body || state_ == State::chunk_size);
  }
  bool done() const { return state_ == State::done; }
  bool refused() const { return state_ == State::refused; }
  const Refusal& refusal() const { return refusal_; }
  RequestHead& head() { return head_; }  // whole if has_head(); method and target may be known before
  std::string& body() { return body_; }  // done()
  // How many bytes to read next: not beyond the body, where its length is known.
  std::size_t wanted() const;

 private:
  enum class State { request_line, fields, body, chunk_size, chunk_data, chunk_end, trailers, done, refused };

  void refuse(int status, std::string why);
  std::size_t take_line(std::string_view bytes);
  std::size_t take_data(std::string_view bytes);
  std::size_t line_limit() const;
  void refuse_length();
  void on_line(std::string_view line);
  void on_request_line(std::string_view line);
  bool split(std::string_view line, std::string_view& name, std::string_view& value);
  void on_field(std::string_view line);
  void on_content_length(std::string_view value);
  void on_head();
  void on_transfer_encoding();
  void on_connection();
  void on_chunk_size(std::string_view line);

  Limits limits_;
  State state_ = State::request_line;
  Refusal refusal_;
  RequestHead head_;
  std::string body_;
  std::string partial_;          // a line that has not ended
  std::size_t head_bytes_ = 0;   // of whole lines
  std::size_t extra_bytes_ = 0;  // of chunk extensions and trailers
  std::uint64_t left_ = 0;       // of the body or of a chunk
  int hosts_ = 0;
  int lengths_ = 0;
  bool has_authority_ = false;  // in the target
  std::string transfer_encoding_;
  int transfer_encodings_ = 0;
};

}  // namespace manta::http
