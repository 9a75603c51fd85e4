// One process of this node, the driver or a worker, as the node process keeps it.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <manta/ids.h>

#include "core/net/control_socket.h"
#include "core/net/send_queue.h"
#include "core/sched/node_scheduler.h"

namespace manta::node {

struct Connection {
  explicit Connection(boost::asio::io_context& io) : queue(socket), events(io), pause(io), stuck(io) {}
  ~Connection() { events.release(); }  // the socket closes its descriptor

  ClientId id;
  bool driver = false;
  net::ControlSocket socket;
  net::SendQueue queue;
  boost::asio::posix::stream_descriptor events;  // readiness of the socket
  std::uint32_t slot = 0;
  Fd arena;                           // for the process itself
  Fd arena_for_readers;               // for all others
  pid_t process = 0;                  // 0: not greeted yet
  std::vector<sched::GpuShare> gpus;  // of a worker
  std::string env;                    // of a worker
  std::uint32_t zygotes = 0;          // how many there had been when it was asked for
  std::string start_error;            // of a worker that could not start
  bool greeted = false;
  bool closed = false;              // its socket ended; the process has yet to
  bool killed = false;              // by this process
  bool ended = false;               // its process, whose stack is being looked up
  boost::asio::steady_timer pause;  // before the queue is tried again
  boost::asio::steady_timer stuck;  // CONN-2
};

}  // namespace manta::node
