#include "core/net/control_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <string_view>
#include <thread>

#include "core/net/shared_memory.h"

namespace manta::net {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text_of(const ControlSocket::Packet& packet) {
  return {reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size()};
}

int open_descriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

// As a peer that does not keep to the limits would send.
void send_raw(int fd, std::size_t size_bytes, const std::vector<int>& descriptors) {
  std::vector<std::byte> bytes(size_bytes);
  std::vector<std::byte> control(CMSG_SPACE(sizeof(int) * std::max<std::size_t>(1, descriptors.size())));
  iovec content{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
  }
  ASSERT_EQ(::sendmsg(fd, &message, MSG_NOSIGNAL), static_cast<ssize_t>(size_bytes));
}

class ControlSocketTest : public ::testing::Test {
 protected:
  std::pair<ControlSocket, ControlSocket> ends = ControlSocket::pair().value();
  ControlSocket& a = ends.first;
  ControlSocket& b = ends.second;
};

TEST_F(ControlSocketTest, OnePacketIsOneMessageBothWays) {
  ASSERT_TRUE(a.send(bytes_of("one")));
  ASSERT_TRUE(a.send(bytes_of("and two")));
  ASSERT_TRUE(b.send(bytes_of("back")));
  EXPECT_EQ(text_of(*b.receive()), "one");
  EXPECT_EQ(text_of(*b.try_receive()), "and two");
  EXPECT_EQ(text_of(*a.receive()), "back");
  EXPECT_EQ(b.try_receive().error().code(), ErrorCode::exhausted);
}

TEST_F(ControlSocketTest, ALargestPacketFitsWithTheDefaultLimitsOfLinux) {
  constexpr int kDefaultLimit = 212992;  // net.core.wmem_max
  for (const int fd : {a.fd(), b.fd()}) {
    const int half = kDefaultLimit / 2;  // the kernel doubles it
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half)), 0);
  }
  const std::vector<std::byte> large(ControlSocket::kMaxPacketBytes, std::byte{42});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(*a.try_send(large));
    EXPECT_EQ(b.receive()->bytes, large);
  }
}

TEST_F(ControlSocketTest, DescriptorsArriveOpenAndCloseOnExec) {
  Fd memory = create_shared_memory("sent", 4096).value();
  const std::vector<int> sent(ControlSocket::kMaxDescriptors, memory.get());
  ASSERT_TRUE(a.send(bytes_of("x"), sent));
  auto packet = b.receive();
  ASSERT_TRUE(packet);
  ASSERT_EQ(packet->descriptors.size(), ControlSocket::kMaxDescriptors);
  struct stat original {}, received {};
  ASSERT_EQ(::fstat(memory.get(), &original), 0);
  for (const Fd& fd : packet->descriptors) {
    ASSERT_EQ(::fstat(fd.get(), &received), 0);
    EXPECT_EQ(received.st_ino, original.st_ino);
    EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(a.fd(), F_GETFD), FD_CLOEXEC);
}

TEST_F(ControlSocketTest, SendRefusesWhatTheReceiverWouldNotTake) {
  EXPECT_EQ(a.send({}).error().code(), ErrorCode::invalid_argument);
  const std::vector<std::byte> large(ControlSocket::kMaxPacketBytes + 1);
  EXPECT_EQ(a.send(large).error().code(), ErrorCode::invalid_argument);
  const std::vector<int> many(ControlSocket::kMaxDescriptors + 1, a.fd());
  EXPECT_EQ(a.try_send(bytes_of("x"), many).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(a.send(bytes_of("x"), std::array{-1}).error().code(), ErrorCode::invalid_argument);
}

TEST_F(ControlSocketTest, TruncatedPacketsAreRefusedAndLeakNoDescriptor) {
  const int before = open_descriptors();
  send_raw(a.fd(), 1, std::vector<int>(3 * ControlSocket::kMaxDescriptors, a.fd()));
  EXPECT_EQ(b.receive().error().code(), ErrorCode::invalid_argument);
  send_raw(a.fd(), ControlSocket::kMaxPacketBytes + 1, {a.fd(), a.fd()});
  EXPECT_EQ(b.receive().error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(open_descriptors(), before);
  ASSERT_TRUE(a.send(bytes_of("and on")));
  EXPECT_EQ(text_of(*b.receive()), "and on");
}

TEST_F(ControlSocketTest, APeerThatIsGoneIsUnavailableAfterWhatItSent) {
  ASSERT_TRUE(a.send(bytes_of("last words")));
  ASSERT_TRUE(b.send(bytes_of("never read")));  // makes the kernel report a reset
  a = ControlSocket();
  EXPECT_EQ(text_of(*b.receive()), "last words");
  EXPECT_EQ(b.receive().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(b.try_receive().error().code(), ErrorCode::unavailable);
  EXPECT_EQ(b.send(bytes_of("x")).error().code(), ErrorCode::unavailable);
  EXPECT_EQ(b.try_send(bytes_of("x")).error().code(), ErrorCode::unavailable);
}

TEST_F(ControlSocketTest, AFullPeerMakesTrySendSaySoAndSendWait) {
  for (const bool non_blocking : {false, true}) {
    ASSERT_EQ(::fcntl(a.fd(), F_SETFL, non_blocking ? O_NONBLOCK : 0), 0);
    const std::vector<std::byte> large(ControlSocket::kMaxPacketBytes);
    int sent = 0;
    while (*a.try_send(large)) ++sent;
    EXPECT_GT(sent, 0);
    std::thread sender([&] { EXPECT_TRUE(a.send(large)); });
    for (int i = 0; i < sent + 1; ++i) EXPECT_EQ(b.receive()->bytes.size(), large.size());
    sender.join();
    EXPECT_EQ(b.try_receive().error().code(), ErrorCode::exhausted);
  }
}

TEST_F(ControlSocketTest, ReceiveWaitsOnANonBlockingDescriptorToo) {
  ASSERT_EQ(::fcntl(b.fd(), F_SETFL, O_NONBLOCK), 0);
  std::thread sender([&] { EXPECT_TRUE(a.send(bytes_of("late"))); });
  EXPECT_EQ(text_of(*b.receive()), "late");
  sender.join();
}

TEST_F(ControlSocketTest, PacketsOfSeveralThreadsDoNotMix) {
  constexpr int kThreads = 4, kPackets = 500;
  std::vector<std::thread> senders;
  for (int thread = 0; thread < kThreads; ++thread) {
    senders.emplace_back([&, thread] {
      for (int i = 0; i < kPackets; ++i) {
        const std::vector<std::byte> packet(static_cast<std::size_t>(1 + (i * 37) % 5000), std::byte(thread));
        EXPECT_TRUE(a.send(packet));
      }
    });
  }
  std::array<int, kThreads> next{};
  for (int i = 0; i < kThreads * kPackets; ++i) {
    const auto packet = b.receive().value();
    const auto thread = std::to_integer<std::size_t>(packet.bytes.front());
    ASSERT_LT(thread, next.size());
    EXPECT_EQ(packet.bytes,
              std::vector<std::byte>(static_cast<std::size_t>(1 + (next[thread]++ * 37) % 5000), std::byte(thread)));
  }
  for (auto& sender : senders) sender.join();
}

}  // namespace
}  // namespace manta::net
