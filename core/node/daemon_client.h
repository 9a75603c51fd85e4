// What the daemon keeps for one driver or worker. Private to the room.
#pragma once

#include <deque>
#include <vector>

#include "core/node/daemon.h"

namespace manta::node {

struct Daemon::Client {
  explicit Client(boost::asio::io_context& io) : events(io), pause(io) {}
  ~Client() { events.release(); }  // the socket closes its descriptor

  struct Queued {
    std::vector<std::byte> bytes;
    std::vector<Fd> descriptors;
  };

  ClientId id;
  net::ControlSocket socket;
  boost::asio::posix::stream_descriptor events;  // readiness of the socket
  std::uint32_t slot = 0;
  Fd arena;              // for the client itself
  Fd arena_for_readers;  // for all others
  pid_t process = 0;     // 0: not greeted yet
  std::vector<sched::GpuShare> gpus;  // of a worker
  std::string env;                    // of a worker
  std::uint32_t zygotes = 0;          // how many there had been when it was asked for
  std::string start_error;  // of a worker that could not start
  bool greeted = false;
  bool closed = false;   // its socket ended; the process has yet to
  std::deque<Queued> backlog;
  std::size_t backlog_bytes = 0;
  boost::asio::steady_timer pause;  // before the backlog is tried again
};

}  // namespace manta::node
