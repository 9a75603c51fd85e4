#include "core/net/tls_link.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace manta::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint8_t kBeat = 0;
constexpr std::uint8_t kLastWords = 1;
constexpr std::uint8_t kPart = 2;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kHeadBytes = kLengthBytes + 2;
constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kWriteBytes = 256 << 10;
constexpr std::size_t kMaxLastWords = 1000;

std::string name_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

// A connection that is not a link yet, and the time it has.
struct Beginning {
  Beginning(TlsLink::Stream s, TlsLink::Made m)
      : stream(std::move(s)), deadline(stream.get_executor()), made(std::move(m)) {}
  TlsLink::Stream stream;
  asio::steady_timer deadline;
  TlsLink::Made made;
  bool too_late = false;
};

void give_up(const std::weak_ptr<Beginning>& beginning) {
  const auto b = beginning.lock();
  if (!b) return;
  b->too_late = true;
  error_code ignored;
  b->stream.lowest_layer().close(ignored);
}

void give_up_after(const std::shared_ptr<Beginning>& beginning, std::chrono::milliseconds time) {
  beginning->deadline.expires_after(time);
  beginning->deadline.async_wait([weak = std::weak_ptr(beginning)](error_code error) {
    if (!error) give_up(weak);
  });
}

bool is_port(const std::string& text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::atoi(text.c_str()) <= 65'535;
}

}  // namespace

Result<std::pair<std::string, std::string>> split_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return fail(ErrorCode::invalid_argument, "\"" + address + "\" is no address of the form HOST:PORT");
  }
  if (!is_port(address.substr(colon + 1))) {
    return fail(ErrorCode::invalid_argument, "\"" + address + "\" names the port " + address.substr(colon + 1) +
                                                 "; a port is a number from 0 to 65535");
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return std::pair(host, address.substr(colon + 1));
}

// --- beginnings

void TlsLink::connect(asio::io_context& io, asio::ssl::context& context, const std::string& host,
                      const std::string& port, LinkLimits limits, Made made) {
  const std::string name = host + ":" + port;
  error_code error;
  tcp::resolver resolver(io);
  const auto endpoints = resolver.resolve(host, port, error);  // names of hosts: blocks; addresses: does not
  if (error) {
    asio::post(io, [made = std::move(made), name, error] {
      made(fail(ErrorCode::unavailable, name + " cannot be found: " + error.message()));
    });
    return;
  }
  auto beginning = std::make_shared<Beginning>(Stream(io, context), std::move(made));
  give_up_after(beginning, limits.handshake);
  asio::async_connect(
      beginning->stream.lowest_layer(), endpoints, [beginning, name, limits](error_code failed, const tcp::endpoint&) {
        beginning->deadline.cancel();
        if (failed) {
          beginning->made(
              fail(ErrorCode::unavailable,
                   name + " does not answer: " + (beginning->too_late ? "no connection in time" : failed.message())));
          return;
        }
        shake_hands(std::move(beginning->stream), asio::ssl::stream_base::client, limits, std::move(beginning->made));
      });
}

std::function<void()> TlsLink::accept(tcp::socket socket, asio::ssl::context& context, LinkLimits limits, Made made) {
  return shake_hands(Stream(std::move(socket), context), asio::ssl::stream_base::server, limits, std::move(made));
}

std::function<void()> TlsLink::shake_hands(Stream stream, asio::ssl::stream_base::handshake_type side,
                                           LinkLimits limits, Made made) {
  error_code ignored;
  const std::string peer = name_of(stream.lowest_layer().remote_endpoint(ignored));
  stream.lowest_layer().set_option(tcp::no_delay(true), ignored);
  auto beginning = std::make_shared<Beginning>(std::move(stream), std::move(made));
  give_up_after(beginning, limits.handshake);
  beginning->stream.async_handshake(side, [beginning, peer, limits, side](error_code error) {
    beginning->deadline.cancel();
    if (beginning->too_late) {
      return beginning->made(fail(ErrorCode::unavailable, peer + " did not finish its handshake in time"));
    }
    if (!error && SSL_session_reused(beginning->stream.native_handle()) != 1) {
      error = asio::error::make_error_code(asio::error::no_permission);  // LINK-1: some key, but not ours
    }
    // A listener drops connections where it has too many: another attempt may succeed.
    const bool dropped = error == asio::error::eof || error == asio::error::connection_reset ||
                         error == asio::error::broken_pipe || error == asio::ssl::error::stream_truncated;
    if (error) {
      return beginning->made(
          fail(dropped && side == asio::ssl::stream_base::client ? ErrorCode::unavailable : ErrorCode::invalid_argument,
               "no link with " + peer +
                   ": it has another cluster secret (MANTA_SECRET_FILE) or none, "
                   "or is no Manta node (" +
                   error.message() + ")"));
    }
    beginning->made(std::shared_ptr<TlsLink>(new TlsLink(std::move(beginning->stream), peer, limits)));
  });
  return [weak = std::weak_ptr(beginning)] { give_up(weak); };
}

TlsLink::TlsLink(Stream stream, std::string peer, LinkLimits limits)
    : stream_(std::move(stream)), peer_(std::move(peer)), limits_(limits), timer_(stream_.get_executor()) {}

void TlsLink::start(OnFrame on_frame, OnEnd on_end, OnQueue on_queue) {
  loop_thread_.assert_current();
  on_frame_ = std::move(on_frame);
  on_end_ = std::move(on_end);
  on_queue_ = std::move(on_queue);
  in_.resize(kReadBytes);
  heard_ = last_beat_ = Clock::now();
  read();
  beat();
}

// --- sending

Result<void> TlsLink::send(std::uint8_t kind, std::span<const std::byte> payload) {
  loop_thread_.assert_current();
  if (payload.size() > limits_.max_message_bytes) {
    return fail(ErrorCode::invalid_argument, "a message of " + std::to_string(payload.size()) + " bytes to " + peer_ +
                                                 "; at most " + std::to_string(limits_.max_message_bytes) +
                                                 " can be sent");
  }
  if (leaving_ || !open_) return {};
  const std::size_t part = limits_.max_frame_bytes - kHeadBytes;
  for (; payload.size() > part; payload = payload.subspan(part)) queue(kPart, payload.first(part));
  queue(kind, payload);
  tell_queued();
  return {};
}

void TlsLink::tell_queued() {
  if (on_queue_) on_queue_(queued_bytes_);
}

void TlsLink::queue(std::uint8_t kind, std::span<const std::byte> payload) {
  if (!open_) return;
  const std::size_t size = kHeadBytes + payload.size();
  std::vector<std::byte> frame(size);
  const auto length = static_cast<std::uint32_t>(size - kLengthBytes);
  std::memcpy(frame.data(), &length, sizeof length);
  frame[4] = std::byte{kVersion};
  frame[5] = std::byte{kind};
  if (!payload.empty()) std::memcpy(frame.data() + kHeadBytes, payload.data(), payload.size());
  queued_bytes_ += size;
  queue_.push_back(std::move(frame));
  if (!writing_) write();
}

// Small frames go out together: one record and one system call for many.
void TlsLink::write() {
  out_.clear();
  do {
    const std::vector<std::byte>& next = queue_.front();
    out_.insert(out_.end(), next.begin(), next.end());
    queue_.pop_front();
  } while (!queue_.empty() && out_.size() + queue_.front().size() <= kWriteBytes);
  writing_ = true;
  sent_since_beat_ = true;
  asio::async_write(stream_, asio::buffer(out_), [self = shared_from_this()](error_code error, std::size_t) {
    self->writing_ = false;
    if (!self->open_) return;
    self->queued_bytes_ -= self->out_.size();
    if (error) return self->end({false, "the connection broke: " + error.message()});
    self->tell_queued();
    if (!self->queue_.empty()) return self->write();
    if (self->out_.capacity() > 2 * kWriteBytes) std::vector<std::byte>().swap(self->out_);
    if (self->leaving_) {
      error_code ignored;
      self->stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
    }
  });
}

void TlsLink::leave(const std::string& last_words) {
  loop_thread_.assert_current();
  if (!open_ || leaving_) return;
  leaving_ = true;
  queue(kLastWords, std::as_bytes(std::span(last_words).first(std::min(last_words.size(), kMaxLastWords))));
}

// --- receiving

void TlsLink::read() {
  reading_ = true;
  stream_.async_read_some(asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                          [self = shared_from_this()](error_code error, std::size_t n) {
                            self->reading_ = false;
                            if (!self->open_) return;
                            if (error) return self->end({false, "the connection broke: " + error.message()});
                            self->in_end_ += n;
                            self->heard_ = Clock::now();
                            self->take_frames();
                            if (self->open_ && !self->paused_) self->read();
                          });
}

void TlsLink::resume() {
  loop_thread_.assert_current();
  if (!open_ || !paused_) return;
  paused_ = false;
  heard_ = Clock::now();
  if (reading_) return;
  take_frames();
  if (open_ && !paused_ && !reading_) read();
}

void TlsLink::take_frames() {
  loop_thread_.assert_current();
  std::size_t wanted = kHeadBytes;
  while (!paused_ && in_end_ - in_begin_ >= kHeadBytes) {
    std::uint32_t length = 0;
    std::memcpy(&length, in_.data() + in_begin_, sizeof length);
    const auto version = std::to_integer<std::uint8_t>(in_[in_begin_ + 4]);
    const auto kind = std::to_integer<std::uint8_t>(in_[in_begin_ + 5]);
    wanted = kLengthBytes + std::size_t{length};
    if (version != kVersion) {
      return end({false, "it speaks version " + std::to_string(version) +
                             " of the links' format, this program speaks " + std::to_string(kVersion)});
    }
    if (wanted < kHeadBytes || wanted > limits_.max_frame_bytes) {
      return end({false, "it announced a frame of " + std::to_string(wanted) + " bytes"});
    }
    if (in_end_ - in_begin_ < wanted) break;
    const std::byte* payload = in_.data() + in_begin_ + kHeadBytes;
    const std::span<const std::byte> part(payload, wanted - kHeadBytes);
    in_begin_ += wanted;
    wanted = kHeadBytes;
    if (kind == kPart || kind >= kFirstKind) {
      if (part.size() > limits_.max_message_bytes - begun_.size()) {
        return end({false, "it sent a message of more than " + std::to_string(limits_.max_message_bytes) + " bytes"});
      }
      if (kind == kPart) {
        begun_.insert(begun_.end(), part.begin(), part.end());
        continue;
      }
    }
    std::vector<std::byte> bytes;
    if (kind >= kFirstKind) bytes = std::exchange(begun_, {});
    bytes.insert(bytes.end(), part.begin(), part.end());
    if (kind == kLastWords) {
      return end({true, {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMaxLastWords)}});
    }
    if (kind < kFirstKind) continue;
    on_frame_(kind, std::move(bytes));
    if (!open_) return;
  }
  if (paused_) return;
  // Space for the rest of what has begun; memory for a large frame is taken as its bytes come (LINK-3).
  if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_end_ == in_.size()) in_.resize(std::min(std::max(wanted, kReadBytes), 2 * in_.size()));
  if (in_end_ == 0 && in_.size() > 16 * kReadBytes) {
    std::vector<std::byte>(kReadBytes).swap(in_);
  }
}

// --- life

void TlsLink::beat() {
  loop_thread_.assert_current();
  const auto now = Clock::now();
  // By how much this is late, this process stood still: nothing could be heard meanwhile (LINK-4).
  const auto late = std::max<Clock::duration>(now - last_beat_ - limits_.beat, {});
  heard_ = paused_ ? now : std::min(now, heard_ + late);  // LINK-6
  last_beat_ = now;
  if (now - heard_ >= limits_.silence) {
    return end({false, "it gave no sign of life for " + std::to_string(limits_.silence.count()) + " ms"});
  }
  const bool writes = writing_;  // whose end counts for the time until the next beat; this beat does not
  if (!sent_since_beat_ && !leaving_) queue(kBeat, {});
  sent_since_beat_ = writes;
  timer_.expires_after(limits_.beat);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && self->open_) self->beat();
  });
}

void TlsLink::close() {
  loop_thread_.assert_current();
  if (!open_) return;
  open_ = false;
  timer_.cancel();
  error_code ignored;
  stream_.lowest_layer().close(ignored);
  queue_.clear();
  asio::post(stream_.get_executor(), [self = shared_from_this()] {  // they may be on the stack
    self->on_frame_ = nullptr;
    self->on_end_ = nullptr;
    self->on_queue_ = nullptr;
  });
}

void TlsLink::end(End how) {
  if (!open_) return;
  asio::post(stream_.get_executor(), [on_end = on_end_, how = std::move(how)] {
    if (on_end) on_end(how);
  });
  close();
}

// --- listening

TlsListener::TlsListener(asio::io_context& io, std::unique_ptr<asio::ssl::context> context, LinkLimits limits,
                         std::function<void(std::shared_ptr<TlsLink>)> made, std::function<void(const Error&)> refused)
    : io_(io),
      context_(std::move(context)),
      limits_(limits),
      made_(std::move(made)),
      refused_(std::move(refused)),
      acceptor_(io),
      pause_(io) {}

Result<std::string> TlsListener::listen(const std::string& address) {
  auto parts = split_address(address);
  if (!parts) return tl::unexpected<Error>(parts.error());
  error_code error;
  tcp::resolver resolver(io_);
  const auto endpoints = resolver.resolve(parts->first, parts->second, tcp::resolver::passive, error);
  if (!error) {
    const tcp::endpoint endpoint = *endpoints.begin();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) return fail(ErrorCode::unavailable, "cannot listen at " + address + ": " + error.message());
  accept();
  return name_of(acceptor_.local_endpoint());
}

void TlsListener::accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // no descriptors left, for example
      pause_.expires_after(std::chrono::milliseconds(100));
      pause_.async_wait([this](error_code cancelled) {
        if (!cancelled) accept();
      });
      return;
    }
    begin(std::move(socket));
    accept();
  });
}

// LINK-2.
void TlsListener::begin(tcp::socket socket) {
  error_code error;
  const auto from = socket.remote_endpoint(error).address();
  if (error) return;  // gone again
  std::map<asio::ip::address, std::size_t> of_address;
  for (const auto& [id, handshake] : handshakes_) ++of_address[handshake.from];
  const auto most = std::max_element(of_address.begin(), of_address.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (of_address[from] >= limits_.max_handshakes_of_address) {
    drop_oldest(from);
  } else if (handshakes_.size() >= limits_.max_handshakes) {
    drop_oldest(most->first);
  }
  const std::uint64_t id = next_handshake_++;
  Handshake& handshake = handshakes_[id];
  handshake.from = from;
  handshake.drop =
      TlsLink::accept(std::move(socket), *context_, limits_, [this, id](Result<std::shared_ptr<TlsLink>> link) {
        handshakes_.erase(id);
        if (link) {
          made_(std::move(*link));
        } else {
          refused_(link.error());
        }
      });
}

void TlsListener::drop_oldest(const asio::ip::address& from) {
  const auto oldest = std::find_if(handshakes_.begin(), handshakes_.end(),
                                   [&](const auto& handshake) { return handshake.second.from == from; });
  const std::function<void()> drop = std::move(oldest->second.drop);
  handshakes_.erase(oldest);
  drop();
}

void TlsListener::close() {
  error_code ignored;
  acceptor_.close(ignored);
}

}  // namespace manta::net
