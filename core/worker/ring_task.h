// A task in a record of a ring: its arguments and its result are in the record, in blocks of an arena, or stored.
//
// Threading and ownership as IncomingTask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/client/client.h"
#include "core/net/task_ring.h"
#include "core/worker/arguments.h"
#include "core/worker/incoming_rings.h"
#include "core/worker/incoming_task.h"

namespace manta::worker {

class RingTask final : public IncomingTask {
 public:
  // record: claimed.
  RingTask(client::Client& client, const Arguments& arguments, IncomingRings& rings, IncomingRing& ring,
           net::Record& record)
      : IncomingTask({kind_of(record), record.task, record.attempt, ring.submitter,
                      ring.memory->task_cpus.load(std::memory_order_relaxed)}),
        client_(client),
        arguments_(arguments),
        rings_(rings),
        ring_(&ring),
        record_(&record) {}

  void begin() override {}  // the record's state says so
  void read(client::TaskContext& context, client::TaskInput& input) override;
  std::uint32_t concurrency() const override;
  void not_constructed() override;
  void reply(Ended& ended, std::vector<detail::WireRef> kept) override;
  void drop() override;
  std::unique_ptr<IncomingTask> keep() override { return std::unique_ptr<IncomingTask>(new RingTask(*this)); }

 private:
  RingTask(const RingTask&) = default;
  static net::TaskKind kind_of(const net::Record& record) {
    if ((record.flags & net::Record::kEnd) != 0) return net::TaskKind::end;
    if ((record.flags & net::Record::kMethod) != 0) return net::TaskKind::method;
    return (record.flags & net::Record::kConstruct) != 0 ? net::TaskKind::construct : net::TaskKind::task;
  }
  void write_value(const serial::Writer& result);
  void write_parts(client::ReplyParts parts);
  void write_error(const Error& error, client::ReplyParts parts);
  bool write_block(std::size_t size, const std::function<void(std::byte*)>& fill);

  client::Client& client_;
  const Arguments& arguments_;
  IncomingRings& rings_;
  IncomingRing* ring_;
  net::Record* record_;
  std::optional<std::uint64_t> block_;  // of its result
};

}  // namespace manta::worker
