// Starting and ending Manta in a program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <manta/detail/compiler.h>
#include <manta/ids.h>
#include <manta/options.h>

namespace manta {

/// A node of the cluster, and what it offers.
struct NodeInfo {
  NodeId id;
  std::string host;
  double num_cpus = 0;
  double num_gpus = 0;
};

/// A running Manta; when it ends, so do the node process and the workers, and tasks that have not finished are dropped.
///
/// **Threading**: create and destroy it in main; everything else works from any thread meanwhile. **Ownership**:
/// movable, owns the processes that init started. Refs may outlive it: they then have what was resolved, and errors for
/// the rest.
class Runtime {
 public:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);  // init calls it
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  /// CPUs and GPUs that the node offers.
  double num_cpus() const;
  double num_gpus() const;
  /// The nodes that are alive, this one first. Any thread.
  std::vector<NodeInfo> nodes() const;
  /// Where other nodes can join: "127.0.0.1:41234". Empty: nowhere.
  std::string address() const;
  /// Ends it now; the destructor then does nothing.
  void shutdown();

 private:
  std::unique_ptr<Impl> impl_;
};

/// As Runtime::nodes(), for code that does not hold the Runtime. Any thread of the driver or a worker. Throws
/// Error(unavailable) where Manta does not run.
std::vector<NodeInfo> cluster_nodes();

/// Call it in the first line of main, before threads exist and before CUDA is used: the node process and the workers
/// are forked here and start from this state (with MANTA_ZYGOTE=exec, or where threads exist already, they are the
/// program executed again, in which init does not return).
///
/// An option that is not given comes from a flag (--manta-num-cpus=N), else from the environment (MANTA_NUM_CPUS).
/// Given --manta-help, init prints all such settings and exits with status 0 before it starts anything.
///
/// Where more than MANTA_MEMORY_THRESHOLD (0.95; 0: never) of the machine's or container's memory is in use, or of
/// MANTA_MEMORY_LIMIT bytes by the workers and the store, one worker after the other is ended: idle ones first, then
/// those of tasks, then actors, the biggest first. Tasks and actors go on as after any death of their process.
///
/// **Errors**: throws Error: invalid_argument (an invalid amount, a second runtime in the process),
/// unavailable or exhausted where processes or memory cannot be had. Where the program does not catch it, the message
/// is printed and the program exits with status 2.
///
/// fork() and daemon() after init: the runtime stays with the parent. In the child, everything that needs it throws
/// Error(unavailable); the parent does not notice what the child does, or how it ends.
///
///     int main(int argc, char** argv) {
///       auto runtime = manta::init(argc, argv);
///       ...
///     }
MANTA_LAYOUT_BEGIN
[[nodiscard]] Runtime init(int argc, char** argv, const InitOptions& options = {});
MANTA_LAYOUT_END

}  // namespace manta
