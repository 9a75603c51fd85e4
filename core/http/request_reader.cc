#include "core/http/request_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/http/grammar.h"
#include "core/http/target.h"

namespace manta::http {

namespace {

constexpr std::size_t kHeadRead = 4096;
constexpr std::size_t kBodyRead = std::size_t{256} << 10;
constexpr std::size_t kChunkSizeDigits = 16;
constexpr std::size_t kEmptyLines = 8;  // before a request

// A control character that no line may have; CR only as the last byte.
bool has_control(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if ((c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == bytes.size())) || c == 0x7f) return true;
  }
  return false;
}

std::string_view behind_token(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_token(text.substr(end, 1))) ++end;
  return text.substr(end);
}

// RFC 9112, 7.1.1: *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
bool is_chunk_extension(std::string_view text) {
  const auto skip_spaces = [&] {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  };
  while (!text.empty()) {
    skip_spaces();
    if (!text.starts_with(';')) return false;
    text.remove_prefix(1);
    skip_spaces();
    std::string_view rest = behind_token(text);
    if (rest.size() == text.size()) return false;
    text = rest;
    skip_spaces();
    if (!text.starts_with('=')) {
      text = rest;
      continue;
    }
    text.remove_prefix(1);
    skip_spaces();
    if (text.starts_with('"')) {
      std::size_t at = 1;
      while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
      if (at >= text.size()) return false;
      text.remove_prefix(at + 1);
    } else {
      rest = behind_token(text);
      if (rest.size() == text.size()) return false;
      text = rest;
    }
  }
  return true;
}

}  // namespace

void RequestReader::refuse(int status, std::string why) {
  state_ = State::refused;
  refusal_ = {status, std::move(why)};
  partial_ = {};
  body_ = {};
}

std::size_t RequestReader::wanted() const {
  switch (state_) {
    case State::body:
      return static_cast<std::size_t>(std::min<std::uint64_t>(left_, kBodyRead));
    case State::chunk_data:
      return static_cast<std::size_t>(std::clamp<std::uint64_t>(left_, kHeadRead, kBodyRead));
    default:
      return kHeadRead;
  }
}

std::size_t RequestReader::take(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !done() && !refused()) {
    const std::string_view rest = bytes.substr(used);
    used += state_ == State::body || state_ == State::chunk_data ? take_data(rest) : take_line(rest);
  }
  return used;
}

std::size_t RequestReader::take_data(std::string_view bytes) {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  if (body_.capacity() - body_.size() < n) {
    const std::size_t twice = std::max(body_.size() + n, 2 * body_.size());
    body_.reserve(state_ == State::body ? static_cast<std::size_t>(std::min<std::uint64_t>(head_.content_length, twice))
                                        : twice);
  }
  body_.append(bytes.substr(0, n));
  left_ -= n;
  if (left_ == 0) state_ = state_ == State::body ? State::done : State::chunk_end;
  return n;
}

// Bytes that the current line may have, its end included.
std::size_t RequestReader::line_limit() const {
  switch (state_) {
    case State::request_line:
      return std::min(kRequestLineBytes, limits_.head_bytes - head_bytes_);
    case State::fields:
      return limits_.head_bytes - head_bytes_;
    case State::chunk_size:
      return kChunkSizeDigits + 2 + limits_.head_bytes - extra_bytes_;
    case State::trailers:
      return limits_.head_bytes - extra_bytes_;
    default:
      return 2;  // the end of a chunk
  }
}

void RequestReader::refuse_length() {
  const std::string limit = std::to_string(limits_.head_bytes) + " bytes (max_header_bytes)";
  switch (state_) {
    case State::request_line:
      return refuse(414, "the request line is longer than " + std::to_string(line_limit()) + " bytes");
    case State::fields:
      return refuse(431, "the header is larger than " + limit);
    case State::trailers:
      return refuse(431, "the trailers are larger than " + limit);
    case State::chunk_size:
      return refuse(400, "the chunk extensions are larger than " + limit);
    default:
      return refuse(400, "a chunk is longer than its size");
  }
}

std::size_t RequestReader::take_line(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  const std::size_t n = end == std::string_view::npos ? bytes.size() : end + 1;
  // One that is too long is refused as soon as it is, wherever the bytes are cut.
  if (partial_.size() + n > line_limit()) {
    refuse_length();
    return n;
  }
  if (end == std::string_view::npos) {
    if (!partial_.empty() && partial_.back() == '\r') {
      refuse(400, "a line has a CR that no LF follows");
    } else if (has_control(bytes)) {
      refuse(400, "a line has a control character");
    } else if (state_ == State::chunk_end && bytes.front() != '\r') {
      refuse(400, "a chunk is longer than its size");
    } else {
      partial_.append(bytes);
    }
    return n;
  }
  std::string_view line = bytes.substr(0, n);
  std::string whole;
  if (!partial_.empty()) {
    whole = std::move(partial_);
    partial_.clear();
    whole.append(line);
    line = whole;
  }
  if (line.size() < 2 || line[line.size() - 2] != '\r') {
    refuse(400, "a line ends with LF alone; lines end with CR LF");
    return n;
  }
  if (state_ == State::request_line || state_ == State::fields) head_bytes_ += line.size();
  if (state_ == State::trailers) extra_bytes_ += line.size();
  line.remove_suffix(2);
  if (has_control(line) || (!line.empty() && line.back() == '\r')) {
    refuse(400, "a line has a control character");
  } else {
    on_line(line);
  }
  return n;
}

void RequestReader::on_line(std::string_view line) {
  std::string_view name, value;
  switch (state_) {
    case State::request_line:
      return on_request_line(line);
    case State::fields:
      return line.empty() ? on_head() : on_field(line);
    case State::chunk_size:
      return on_chunk_size(line);
    case State::chunk_end:
      if (!line.empty()) return refuse(400, "a chunk is longer than its size");
      state_ = State::chunk_size;
      return;
    default:  // trailers, which are dropped: RFC 9110, 6.5.1
      if (line.empty()) {
        state_ = State::done;
      } else {
        (void)split(line, name, value);
      }
  }
}

void RequestReader::on_request_line(std::string_view line) {
  // RFC 9112, 2.2: empty lines before a request are ignored.
  if (line.empty())
    return head_bytes_ > 2 * kEmptyLines ? refuse(400, "there is no request, only empty lines") : void();
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  const std::string_view method = line.substr(0, first);
  if (!is_token(method) || first == std::string_view::npos)
    return refuse(400, "this is no HTTP request: it begins with no method");
  const std::string_view version = line.substr(last + 1);
  if (first == last || last == first + 1) return refuse(400, "this is no HTTP request: it has no target or no version");
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' ||
      !digit(version[7])) {
    return refuse(400, "this is no HTTP request: its version is not HTTP/1.1");
  }
  if (version[5] != '1') return refuse(505, "the server speaks HTTP/1.1, not " + std::string(version));
  head_.minor = version[7] == '0' ? 0 : 1;
  head_.method = method;
  head_.target = line.substr(first + 1, last - first - 1);
  if (auto refusal = read_target(head_, has_authority_)) return refuse(refusal->status, std::move(refusal->why));
  head_.keep_alive = head_.minor == 1;
  state_ = State::fields;
}

// A field line; refuses what is none.
bool RequestReader::split(std::string_view line, std::string_view& name, std::string_view& value) {
  if (line.front() == ' ' || line.front() == '\t') {
    refuse(400, "a header's line begins with a space; folded lines are not taken");
    return false;
  }
  const std::size_t colon = line.find(':');
  name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) {
    refuse(400, "a header's name is no token before a colon");
    return false;
  }
  value = trimmed(line.substr(colon + 1));
  return true;
}

void RequestReader::on_field(std::string_view line) {
  std::string_view name, value;
  if (!split(line, name, value)) return;
  head_.fields.emplace_back(lower(name), std::string(value));
  const std::string& known = head_.fields.back().first;
  if (known == "host") {
    if (++hosts_ > 1) return refuse(400, "there is more than one Host");
    if (!is_host(value)) return refuse(400, "Host is no host with an optional port");
  } else if (known == "content-length") {
    on_content_length(value);
  } else if (known == "transfer-encoding") {
    transfer_encoding_ += (transfer_encodings_++ > 0 ? "," : "") + std::string(value);
  }
}

void RequestReader::on_content_length(std::string_view value) {
  if (++lengths_ > 1) return refuse(400, "there is more than one Content-Length");
  if (value.empty() || !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return refuse(400, "Content-Length is no number");
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t length = 0;
  for (const char c : value) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    length = length > (kMost - digit) / 10 ? kMost : length * 10 + digit;  // stays at the largest
  }
  head_.content_length = length;
}

// RFC 9112, 6.1 and 6.3. Codings other than chunked are not implemented.
void RequestReader::on_transfer_encoding() {
  if (head_.minor == 0) return refuse(400, "Transfer-Encoding is not for HTTP/1.0");
  if (lengths_ > 0) return refuse(400, "there are both Transfer-Encoding and Content-Length");
  const auto codings = elements(transfer_encoding_);
  if (!iequals(codings.back(), "chunked")) return refuse(400, "the last transfer coding is not chunked");
  for (std::size_t i = 0; i + 1 < codings.size(); ++i) {
    if (iequals(codings[i], "chunked")) return refuse(400, "the transfer coding chunked is there twice");
    if (!is_token(codings[i])) return refuse(400, "Transfer-Encoding is no list of transfer codings");
  }
  if (codings.size() > 1)
    return refuse(501, "the transfer coding " + std::string(codings.front()) + " is not implemented");
  head_.chunked = true;
}

void RequestReader::on_connection() {
  bool close = false, keep = false;
  for (const auto& [name, value] : head_.fields) {
    if (name != "connection") continue;
    for (const std::string_view option : elements(value)) {
      close = close || iequals(option, "close");
      keep = keep || iequals(option, "keep-alive");
    }
  }
  head_.keep_alive = !close && (head_.minor == 1 || keep);  // RFC 9112, 9.3
}

void RequestReader::on_head() {
  if (hosts_ == 0 && head_.minor == 1) return refuse(400, "there is no Host");
  if (transfer_encodings_ > 0) {
    on_transfer_encoding();
    if (refused()) return;
  }
  on_connection();
  if (const std::string_view expect = head_.field("expect"); !expect.empty() && head_.minor == 1) {
    if (!iequals(expect, "100-continue"))
      return refuse(417, "the expectation " + std::string(expect) + " cannot be met");
    head_.expects_continue = true;
  }
  head_.has_body = head_.chunked || head_.content_length > 0;
  left_ = head_.content_length;
  if (head_.content_length > limits_.body_bytes) {
    return refuse(413, "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes (max_body_bytes)");
  }
  state_ = head_.chunked ? State::chunk_size : left_ > 0 ? State::body : State::done;
}

void RequestReader::on_chunk_size(std::string_view line) {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  for (; digits < line.size() && hex_digit(line[digits]) >= 0; ++digits) {
    if (digits >= kChunkSizeDigits) return refuse(400, "a chunk's size has more than 16 digits");
    size = size * 16 + static_cast<std::uint64_t>(hex_digit(line[digits]));
  }
  if (digits == 0) return refuse(400, "a chunk has no size");
  extra_bytes_ += line.size() - digits;
  if (extra_bytes_ > limits_.head_bytes) return refuse_length();
  if (!is_chunk_extension(line.substr(digits)))
    return refuse(400, "a chunk's size is followed by what is no chunk extension");
  if (size > limits_.body_bytes - body_.size()) {
    return refuse(413, "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes (max_body_bytes)");
  }
  left_ = size;
  state_ = size == 0 ? State::trailers : State::chunk_data;
}

}  // namespace manta::http
