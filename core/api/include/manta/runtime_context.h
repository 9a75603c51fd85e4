// Where the calling code runs: which job, node, process, task, actor, and with what.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <manta/ids.h>

namespace manta {

/// Views in it live as long as the process.
struct RuntimeContext {
  ClientId job;                       ///< of the driver; the same in all processes of a run
  NodeId node;                        ///< one of Runtime::nodes()
  ClientId worker;                    ///< this process; in the driver: equal to job
  std::int64_t process = 0;           ///< its pid
  bool driver = false;                ///< whether it is the driver
  TaskId task;                        ///< none outside of tasks
  std::string_view task_name;         ///< the function, method or class whose constructor runs; empty outside of tasks
  std::uint32_t attempt = 0;          ///< of the task, from 1; 0 outside of tasks
  ObjectId actor;                     ///< that this process hosts; none
  bool actor_restarted = false;       ///< whether it had a process before this one
  double num_cpus = 0;                ///< of the task or actor; 0 outside of tasks
  std::span<const std::string> gpus;  ///< as CUDA_VISIBLE_DEVICES names those of this worker; in the driver: none
};

/// Any thread of a driver or worker; the task is that of the calling thread (also with max_concurrency), none in a
/// thread that user code started. Costs less than 100 ns, and no message. Throws Error(unavailable) without a runtime.
///
///     if (manta::runtime_context().attempt > 1) resume_from_checkpoint();
RuntimeContext runtime_context();

}  // namespace manta
