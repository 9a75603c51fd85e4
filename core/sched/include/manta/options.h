// Options of init, tasks, placement groups and waits: plain structs for designated initialisers.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <string_view>

#include <manta/ids.h>

namespace manta {

/// Which node of a cluster a task or an actor goes to.
enum class Placement : std::uint8_t {
  /// The submitter's own while it has capacity, then others, the fullest first. Actors that ask for no CPUs and no
  /// other resources count as one CPU each: the submitter's node takes as many as it has CPUs, then each other node
  /// does, and more go where there are the fewest for each CPU.
  pack,
  spread,  ///< evenly over all
};

/// One of the bundles of a placement group (<manta/placement_group.h>). A value: pass it to tasks and actors freely.
struct Bundle {
  std::uint64_t group = 0;  ///< 0: none
  std::uint32_t index = 0;
  constexpr explicit operator bool() const { return group != 0; }
  friend constexpr auto operator<=>(const Bundle&, const Bundle&) = default;
};

/// An amount of a resource that the user names, for example {"license", 1}.
struct CustomResource {
  std::string_view name;
  double amount = 0;
};

/// On which nodes the bundles of a group go.
enum class GroupStrategy : std::uint8_t {
  pack,           ///< on as few nodes as possible
  spread,         ///< on as many as possible
  strict_pack,    ///< all on one
  strict_spread,  ///< each on one of its own
};

/// What one bundle reserves; fields as TaskOptions'.
struct BundleOptions {
  double num_cpus = 1;
  double num_gpus = 0;
  std::uint64_t memory_bytes = 0;
  std::array<CustomResource, 4> resources{};
};

/// A variable of a worker's environment, for example {"OMP_NUM_THREADS", "2"}.
struct EnvVariable {
  std::string_view name;
  std::string_view value;
};

/// How a task is placed and retried. Trivially destructible on purpose (it may stand in a co_await expression):
/// the string_views must outlive the call of options(...)(...), as literals do.
struct TaskOptions {
  double num_cpus = 1;             ///< steps of 0.0001; 0 is allowed: the task then needs no CPU to start
  double num_gpus = 0;             ///< below 1: a share of one GPU; above: whole GPUs only
  std::uint64_t memory_bytes = 0;  ///< booked, not enforced
  std::array<CustomResource, 4> resources{};
  int max_retries = 3;            ///< attempts after the first, counted only when the task had started; -1: for ever
  bool retry_exceptions = false;  ///< whether an exception of user code counts as a reason to retry
  /// How long one attempt may run, from when its worker begins it: what it waits for before (resources, arguments,
  /// other tasks of its worker) does not count, what it waits for itself does. When the time is over, it is cancelled
  /// as by manta::cancel, with what it has submitted: its std::stop_token says so and its waits end. If it runs for
  /// another second, its worker process is killed. The Ref fails with Error(deadline) when it has ended, whatever it
  /// returned. It is not tried again, whatever max_retries and retry_exceptions say; an attempt after a worker's death
  /// has the whole time anew. Kept to a few milliseconds; never cut short. Such a task does not run on the stack of the
  /// one that waits for it, so a recursion of them takes a process for each level. More than 0; max(): no limit, at no
  /// cost.
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  std::string_view name = {};  ///< its label in errors, printed lines and timelines, instead of the function's name
  /// Higher goes first, from -1000 to 1000, where tasks of any submitters compete for a node's resources: strictly, so
  /// those of low priority wait for as long as there is higher work that could use what they need. What runs is not
  /// interrupted; what has not started gives way.
  int priority = 0;
  Placement placement = Placement::pack;
  NodeId node = {};        ///< only there: one of Runtime::nodes()
  bool node_soft = false;  ///< elsewhere if that node is dead or can never run it
  Bundle bundle = {};      ///< out of what it has reserved, where that is; placement and node then stay unset
  /// In addition to what the program was started with: the task runs in a worker process that has exactly these, set
  /// before any user code of a task (a forked worker has loaded its libraries before; with MANTA_ZYGOTE=exec even those
  /// see them). Tasks that it submits do not inherit them. {{{"NAME", "value"}, ...}}; values up to 4096 bytes.
  std::array<EnvVariable, 8> env{};
  /// Of a generator: how many items it may be ahead of its reader; 0: any number. Fewer where items are large.
  std::uint32_t stream_buffer = 256;
};

/// How one call of an actor's method is made.
struct CallOptions {
  std::uint32_t stream_buffer = 256;  ///< as TaskOptions::stream_buffer, of a method that is a generator
  /// As TaskOptions::timeout, from when the method begins; but the actor lives on. A method that goes on for a second
  /// after it was asked to stop (it has no std::stop_token, and does not wait for anything of Manta's) is left to
  /// itself: the Ref fails with Error(deadline) then, what the method returns later is dropped, and calls behind it
  /// start when it ends. manta::kill ends a method that never does.
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
};

/// How an actor is placed, called and started again. Trivially destructible, like TaskOptions.
struct ActorOptions {
  double num_cpus = 0;             ///< held for its whole life; 0: an actor that does not compute much needs none
  double num_gpus = 0;             ///< below 1: a share of one GPU; above: whole GPUs only
  std::uint64_t memory_bytes = 0;  ///< booked, not enforced
  std::array<CustomResource, 4> resources{};
  int max_restarts = 0;      ///< how often its constructor runs again after its process died; -1: for ever
  int max_task_retries = 0;  ///< how often a call that had started then is repeated; -1: for ever
  /// Methods under way at a time. Above 1 each in a thread of its own, in no order; but where the class has methods
  /// that return manta::Task all in one thread. 0: 1, or where there are such methods kDefaultCoroutines.
  int max_concurrency = 0;
  static constexpr int kDefaultCoroutines = 1000;
  std::string_view name = {};  ///< find_actor<T>(name) finds it while it lives; its label in printed lines
  Placement placement = Placement::pack;
  NodeId node = {};                  ///< only there: one of Runtime::nodes()
  bool node_soft = false;            ///< elsewhere if that node is dead or can never run it
  Bundle bundle = {};                ///< as TaskOptions::bundle
  std::array<EnvVariable, 8> env{};  ///< of the actor's process, as TaskOptions::env
  int priority = 0;                  ///< of its creation, as TaskOptions::priority
  bool get_if_exists = false;        ///< where an actor has the name: that one, instead of an error
};

/// For init(): what this node offers, and where its files and links are.
struct InitOptions {
  double num_cpus = -1;  ///< what the node offers; -1: MANTA_NUM_CPUS, else as many as this process may use
  double num_gpus = -1;  ///< -1: MANTA_NUM_GPUS, else those that the machine has and CUDA_VISIBLE_DEVICES allows
  std::int64_t memory_bytes = -1;          ///< -1: 70 % of the machine's memory, for TaskOptions::memory_bytes
  std::int64_t store_capacity_bytes = -1;  ///< -1: 30 % of the machine's memory, taken only as it is used
  /// Where objects go while the store is full: files without a name, one for each process that has some. "none":
  /// nowhere, a full store refuses. Empty: MANTA_SPILL_DIR, else TMPDIR, else /var/tmp.
  std::string_view spill_directory = {};
  std::array<CustomResource, 8> resources{};
  int max_workers = -1;  ///< bound on worker processes of the node, blocked ones included; -1: one for each 16 MiB of
                         ///< memory (the container's, where it has less), at least 64, at most 4096
  /// How long a waiting thread polls before it sleeps. -1: MANTA_SPIN_US, else 50 us. 0: it sleeps at once.
  std::chrono::microseconds spin{-1};
  /// "HOST:PORT" at which other nodes may join, port 0: any. Empty: --manta-listen, MANTA_LISTEN, else nowhere. Needs
  /// the cluster's secret in the file that MANTA_SECRET_FILE names.
  std::string_view listen = {};
  /// Whether what tasks print, and processes that they start, appears here as "(function pid=123) line"; else workers
  /// have the stdout and stderr that their node was started with. MANTA_LOG_TO_DRIVER=0 says no for all programs.
  bool log_to_driver = true;
};

/// For wait(): how many results, and for how long.
struct WaitOptions {
  std::size_t count = 1;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
};

}  // namespace manta
