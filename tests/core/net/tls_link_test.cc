// Links over loopback: which peers get in, what arrives, and how a link to each kind of bad peer ends (LINK-1 to 5).
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "core/net/tls_link.h"

namespace manta::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;
using Link = std::shared_ptr<TlsLink>;
using Bytes = std::vector<std::byte>;

constexpr std::uint8_t kKind = TlsLink::kFirstKind;

LinkKey key(const std::string& secret = "the secret") { return derive_key(secret, "node"); }
Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

struct Side {
  Link link;
  std::vector<Bytes> frames;
  std::optional<TlsLink::End> end;
  std::size_t queued = 0;
  std::size_t pause_after = ~std::size_t{0};
  void start(const Link& with) {
    link = with;
    link->start(
        [this](std::uint8_t, Bytes bytes) {
          frames.push_back(std::move(bytes));
          if (frames.size() >= pause_after) link->pause();
        },
        [this](const TlsLink::End& how) { end = how; }, [this](std::size_t bytes) { queued = bytes; });
  }
};

class TlsLinkTest : public testing::Test {
 protected:
  void listen(LinkLimits limits = {}) {
    limits_ = limits;
    listener_.emplace(
        io_, make_psk_context(key()), limits, [this](Link link) { server_.start(link); },
        [this](const Error& error) { refused_.push_back(error); });
    auto address = listener_->listen("127.0.0.1:0");
    ASSERT_TRUE(address) << address.error().what();
    address_ = *split_address(*address);
  }
  template <class Done>
  bool run_until(Done done, std::chrono::milliseconds limit = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.run_one_for(10ms);
    }
    return true;
  }
  Result<Link> connect(LinkKey with, const std::pair<std::string, std::string>& address) {
    contexts_.push_back(make_psk_context(std::move(with)));
    std::optional<Result<Link>> made;
    TlsLink::connect(io_, *contexts_.back(), address.first, address.second, limits_,
                     [&](Result<Link> link) { made = std::move(link); });
    if (!run_until([&] { return made.has_value(); })) return fail(ErrorCode::deadline, "no answer");
    return *made;
  }
  void connect_both(LinkLimits limits = {}) {
    listen(limits);
    auto link = connect(key(), address_);
    ASSERT_TRUE(link) << link.error().what();
    client_.start(*link);
    ASSERT_TRUE(run_until([&] { return server_.link != nullptr; }));
  }
  tcp::socket plain() {
    tcp::socket socket(io_);
    tcp::resolver resolver(io_);
    asio::connect(socket, resolver.resolve(address_.first, address_.second));
    return socket;
  }

  asio::io_context io_;
  LinkLimits limits_;
  std::vector<std::unique_ptr<asio::ssl::context>> contexts_;
  std::optional<TlsListener> listener_;
  std::pair<std::string, std::string> address_;
  std::vector<Error> refused_;
  Side server_, client_;
};

TEST_F(TlsLinkTest, FramesArriveInOrderBothWays) {
  connect_both();
  std::mt19937 random(1);
  std::vector<Bytes> sent;
  for (int i = 0; i < 5000; ++i) {
    Bytes bytes(random() % (i % 100 == 0 ? 100'000 : 300));
    for (auto& b : bytes) b = static_cast<std::byte>(random());
    (void)client_.link->send(kKind, bytes);
    (void)server_.link->send(kKind, bytes);
    sent.push_back(std::move(bytes));
  }
  ASSERT_TRUE(run_until([&] { return server_.frames.size() == sent.size() && client_.frames.size() == sent.size(); }));
  EXPECT_EQ(server_.frames, sent);
  EXPECT_EQ(client_.frames, sent);
}

TEST_F(TlsLinkTest, BigFrames) {
  LinkLimits limits;
  limits.silence = 20s;  // one thread encrypts and decrypts here, under sanitizers too
  connect_both(limits);
  Bytes big(80 << 20);
  for (std::size_t i = 0; i < big.size(); i += 4096) big[i] = static_cast<std::byte>(i >> 12);
  (void)client_.link->send(kKind, big);
  (void)client_.link->send(kKind, bytes_of("after"));
  ASSERT_TRUE(run_until([&] { return server_.frames.size() == 2; }));
  EXPECT_TRUE(server_.frames[0] == big);
  EXPECT_EQ(server_.frames[1], bytes_of("after"));
}

TEST_F(TlsLinkTest, LastWordsComeAfterAllElse) {
  connect_both();
  for (int i = 0; i < 100; ++i) (void)client_.link->send(kKind, Bytes(10'000));
  client_.link->leave("the job is over");
  (void)client_.link->send(kKind, bytes_of("too late"));
  ASSERT_TRUE(run_until([&] { return server_.end && client_.end; }));
  EXPECT_EQ(server_.frames.size(), 100U);
  EXPECT_TRUE(server_.end->orderly);
  EXPECT_EQ(server_.end->why, "the job is over");
}

TEST_F(TlsLinkTest, WrongKeyIsRefusedOnBothSides) {
  listen();
  const auto link = connect(key("another secret"), address_);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(link.error().message().find(address_.first + ":" + address_.second), std::string::npos);
  EXPECT_NE(link.error().message().find("MANTA_SECRET_FILE"), std::string::npos) << link.error().what();
  ASSERT_TRUE(run_until([&] { return refused_.size() == 1; }));
  EXPECT_NE(refused_[0].message().find("127.0.0.1:"), std::string::npos) << refused_[0].what();
  EXPECT_EQ(server_.link, nullptr);
}

TEST_F(TlsLinkTest, KeyOfAnotherRoleIsRefused) {
  listen();
  EXPECT_FALSE(connect(derive_key("the secret", "client"), address_));
  ASSERT_TRUE(run_until([&] { return refused_.size() == 1; }));
}

TEST_F(TlsLinkTest, ClientWithoutKeyIsRefused) {
  listen();
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_verify_mode(asio::ssl::verify_none);
  asio::ssl::stream<tcp::socket> stream(plain(), context);
  std::optional<boost::system::error_code> shaken;
  stream.async_handshake(asio::ssl::stream_base::client, [&](boost::system::error_code e) { shaken = e; });
  ASSERT_TRUE(run_until([&] { return shaken && refused_.size() == 1; }));
  EXPECT_TRUE(*shaken);
  EXPECT_EQ(server_.link, nullptr);
}

// It has a certificate, self-signed, and no key: LINK-1.
TEST_F(TlsLinkTest, RogueServerWithACertificateIsRefused) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"),
                                                                 &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -10);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), pkey.get());
  X509_sign(certificate.get(), pkey.get(), EVP_sha256());
  asio::ssl::context context(asio::ssl::context::tls_server);
  SSL_CTX_use_certificate(context.native_handle(), certificate.get());
  SSL_CTX_use_PrivateKey(context.native_handle(), pkey.get());
  tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  std::optional<asio::ssl::stream<tcp::socket>> stream;
  std::optional<boost::system::error_code> shaken;
  acceptor.async_accept([&](boost::system::error_code, tcp::socket socket) {
    stream.emplace(std::move(socket), context);
    stream->async_handshake(asio::ssl::stream_base::server, [&](boost::system::error_code e) { shaken = e; });
  });
  const auto link = connect(key(), {"127.0.0.1", std::to_string(acceptor.local_endpoint().port())});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::invalid_argument) << link.error().what();
}

TEST_F(TlsLinkTest, GarbageAndSilenceBeforeTheHandshakeDoNoHarm) {
  LinkLimits limits;
  limits.handshake = 200ms;
  limits.max_handshakes = 4;
  listen(limits);
  std::vector<tcp::socket> sockets;
  for (int i = 0; i < 12; ++i) {
    sockets.push_back(plain());
    if (i % 3 == 0) asio::write(sockets.back(), asio::buffer(std::string(100'000, 'x').substr(0, 7 + i * 500)));
    if (i % 3 == 1) asio::write(sockets.back(), asio::buffer("GET / HTTP/1.1\r\n\r\n", 18));
  }
  ASSERT_TRUE(run_until([&] { return refused_.size() == 12; }));
  EXPECT_EQ(server_.link, nullptr);
  EXPECT_TRUE(connect(key(), address_));  // the place is free again
}

// LINK-2: silent connections, however many follow each other, keep no peer with the key out.
TEST_F(TlsLinkTest, SilentConnectionsKeepNoNodeOut) {
  LinkLimits limits;
  limits.handshake = 60s;
  limits.max_handshakes = 8;
  limits.max_handshakes_of_address = 4;
  listen(limits);
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 64; ++i) silent.push_back(plain());
  for (int i = 0; i < 5; ++i) {
    const auto link = connect(key(), address_);
    ASSERT_TRUE(link) << link.error().what();
    for (int k = 0; k < 3; ++k) silent.push_back(plain());
  }
  ASSERT_TRUE(run_until([&] { return refused_.size() >= 64 + 3 * 4 - 4; }));
}

TEST_F(TlsLinkTest, AConnectionThatIsDroppedMayTryAgain) {
  tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  acceptor.async_accept([](boost::system::error_code, tcp::socket socket) { socket.close(); });
  const auto link = connect(key(), {"127.0.0.1", std::to_string(acceptor.local_endpoint().port())});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::unavailable) << link.error().what();
}

TEST_F(TlsLinkTest, NoListenerThere) {
  const auto link = connect(key(), {"127.0.0.1", "1"});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::unavailable);
  EXPECT_NE(link.error().message().find("127.0.0.1:1"), std::string::npos) << link.error().what();
}

// Speaks TLS with the key, and then what it likes.
class Peer {
 public:
  Peer(asio::io_context& io, const std::pair<std::string, std::string>& address)
      : context_(make_psk_context(key())), stream_(io, *context_) {
    tcp::resolver resolver(io);
    asio::connect(stream_.lowest_layer(), resolver.resolve(address.first, address.second));
    stream_.async_handshake(asio::ssl::stream_base::client, [this](boost::system::error_code) { ready = true; });
  }
  void say(Bytes bytes) { asio::write(stream_, asio::buffer(bytes)); }
  static Bytes frame(std::uint32_t length, std::uint8_t version, std::uint8_t kind, std::size_t payload) {
    Bytes bytes(6 + payload);
    std::memcpy(bytes.data(), &length, 4);
    bytes[4] = std::byte{version};
    bytes[5] = std::byte{kind};
    return bytes;
  }
  void end() { stream_.lowest_layer().close(); }
  bool ready = false;

 private:
  std::unique_ptr<asio::ssl::context> context_;
  asio::ssl::stream<tcp::socket> stream_;
};

class BadPeer : public TlsLinkTest {
 protected:
  void meet(LinkLimits limits = {}) {
    listen(limits);
    peer_.emplace(io_, address_);
    ASSERT_TRUE(run_until([&] { return peer_->ready && server_.link; }));
  }
  std::string end() {
    if (!run_until([&] { return server_.end.has_value(); })) return "none";
    EXPECT_FALSE(server_.end->orderly);
    return server_.end->why;
  }
  std::optional<Peer> peer_;
};

TEST_F(BadPeer, OversizedFrame) {
  meet();
  peer_->say(Peer::frame(0x7fffffff, TlsLink::kVersion, kKind, 10));
  EXPECT_NE(end().find("frame of 2147483651 bytes"), std::string::npos) << server_.end->why;
  EXPECT_TRUE(server_.frames.empty());
}

TEST_F(BadPeer, FrameTooShortForItsHead) {
  meet();
  peer_->say(Peer::frame(1, TlsLink::kVersion, kKind, 0));
  EXPECT_NE(end().find("frame of 5 bytes"), std::string::npos) << server_.end->why;
}

TEST_F(BadPeer, TruncatedFrame) {
  meet();
  peer_->say(Peer::frame(2, TlsLink::kVersion, kKind, 0));
  peer_->say(Peer::frame(1000, TlsLink::kVersion, kKind, 500));
  peer_->end();
  EXPECT_NE(end().find("connection broke"), std::string::npos) << server_.end->why;
  EXPECT_EQ(server_.frames.size(), 1U);
}

TEST_F(BadPeer, OtherVersion) {
  meet();
  peer_->say(Peer::frame(2, TlsLink::kVersion + 1, kKind, 0));
  EXPECT_NE(end().find("version 3"), std::string::npos) << server_.end->why;
}

TEST_F(BadPeer, Silence) {
  LinkLimits limits;
  limits.beat = 20ms;
  limits.silence = 100ms;
  meet(limits);
  EXPECT_NE(end().find("no sign of life for 100 ms"), std::string::npos) << server_.end->why;
}

// LINK-3: the sender hears how much waits; the link stays.
TEST_F(BadPeer, DoesNotRead) {
  LinkLimits limits;
  limits.silence = 60s;
  meet(limits);
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(server_.link->send(kKind, Bytes(1'000'000)));
    io_.poll();
  }
  EXPECT_TRUE(server_.link->open());
  EXPECT_GT(server_.queued, 350'000'000U);
  EXPECT_EQ(server_.queued, server_.link->queued_bytes());
}

TEST_F(BadPeer, PartsWithoutEnd) {
  LinkLimits limits;
  limits.max_message_bytes = 1000;
  meet(limits);
  constexpr std::uint8_t kPart = 2;
  for (int i = 0; i < 11; ++i) peer_->say(Peer::frame(102, TlsLink::kVersion, kPart, 100));
  EXPECT_NE(end().find("message of more than 1000 bytes"), std::string::npos) << server_.end->why;
}

// LINK-6
TEST_F(TlsLinkTest, APausedLinkKeepsWhatComesAndItsPeer) {
  LinkLimits limits;
  limits.beat = 20ms;
  limits.silence = 200ms;
  connect_both(limits);
  server_.pause_after = 3;
  std::vector<Bytes> sent;
  for (int i = 0; i < 40; ++i) {
    sent.push_back(Bytes(100'000, std::byte(i)));
    ASSERT_TRUE(client_.link->send(kKind, sent.back()));
  }
  run_until([] { return false; }, 600ms);
  EXPECT_EQ(server_.frames.size(), 3U);
  EXPECT_FALSE(server_.end || client_.end);
  server_.pause_after = 1000;
  server_.link->resume();
  ASSERT_TRUE(run_until([&] { return server_.frames.size() == sent.size(); }));
  EXPECT_EQ(server_.frames, sent);
  ASSERT_TRUE(run_until([&] { return client_.queued == 0; }));
}

TEST_F(TlsLinkTest, IdleLinksStay) {
  LinkLimits limits;
  limits.beat = 20ms;
  limits.silence = 200ms;
  connect_both(limits);
  run_until([] { return false; }, 600ms);
  EXPECT_FALSE(server_.end || client_.end);
}

// One beat in each period, not in every other one: a link that hears nothing for nearly two periods would end.
TEST_F(TlsLinkTest, AnIdleLinkIsHeardInEveryPeriod) {
  LinkLimits limits;
  limits.beat = 200ms;
  limits.silence = 370ms;
  connect_both(limits);
  EXPECT_FALSE(run_until([&] { return server_.end || client_.end; }, 2s));
}

TEST_F(TlsLinkTest, TooLongToSend) {
  LinkLimits limits;
  limits.max_message_bytes = 1000;
  connect_both(limits);
  EXPECT_EQ(client_.link->send(kKind, Bytes(1001)).error().code(), ErrorCode::invalid_argument);
  ASSERT_TRUE(client_.link->send(kKind, Bytes(1000)));
  ASSERT_TRUE(run_until([&] { return server_.frames.size() == 1; }));
  EXPECT_EQ(server_.frames[0].size(), 1000U);
}

TEST(Addresses, AreSplit) {
  EXPECT_EQ(*split_address("host:80"), std::pair(std::string("host"), std::string("80")));
  EXPECT_EQ(*split_address("[::1]:80"), std::pair(std::string("::1"), std::string("80")));
  for (const char* bad :
       {"", "host", ":80", "host:", "host:70010", "host:65536", "host:-1", "host:http", "host:000080"}) {
    const auto parts = split_address(bad);
    ASSERT_FALSE(parts) << bad;
    EXPECT_NE(parts.error().message().find(bad), std::string::npos) << "it names the address";
  }
  EXPECT_EQ(split_address("host:65535")->second, "65535");
}

}  // namespace
}  // namespace manta::net
