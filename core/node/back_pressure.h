// Which destinations have too much queued in this process (sockets of clients, links to nodes), and which sources wait
// for that (clients and links whose messages are not read meanwhile).
//
//   PRESSURE-1  a source that has queued something for a full destination is not read until some destination has space
//               again; then all that wait are read, and those that still send to a full one wait again
//   PRESSURE-2  nothing waits while no destination is full
//
// Threading: the loop's. Ownership: what waits is kept until it goes on.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <manta/ids.h>

namespace manta::node {

class BackPressure {
 public:
  static constexpr std::size_t kFullBytes = 32 << 20;
  static constexpr std::size_t kSpaceBytes = 8 << 20;

  explicit BackPressure(boost::asio::io_context& io) : io_(io) {}

  // So many bytes wait for the destination now: a client, or, as client_of(node, 0), a link. 0: also that it is gone.
  void queued(ClientId destination, std::size_t bytes) {
    const auto it = full_.find(destination);
    if (it == full_.end()) {
      if (bytes < kFullBytes) return;
      full_.emplace(destination, bytes);
      overfull_ = true;
      return;
    }
    if (bytes > it->second) overfull_ = true;
    it->second = bytes;
    if (bytes > kSpaceBytes) return;
    full_.erase(it);
    go_on();
  }

  // Whether something was queued for a full destination since the last call.
  bool take_overfull() { return std::exchange(overfull_, false); }
  // For the source of that: the loop calls go_on when the source may be read again.
  void wait(std::function<void()> until) {
    waiting_.push_back(std::move(until));
    if (full_.empty()) go_on();
  }

 private:
  void go_on() {
    for (auto& source : std::exchange(waiting_, {})) boost::asio::post(io_, std::move(source));
  }

  boost::asio::io_context& io_;
  std::map<ClientId, std::size_t> full_;
  std::vector<std::function<void()>> waiting_;
  bool overfull_ = false;
};

}  // namespace manta::node
