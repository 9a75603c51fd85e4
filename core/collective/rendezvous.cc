// How members find each other: rank 0 listens on a socket in the abstract namespace, whose name follows from the
// group's, and hands out the descriptor of the memory. Nothing of it is in the file system; the kernel takes it back
// with rank 0.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <manta/ids.h>

#include "core/collective/rendezvous.h"
#include "core/collective/transport.h"
#include "core/net/control_socket.h"

namespace manta::collective {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kMagic = 0x6d67'7232;    // "mgr2": the layout's version
constexpr std::chrono::milliseconds kSlice{10};  // between two calls of a Check

struct Hello {
  std::uint32_t magic = kMagic;
  std::int32_t rank = 0;
  std::int32_t size = 0;
};

Error failed(ErrorCode code, const std::string& what) { return Error(code, "collective group, rendezvous: " + what); }

Error failed_errno(const char* what) {
  return failed(ErrorCode::unavailable, std::string(what) + ": " + std::generic_category().message(errno));
}

std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 0;
  for (const char c : name) hash = detail::mix64(hash ^ static_cast<unsigned char>(c)) + 1;
  return hash;
}

struct Address {
  sockaddr_un place{};
  socklen_t bytes = 0;
};

Address address_of(const std::string& name) {
  Address address;
  address.place.sun_family = AF_UNIX;
  const std::string text =
      "manta-group-" + std::to_string(::geteuid()) + "-" + std::to_string(hash_of(name)) + "-" + name.substr(0, 40);
  std::memcpy(address.place.sun_path + 1, text.data(), text.size());  // the leading zero: abstract
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return address;
}

Fd new_socket(int flags) {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!fd) throw failed_errno("socket");
  return fd;
}

// The process at the other end runs as the same user as this one.
bool is_ours(int fd) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == ::geteuid();
}

// False: the deadline.
bool readable_by(int fd, Clock::time_point deadline, const Check& check) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd wanted{fd, POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(std::min(left, kSlice).count())) > 0) return true;
    if (const auto trouble = check()) throw *trouble;
  }
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// What is wrong with a member that wants to join; empty: nothing.
std::string objection(const std::vector<std::byte>& packet, int size, const std::vector<bool>& here, int& rank) {
  Hello hello;
  if (packet.size() != sizeof hello) return "its greeting is malformed";
  std::memcpy(&hello, packet.data(), sizeof hello);
  if (hello.magic != kMagic) return "it was built from another version of Manta";
  if (hello.size != size) {
    return "it says that the group has " + std::to_string(hello.size) + " members, and rank 0 says " +
           std::to_string(size);
  }
  if (hello.rank < 1 || hello.rank >= size) return "there is no rank " + std::to_string(hello.rank);
  if (here[static_cast<std::size_t>(hello.rank)]) return "rank " + std::to_string(hello.rank) + " is there already";
  rank = hello.rank;
  return {};
}

std::unique_ptr<SharedBlock> host(const Rendezvous& rendezvous, Clock::time_point deadline, const Check& check) {
  const Fd memory = SharedBlock::create(rendezvous.size);
  auto block = std::make_unique<SharedBlock>(memory.get(), rendezvous.size);
  if (rendezvous.size == 1) return block;
  const Address address = address_of(rendezvous.name);
  const Fd listener = new_socket(SOCK_NONBLOCK);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address.place), address.bytes) != 0) {
    if (errno != EADDRINUSE) throw failed_errno("bind");
    throw failed(ErrorCode::invalid_argument, "a group of the name " + rendezvous.name + " has its rank 0 already");
  }
  if (::listen(listener.get(), kMaxRanks) != 0) throw failed_errno("listen");
  std::vector<bool> here(static_cast<std::size_t>(rendezvous.size));
  here[0] = true;
  while (std::find(here.begin(), here.end(), false) != here.end()) {
    if (!readable_by(listener.get(), deadline, check)) {
      std::string missing;
      for (std::size_t rank = 0; rank < here.size(); ++rank) {
        if (!here[rank]) missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
      }
      throw failed(ErrorCode::deadline, "rank 0 waited " + std::to_string(rendezvous.timeout.count()) +
                                            " ms for rank " + missing + " of " + std::to_string(rendezvous.size));
    }
    Fd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer || !is_ours(peer.get())) continue;
    net::ControlSocket socket(std::move(peer));
    if (!readable_by(socket.fd(), std::min(deadline, Clock::now() + std::chrono::seconds(1)), check)) continue;
    const auto hello = socket.receive();
    if (!hello) continue;
    int rank = 0;
    const std::string no = objection(hello->bytes, rendezvous.size, here, rank);
    const int descriptors[] = {memory.get()};
    const auto sent = no.empty() ? socket.send(bytes_of("welcome"), descriptors) : socket.send(bytes_of(no));
    if (sent && no.empty()) here[static_cast<std::size_t>(rank)] = true;
  }
  return block;
}

std::unique_ptr<SharedBlock> visit(const Rendezvous& rendezvous, Clock::time_point deadline, const Check& check) {
  const Address address = address_of(rendezvous.name);
  net::ControlSocket socket(new_socket(0));
  // The kernel does not tell when the name comes into being.
  for (auto pause = std::chrono::microseconds(100);; pause = std::min(2 * pause, std::chrono::microseconds(10'000))) {
    if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address.place), address.bytes) == 0) break;
    if (errno != ECONNREFUSED && errno != EINTR && errno != EAGAIN) throw failed_errno("connect");
    if (Clock::now() >= deadline) {
      throw failed(ErrorCode::deadline, "rank " + std::to_string(rendezvous.rank) + " waited " +
                                            std::to_string(rendezvous.timeout.count()) + " ms for rank 0 of " +
                                            std::to_string(rendezvous.size));
    }
    if (const auto trouble = check()) throw *trouble;
    std::this_thread::sleep_for(pause);
  }
  if (!is_ours(socket.fd())) throw failed(ErrorCode::unavailable, "another user's process has taken the group's name");
  const Hello hello{kMagic, rendezvous.rank, rendezvous.size};
  const auto sent = socket.send(std::as_bytes(std::span(&hello, 1)));
  if (!sent) throw_error(sent.error().with_context("collective group, greeting rank 0"));
  if (!readable_by(socket.fd(), deadline, check)) throw failed(ErrorCode::deadline, "rank 0 did not answer");
  auto answer = socket.receive();
  if (!answer) throw_error(answer.error().with_context("collective group, waiting for rank 0"));
  if (answer->descriptors.empty()) {
    throw failed(ErrorCode::invalid_argument,
                 "rank 0 does not take rank " + std::to_string(rendezvous.rank) + ": " +
                     std::string(reinterpret_cast<const char*>(answer->bytes.data()), answer->bytes.size()));
  }
  return std::make_unique<SharedBlock>(answer->descriptors.front().get(), rendezvous.size);
}

}  // namespace

std::string new_name() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string name(32, '0');
  for (char& digit : name) digit = kDigits[random() % 16];
  return name;
}

std::unique_ptr<SharedBlock> meet_at(const Rendezvous& rendezvous, const Check& check) {
  if (rendezvous.size < 1 || rendezvous.size > kMaxRanks || rendezvous.rank < 0 || rendezvous.rank >= rendezvous.size) {
    throw failed(ErrorCode::invalid_argument, "rank " + std::to_string(rendezvous.rank) + " of " +
                                                  std::to_string(rendezvous.size) + "; a group has 1 to " +
                                                  std::to_string(kMaxRanks) + " members, ranks start at 0");
  }
  const auto deadline = Clock::now() + rendezvous.timeout;
  return rendezvous.rank == 0 ? host(rendezvous, deadline, check) : visit(rendezvous, deadline, check);
}

}  // namespace manta::collective
