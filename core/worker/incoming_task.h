// A task, call or constructor that a submitter has given to this worker, and the way of its reply. Back ends: a record
// of a ring in shared memory (ring_task.h), a message from another node (message_task.h).
//
// Threading: the thread that runs the task; a call whose coroutine waits belongs to the main thread. Ownership: what
// the task refers to (its ring, the worker's connection) must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <manta/error.h>
#include <manta/serial/writer.h>

#include "core/client/task_context.h"
#include "core/client/task_runner.h"
#include "core/net/messages.h"

namespace manta::worker {

// How the function of a task ended, with what makes up the reply.
struct Ended : client::Ended {
  std::optional<std::uint64_t> items;  // of a generator that had begun: how many it made
};

class IncomingTask {
 public:
  struct Head {
    net::TaskKind kind = net::TaskKind::task;
    TaskId id;
    std::uint16_t attempt = 0;
    ClientId submitter;
    std::uint32_t cpus = 0;  // ten-thousandths, of its lease
  };

  explicit IncomingTask(const Head& head) : head_(head) {}
  virtual ~IncomingTask() = default;
  const Head& head() const { return head_; }

  // The worker turns to the task.
  virtual void begin() = 0;
  // Fills the arguments in; they may lie in memory of the task. Throws Error.
  virtual void read(client::TaskContext& context, client::TaskInput& input) = 0;
  // Of the actor that a constructor makes.
  virtual std::uint32_t concurrency() const = 0;
  // No actor was made: calls are not to come several at a time.
  virtual void not_constructed() = 0;
  // kept: references from the arguments that this process still holds. The submitter may take the reply at once.
  virtual void reply(Ended& ended, std::vector<detail::WireRef> kept) = 0;
  // There is nothing to reply: the worker ends.
  virtual void drop() = 0;
  // The same task in memory of its own, for a call whose coroutine waits. This one is not used any more.
  virtual std::unique_ptr<IncomingTask> keep() = 0;

 protected:
  IncomingTask(const IncomingTask&) = default;

 private:
  Head head_;
};

}  // namespace manta::worker
