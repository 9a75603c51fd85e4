// One authenticated connection between two nodes: frames in order, over TLS 1.3 with a pre-shared key.
//
// A frame is u32 length (little endian, of what follows), u8 version, u8 kind, payload. Kinds below kFirstKind are the
// link's own: signs of life, the last word, and parts of a long message, whose last part has the message's kind.
//
//   LINK-1  nothing is read from or sent to a peer that has not proved that it has the key; no certificate is accepted
//   LINK-2  a peer that has not finished its handshake costs one socket, for a bounded time, one of a bounded number;
//           of too many the oldest of their address is dropped, so that new ones get their turn
//   LINK-3  what a peer announces is bounded before memory is taken for it; on_queue reports how much waits for a
//           peer to the link's user, which sends no more until that has gone
//   LINK-4  a peer that gives no sign of life for Limits::silence is gone, whatever the network says; time in which
//           this process itself stood still does not count
//   LINK-5  end is called once, from the loop, and no frame after it
//   LINK-6  a link that is paused reads nothing, and does not blame its peer for the silence
//
// Threading: the loop's thread. Ownership: shared with its pending operations; close() or an end lets those go.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/error.h>

#include "core/base/loop_thread.h"
#include "core/net/cluster_secret.h"

namespace manta::net {

struct LinkLimits {
  std::size_t max_frame_bytes = 2 << 20;
  std::size_t max_message_bytes = (std::size_t{1} << 30) + (1 << 20);
  std::size_t max_handshakes = 256;            // at a time, of a listener
  std::size_t max_handshakes_of_address = 64;  // of those
  std::chrono::milliseconds handshake{3000};
  std::chrono::milliseconds beat{200};
  std::chrono::milliseconds silence{1000};
};

// A context for connections that prove to have this key (LINK-1).
std::unique_ptr<boost::asio::ssl::context> make_psk_context(LinkKey key);

class TlsLink : public std::enable_shared_from_this<TlsLink> {
 public:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
  using Made = std::function<void(Result<std::shared_ptr<TlsLink>>)>;
  static constexpr std::uint8_t kVersion = 2;
  static constexpr std::uint8_t kFirstKind = 16;

  struct End {
    bool orderly = false;  // the peer took its leave
    std::string why;       // its last words, or what went wrong
  };
  using OnFrame = std::function<void(std::uint8_t kind, std::vector<std::byte> payload)>;
  using OnEnd = std::function<void(const End& end)>;
  using OnQueue = std::function<void(std::size_t queued_bytes)>;

  // Connects and shakes hands, once. made: the link, or unavailable (no peer there, or the deadline) or
  // invalid_argument (another key); the message names the peer. The context must outlive the link.
  static void connect(boost::asio::io_context& io, boost::asio::ssl::context& context, const std::string& host,
                      const std::string& port, LinkLimits limits, Made made);
  // The same from the other side, on an accepted socket. The result ends the connection if it is no link yet.
  static std::function<void()> accept(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context,
                                      LinkLimits limits, Made made);

  // on_queue: called when more or less waits to be sent.
  void start(OnFrame on_frame, OnEnd on_end, OnQueue on_queue = nullptr);
  // Queued, in parts where it is long. invalid_argument: longer than the limit.
  [[nodiscard]] Result<void> send(std::uint8_t kind, std::span<const std::byte> payload);
  // No frame comes from now on, and nothing is read (LINK-6); until resume().
  void pause() { paused_ = true; }
  void resume();
  // Sends what is queued and then the last words; the end comes when the peer has closed, or by LINK-4.
  void leave(const std::string& last_words);
  // At once; on_end is not called.
  void close();

  const std::string& peer() const { return peer_; }  // "127.0.0.1:4711"
  std::size_t queued_bytes() const { return queued_bytes_; }
  bool open() const { return open_; }

 private:
  using Clock = std::chrono::steady_clock;
  TlsLink(Stream stream, std::string peer, LinkLimits limits);
  static std::function<void()> shake_hands(Stream stream, boost::asio::ssl::stream_base::handshake_type side,
                                           LinkLimits limits, Made made);
  void queue(std::uint8_t kind, std::span<const std::byte> payload);
  void tell_queued();
  void write();
  void read();
  void take_frames();
  void beat();
  void end(End how);

  [[no_unique_address]] LoopThread loop_thread_;
  Stream stream_;
  std::string peer_;
  LinkLimits limits_;
  boost::asio::steady_timer timer_;
  OnFrame on_frame_;
  OnEnd on_end_;
  OnQueue on_queue_;
  bool open_ = true;
  bool leaving_ = false;
  bool paused_ = false;
  bool reading_ = false;
  std::vector<std::byte> in_;  // read, and not yet taken as frames
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::vector<std::byte> begun_;  // parts of a message that have arrived
  std::deque<std::vector<std::byte>> queue_;
  std::size_t queued_bytes_ = 0;
  std::vector<std::byte> out_;  // being written
  bool writing_ = false;
  bool sent_since_beat_ = false;
  Clock::time_point heard_;
  Clock::time_point last_beat_;
};

// Accepts connections and hands out those that have the key.
class TlsListener {
 public:
  // refused: a peer connected without the key; for the log.
  TlsListener(boost::asio::io_context& io, std::unique_ptr<boost::asio::ssl::context> context, LinkLimits limits,
              std::function<void(std::shared_ptr<TlsLink>)> made, std::function<void(const Error&)> refused);
  // "HOST:PORT", port 0: any. The address it listens at, with the port; invalid_argument or unavailable.
  [[nodiscard]] Result<std::string> listen(const std::string& address);
  void close();

 private:
  struct Handshake {
    boost::asio::ip::address from;
    std::function<void()> drop;
  };
  void accept();
  void begin(boost::asio::ip::tcp::socket socket);
  void drop_oldest(const boost::asio::ip::address& from);

  boost::asio::io_context& io_;
  std::unique_ptr<boost::asio::ssl::context> context_;
  LinkLimits limits_;
  std::function<void(std::shared_ptr<TlsLink>)> made_;
  std::function<void(const Error&)> refused_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::map<std::uint64_t, Handshake> handshakes_;  // by age
  std::uint64_t next_handshake_ = 1;
};

// "host:port" or "[v6]:port" in two. invalid_argument.
[[nodiscard]] Result<std::pair<std::string, std::string>> split_address(const std::string& address);

}  // namespace manta::net
