// Pipes that this node's workers have as stdout and stderr, read here and sent to the job's driver line by line.
//
//   OUT-1  what a worker, or a process that it started, had written when it ended (by kill -9 too) is sent: its pipes
//          are read to their end, which comes when the last process that has them is gone
//   OUT-2  at most kWindowBytes are under way to the driver, which says what it has printed; then no pipe is read, and
//          a process that writes into a full one waits. Nothing is dropped, and no memory grows
//   OUT-3  what was in the pipes when drain() was called has been sent when it calls back
//
// Threading: the daemon's loop. Ownership: owns the read ends; the edge's functions must work as long as it lives.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <manta/ids.h>

#include "core/base/fd.h"
#include "core/base/loop_thread.h"
#include "core/net/messages.h"
#include "core/node/output_splitter.h"

namespace manta::node {

// The last line of a text that is not blank, at most 300 characters; of "terminate called ..." and the "what():" below
// it both.
std::string last_line_of(const std::string& text);

class Outputs {
 public:
  static constexpr std::uint64_t kWindowBytes = 1 << 20;

  struct Edge {
    std::function<void(net::OutputText)> send;
    std::function<std::uint64_t(ClientId)> function_of;  // what the worker runs now, by its slot
    std::function<void(ClientId)> was_read;              // for its slot: it prints
  };

  Outputs(boost::asio::io_context& io, std::string host, Edge edge);
  ~Outputs();

  // For a worker that is about to be started: its stdout and stderr. Empty where there are no pipes; it then writes
  // where this process does.
  std::array<Fd, 2> open(ClientId worker);
  void started(ClientId worker, pid_t process);
  // The last line that the worker has written to stderr, read or not; what a C++ program says as it ends by an
  // exception takes two. For a worker that has ended.
  std::string last_error_line(ClientId worker) const;
  // Its slot says nothing any more.
  void worker_gone(ClientId worker);
  // The driver has printed so much.
  void taken(std::uint64_t bytes);
  void drain(std::function<void()> done);

 private:
  struct Stream;
  struct Drain {
    std::size_t streams = 0;  // that have not got so far
    std::function<void()> done;
  };

  void watch(Stream& stream);
  void read(Stream& stream);
  void send(Stream& stream, std::vector<OutputSplitter::Block>& blocks);
  void close(Stream& stream);
  void settle_drains(Stream& stream, bool ended);

  [[no_unique_address]] LoopThread loop_thread_;
  boost::asio::io_context& io_;
  std::string host_;
  Edge edge_;
  std::list<std::unique_ptr<Stream>> streams_;
  std::map<ClientId, std::string> error_tails_;  // of workers whose stderr is closed, until worker_gone()
  std::vector<char> buffer_;
  std::uint64_t under_way_ = 0;
};

}  // namespace manta::node
