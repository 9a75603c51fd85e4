// A task that this process has submitted and runs itself (MANTA_LOCAL): the arguments are read from its entry, and the
// reply goes to the owner.
//
// Threading and ownership as IncomingTask. It keeps its worker and its entry.
#pragma once

#include <memory>
#include <vector>

#include "core/client/client.h"
#include "core/worker/incoming_task.h"
#include "core/worker/local_worker.h"

namespace manta::worker {

class LocalTask final : public IncomingTask {
 public:
  // entry: null: the worker's actor ends. With the owner's mutex.
  LocalTask(client::Client& client, std::shared_ptr<LocalWorker> worker, owner::Entry* entry)
      MANTA_REQUIRES(client::owner_mutex);
  ~LocalTask() override;
  LocalWorker& worker() { return *worker_; }

  void begin() override {}
  void read(client::TaskContext& context, client::TaskInput& input) override;
  std::uint32_t concurrency() const override;
  void not_constructed() override {}
  void reply(Ended& ended, std::vector<detail::WireRef> kept) override;
  void drop() override {}
  std::unique_ptr<IncomingTask> keep() override;

 private:
  LocalTask(LocalTask&& other) noexcept;
  owner::Outcome outcome_of(Ended& ended);

  client::Client& client_;
  std::shared_ptr<LocalWorker> worker_;
  owner::Entry* entry_ = nullptr;  // referred to
  bool suspended_ = false;         // its coroutine waits
};

}  // namespace manta::worker
