// Keeps the offset to the head's clock in the page of a node that has joined, where its processes read it.
//
// Threading: the daemon's loop. Ownership: the page must outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/node/clock_offset.h"
#include "core/node/link_messages.h"

namespace manta::node {

class ClockSync {
 public:
  static constexpr std::chrono::seconds kEvery{5};  // clocks drift by less than 1 ms in that time
  static constexpr int kAtFirst = 8;                // questions one after the other

  ClockSync(boost::asio::io_context& io, std::atomic<std::int64_t>& offset_ns,
            std::function<void(const link::AskClock&)> ask)
      : timer_(io), offset_ns_(offset_ns), ask_(std::move(ask)) {}

  void begin() { ask(); }
  void answered(const link::ClockIs& answer);

 private:
  void ask();

  boost::asio::steady_timer timer_;
  std::atomic<std::int64_t>& offset_ns_;
  std::function<void(const link::AskClock&)> ask_;
  ClockOffset offset_;
  std::int64_t asked_ns_ = 0;
  int answers_ = 0;
};

// Of this host.
std::int64_t clock_ns();

}  // namespace manta::node
