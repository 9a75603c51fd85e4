// A task that a submitter on another node has sent as a message.
//
// Threading and ownership as IncomingTask.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/client/client.h"
#include "core/net/messages.h"
#include "core/worker/arguments.h"
#include "core/worker/incoming_task.h"

namespace manta::worker {

class MessageTask final : public IncomingTask {
 public:
  MessageTask(client::Client& client, const Arguments& arguments, ClientId submitter, net::RunTask task);

  void begin() override;
  void read(client::TaskContext& context, client::TaskInput& input) override;
  std::uint32_t concurrency() const override { return task_.concurrency; }
  void not_constructed() override {}
  void reply(Ended& ended, std::vector<detail::WireRef> kept) override;
  void drop() override {}
  std::unique_ptr<IncomingTask> keep() override {
    return std::unique_ptr<IncomingTask>(new MessageTask(std::move(*this)));
  }

 private:
  MessageTask(MessageTask&&) = default;

  client::Client& client_;
  const Arguments& arguments_;
  net::RunTask task_;
};

}  // namespace manta::worker
