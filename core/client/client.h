// A process' edge of its Owner, to the node and to the program. The parts, each with a header of its own:
//
//   NodeConnection  messages to and from the node
//   Links           the workers that run its tasks, and their results
//   Waiting         threads that wait for results; Background: ticks, and results while no thread waits
//   Watchers        what waits for which entry: threads, loops of the program, coroutines
//   Values          reading values, wherever they lie; References: references in them, and their end
//   OwnStore        its own part of the store; spilling
//   Submitting      tasks, calls, actors, puts of the program
//   ActorAccess     actors by handle, name and id; Groups: placement groups; StreamReader: items of generators
//   TaskRunner      the call of a task's function; InlineTasks: in the thread that waits for it
//   Stopping        stopping tasks, here and elsewhere; Stalls: why something waits
//
// Parts know each other only by the interfaces in their headers. Client::Wiring implements those, Client::Edge the
// owner's effects, Client::Receiver hands over what the node and other processes send (wiring.h). What differs between
// drivers and workers is a ProcessRole.
//
// Threading: parts say. The client has two threads: one reads the node's messages, one is Background's. Ownership: owns
// its parts; it outlives its runtime if Refs do (see Retired).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/client/actor_access.h"
#include "core/client/background.h"
#include "core/client/groups.h"
#include "core/client/inline_tasks.h"
#include "core/client/links.h"
#include "core/client/node_connection.h"
#include "core/client/own_store.h"
#include "core/client/process_role.h"
#include "core/client/process_state.h"
#include "core/client/references.h"
#include "core/client/stalls.h"
#include "core/client/stopping.h"
#include "core/client/stream_reader.h"
#include "core/client/submitting.h"
#include "core/client/task_runner.h"
#include "core/client/values.h"
#include "core/client/waiting.h"
#include "core/client/watchers.h"
#include "core/observe/log_lines.h"

namespace manta::client {

class LocalRunner;

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  // The process' client; null before init and after the runtime's end.
  static Client* current() { return current_.load(std::memory_order_acquire); }
  // As current, but throws Error(unavailable) that says to call manta::init.
  static Client& require();
  // In a forked child: the client is the parent's. False: there is none.
  static bool disown() { return current_.exchange(nullptr) != nullptr; }

  // Reads the node's first message (blocking), then starts. The role must outlive stop(). Throws Error.
  static std::unique_ptr<Client> connect(net::ControlSocket node, ProcessRole& role);
  ~Client();
  // Ends the connection (shut_down_node: asks the node to end everything). Whatever is not resolved fails.
  void stop(bool shut_down_node);
  void report_unread_failures();
  // What is open, as text: for a program that hangs.
  std::string describe() { return client::describe(state_); }

  ClientId self() const { return self_of(state_); }
  std::uint64_t instance() const { return instance_; }  // of the clients that this process has had, from 1
  const net::Welcome& welcome() const { return state_.welcome; }
  net::NodePage& page() { return state_.page; }
  net::ClientSlot& slot() { return state_.slot; }
  // Those that are alive.
  std::vector<net::NodeOfCluster> nodes();
  ToNode& node() { return *connection_; }
  // Subscribed to in ProcessRole::begin, if at all.
  observe::Events& events() { return state_.events; }
  // Blocks until what was sent is sent, the node is gone, or the time is over.
  void flush(Clock::time_point deadline) { connection_->flush(deadline); }

  Submitting& submitting() { return submitting_; }
  ActorAccess& actors() { return actors_; }
  Groups& groups() { return groups_; }
  References& references() { return references_; }
  Waiting& waiting() { return waiting_; }
  Watchers& watchers() { return watchers_; }
  StreamReader& streams() { return streams_; }
  Stalls& stalls() { return stalls_; }
  Values& values() { return values_; }
  OwnStore& store() { return store_; }
  Stopping& stopping() { return stopping_; }
  TaskRunner& runner() { return runner_; }
  // In ProcessRole::begin: this process runs what it submits itself (local_runner.h). Null: not any more.
  void run_locally(LocalRunner* runner) { state_.local = runner; }
  ProcessState& state() { return state_; }

 private:
  struct Wiring;
  struct Edge;
  struct Receiver;

  Client(std::unique_ptr<NodeConnection> connection, NodeConnection::Opened opened, ProcessRole& role);
  void start();

  static std::atomic<Client*> current_;
  static std::atomic<std::uint64_t> instances_;

  const std::uint64_t instance_ = ++instances_;
  observe::LogLines log_lines_;
  const std::unique_ptr<NodeConnection> connection_;  // destroyed last: all parts use the page
  ProcessState state_;
  ProcessRole& role_;
  std::unique_ptr<Wiring> wiring_;
  std::unique_ptr<Edge> edge_;
  std::unique_ptr<Receiver> receiver_;
  Links links_;
  Watchers watchers_;
  Waiting waiting_;
  StreamReader streams_;
  References references_;
  Stalls stalls_;
  Values values_;
  OwnStore store_;
  ActorAccess actors_;
  Groups groups_;
  Submitting submitting_;
  Stopping stopping_;
  TaskRunner runner_;
  InlineTasks inline_tasks_;
  Background background_;
};

}  // namespace manta::client
