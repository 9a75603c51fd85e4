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

#include "core/net/send_queue.h"
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

  // Of a message that fits into one packet.
  bool try_send(std::span<const std::byte> bytes) {
    std::size_t sent = 0;
    return a.try_send(bytes, sent).value();
  }
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
  const std::vector<std::byte> large(ControlSocket::kMaxPartBytes, std::byte{42});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(try_send(large));
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
  struct stat original {
  }, received{};
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
  const std::vector<std::byte> large(ControlSocket::kMaxMessageBytes + 1);
  EXPECT_EQ(a.send(large).error().code(), ErrorCode::invalid_argument);
  const std::vector<int> many(ControlSocket::kMaxDescriptors + 1, a.fd());
  EXPECT_EQ(a.send(bytes_of("x"), many).error().code(), ErrorCode::invalid_argument);
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
  std::size_t sent = 0;
  EXPECT_EQ(b.try_send(bytes_of("x"), sent).error().code(), ErrorCode::unavailable);
}

TEST_F(ControlSocketTest, AFullPeerMakesTrySendSaySoAndSendWait) {
  for (const bool non_blocking : {false, true}) {
    ASSERT_EQ(::fcntl(a.fd(), F_SETFL, non_blocking ? O_NONBLOCK : 0), 0);
    const std::vector<std::byte> large(ControlSocket::kMaxPartBytes);
    int sent = 0;
    while (try_send(large)) ++sent;
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

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  return bytes;
}

TEST_F(ControlSocketTest, MessagesOfAnySizeArriveWholeAndInOrder) {
  const std::size_t part = ControlSocket::kMaxPartBytes;
  const std::vector<std::size_t> sizes = {1, part - 1, part, part + 1, 2 * part, 1'000'000, 70 << 20, 3};
  std::thread sender([&] {
    for (const std::size_t size : sizes) EXPECT_TRUE(a.send(pattern(size)));
  });
  for (const std::size_t size : sizes) EXPECT_TRUE(b.receive()->bytes == pattern(size)) << size;
  sender.join();
}

TEST_F(ControlSocketTest, DescriptorsComeWithTheWholeMessage) {
  Fd memory = create_shared_memory("sent", 4096).value();
  std::thread sender([&] { EXPECT_TRUE(a.send(pattern(1'000'000), std::array{memory.get()})); });
  const auto packet = b.receive();
  sender.join();
  EXPECT_EQ(packet->bytes.size(), 1'000'000U);
  EXPECT_EQ(packet->descriptors.size(), 1U);
}

TEST_F(ControlSocketTest, APeerThatDiesInTheMiddleOfAMessageIsUnavailable) {
  std::size_t sent = 0;
  EXPECT_FALSE(*a.try_send(pattern(20 << 20), sent));
  EXPECT_GT(sent, 0U);
  a = ControlSocket();
  EXPECT_EQ(b.receive().error().code(), ErrorCode::unavailable);
}

TEST_F(ControlSocketTest, AQueueKeepsWhatThePeerDoesNotTakeYet) {
  SendQueue queue(a);
  Fd memory = create_shared_memory("sent", 4096).value();
  std::size_t messages = 0;
  while (queue.empty()) {
    ASSERT_TRUE(queue.send(pattern(300'000 + messages)));
    ++messages;
  }
  ASSERT_TRUE(queue.send(pattern(5), std::array{memory.get()}));
  EXPECT_EQ(queue.bytes(), 300'000 + messages - 1 + 5);
  EXPECT_EQ(*queue.flush(), SendQueue::Wait::writable);
  EXPECT_EQ(queue.send({}).error().code(), ErrorCode::invalid_argument);
  for (std::size_t i = 0; i < messages;) {
    if (const auto packet = b.try_receive()) {
      EXPECT_TRUE(packet->bytes == pattern(300'000 + i++));
    }
    ASSERT_TRUE(queue.flush());
  }
  const auto last = b.receive();
  EXPECT_EQ(last->bytes.size(), 5U);
  EXPECT_EQ(last->descriptors.size(), 1U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0U);
  b = ControlSocket();
  EXPECT_EQ(queue.send(pattern(1)).error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace manta::net
