// The worker processes of this node: how they start, what kills them, and which words describe their ends.
//
//   WORK-1  the end of a process is reported once, after all that it had sent was handled, with its exit status, signal
//           or start error, and the stack that it left
//   WORK-2  a worker that its zygote had not forked when that died is asked of the next one
//
// Threading: the loop's. Ownership: owns the spawner; connections, outputs and context must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/loop_thread.h"
#include "core/node/connections.h"
#include "core/node/crash_stacks.h"
#include "core/node/outputs.h"
#include "core/node/spawner.h"

namespace manta::node {

class WorkerEvents {
 public:
  virtual ~WorkerEvents() = default;
  virtual net::Welcome welcome() const = 0;
  virtual void ready(ClientId worker) = 0;
  // The process is gone; null: it never had a connection. The connection is removed after that.
  virtual void gone(ClientId worker, Connection* connection, const std::string& status) = 0;
};

class Workers {
 public:
  // outputs: null: workers print where this process does. gpu_names: as NodeConfig's.
  Workers(boost::asio::io_context& io, std::unique_ptr<Spawner> spawner, std::vector<std::string> gpu_names,
          Connections& connections, Outputs* outputs, WorkerEvents& events);

  void start(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env);
  // Its first message has arrived.
  void greeted(Connection& worker, pid_t process);
  void kill(ClientId worker);
  // The same, as memory runs short: status replaces what the process' end says.
  void end_for_memory(ClientId worker, const std::string& status);
  // Whether what such a worker used is not free yet.
  bool ending_for_memory() const { return !ended_for_memory_.empty(); }
  // The worker's socket has ended. Its exit status follows with SIGCHLD.
  void closed(Connection& worker);
  // Takes the status of all children that have ended.
  void reap();
  // From now on the ends of processes mean nothing.
  void stop() { stopping_ = true; }

 private:
  void process_ended(ClientId worker, int wait_status);
  void gone(ClientId worker, const std::string& how);
  void gone_later(ClientId worker, const std::string& how);
  bool start_again(Connection& worker);

  [[no_unique_address]] LoopThread loop_thread_;
  boost::asio::io_context& io_;
  std::unique_ptr<Spawner> spawner_;
  std::vector<std::string> gpu_names_;
  Connections& connections_;
  Outputs* outputs_;
  WorkerEvents& events_;
  CrashStacks crash_stacks_;
  std::map<pid_t, ClientId> by_process_;
  std::map<pid_t, std::string> ended_early_;          // processes that ended before their Hello was read
  std::map<ClientId, std::string> ended_for_memory_;  // and not gone yet; their status
  std::uint64_t memory_kills_;                        // by the kernel, that are accounted for
  bool stopping_ = false;
};

// "was killed by signal 9 (SIGKILL)", "exited with status 3".
std::string describe_exit(int wait_status);

}  // namespace manta::node
