// Deaths of clients, on their way to the clients that live: at once, but where many die one after the other together.
// Thousands of processes that end at a time would else get a message for each of thousands of deaths. The more
// clients a notice goes to, the longer the pause before the next one.
//
// Threading: one loop. Ownership: refers to the loop and to what `send` refers to.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/net/messages.h"

namespace manta::node {

class DeathNotices {
 public:
  // Sends it to all that live; the number of them.
  using Send = std::function<std::size_t(const net::ClientsDied&)>;
  DeathNotices(boost::asio::io_context& io, Send send) : timer_(io), send_(std::move(send)) {}

  void add(ClientId client, const std::string& status) {
    pending_.clients.push_back({client, status});
    if (waits_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - sent_ >= between_) return flush();
    waits_ = true;
    timer_.expires_at(sent_ + between_);
    timer_.async_wait([this](boost::system::error_code error) {
      waits_ = false;
      if (!error) flush();
    });
  }
  // Now; before anything that must come after the deaths.
  void flush() {
    if (pending_.clients.empty()) return;
    sent_ = std::chrono::steady_clock::now();
    while (!pending_.clients.empty()) {
      net::ClientsDied part;
      const auto count = static_cast<std::ptrdiff_t>(std::min(kMost, pending_.clients.size()));
      part.clients.assign(pending_.clients.begin(), pending_.clients.begin() + count);
      pending_.clients.erase(pending_.clients.begin(), pending_.clients.begin() + count);
      between_ = std::max<std::chrono::microseconds>(kBetween, static_cast<int>(send_(part)) * kForEach);
    }
  }

 private:
  static constexpr std::chrono::milliseconds kBetween{20};
  static constexpr std::chrono::microseconds kForEach{50};  // of the clients that a notice goes to
  static constexpr std::size_t kMost = 1'000;               // in a message

  boost::asio::steady_timer timer_;
  Send send_;
  std::chrono::steady_clock::time_point sent_;
  std::chrono::microseconds between_ = kBetween;
  net::ClientsDied pending_;
  bool waits_ = false;
};

}  // namespace manta::node
