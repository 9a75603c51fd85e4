// Starts worker processes: by asking the zygote to fork, or by executing the program again.
//
// The zygote is forked from the node process before it has threads or state, and forks each worker twice, so that the
// worker becomes a child of the node process (a subreaper): the zygote's death ends no worker, and the node learns
// every exit status itself.
//
//   SPAWN-1  a worker dies with the node process (parent-death signal), in either SpawnMode
//   SPAWN-2  no child holds a descriptor of ours but its own control socket
//
// Threading: the daemon's loop. Ownership: owns the zygote; the destructor kills it.
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <manta/error.h>

#include "core/base/fd.h"
#include "core/net/control_socket.h"

namespace manta::node {

// What a new worker needs to know before its control socket speaks.
struct WorkerStart {
  std::string cuda_visible_devices;  // empty: none
  std::int64_t node_process = 0;     // its parent-to-be
  std::string env;                   // further variables: "NAME=value", each with a NUL behind it
};

// Runs the worker in this process with its control socket; never returns.
using WorkerMain = std::function<void(Fd control)>;

enum class SpawnMode : std::uint8_t { fork, exec };

class Spawner {
 public:
  // keep: descriptors that the program had open before init; workers keep them.
  Spawner(SpawnMode mode, WorkerMain worker_main, std::vector<int> keep);
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  // Forks the zygote (fork mode). Call before this process opens anything.
  [[nodiscard]] Result<void> start();
  // The control socket's other end goes to the worker, which announces itself by Hello. output: its stdout and stderr;
  // empty: those of this process. The worker's pid, 0 where only the Hello will tell.
  [[nodiscard]] Result<pid_t> spawn(const WorkerStart& start, const net::ControlSocket& control,
                                    const std::array<Fd, 2>& output);
  // A child of this process ended; true: it was a zygote. If the present one, there is a new one now.
  bool child_ended(pid_t pid);
  // How many zygotes there have been. One that is dead is replaced first, also before SIGCHLD tells: what was asked of
  // it and has not come is lost with it, which is not the fault of those workers.
  std::uint32_t zygotes();

 private:
  void replace_if_dead();

  SpawnMode mode_;
  WorkerMain worker_main_;
  std::vector<int> keep_;
  pid_t zygote_ = 0;          // 0: none
  std::set<pid_t> replaced_;  // before they were reaped
  std::uint32_t zygotes_ = 0;
  net::ControlSocket to_zygote_;
};

// Names of the roles that an executed program finds in its environment: MANTA_ROLE=node:3 or worker:3 (descriptor).
inline constexpr const char* kRoleVariable = "MANTA_ROLE";

// Executes this program again with a role and one descriptor (which the child finds under a number that is in none of
// `keep`), default signal handling and its own process group. worker: of a worker, null: as it is here. output: its
// stdout and stderr; empty: those of this process.
[[nodiscard]] Result<pid_t> execute_again(const std::string& role, int descriptor, const std::vector<int>& keep,
                                          const WorkerStart* worker, const std::array<Fd, 2>& output);

// Descriptors open in this process, for `keep`.
std::vector<int> open_descriptors();
// Called first in every forked child: default signal handlers, own process group, /dev/null as standard input. Closes
// what is neither standard nor in the lists (keep is sorted). With a parent: death with it, at once if it is gone.
void enter_child_process(pid_t parent, const std::vector<int>& keep, int also_keep, const char* name);

}  // namespace manta::node
