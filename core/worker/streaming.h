// The producing end of streams: items of generators that run in this process, on their way to their readers.
//
// An item goes out at once if none has for kBatchAfter; those that come faster go together, at the latest kBatchAfter
// later, by a thread of their own if the generator is still busy with the next.
//
//   OUT-1  items of one execution leave in order, and before its record says done
//   OUT-2  a generator is not resumed while it is `buffer` items ahead of what its reader has taken; meanwhile its CPUs
//          are released (client::Waiting)
//   OUT-3  where the reader is gone or wants no more, a waiting generator is woken, and put() says so
//
// Threading: OutgoingStreams any thread; an OutgoingStream the generator's thread. Ownership: the executor's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <manta/detail/stream_api.h>
#include <manta/ids.h>

#include "core/base/mutex.h"
#include "core/net/messages.h"

namespace manta::client {
class Client;
}

namespace manta::worker {

class OutgoingStreams {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kBatchAfter{100};
  static constexpr std::size_t kBatchBytes = 48 * 1024;

  // One that is being made.
  struct Stream {
    Stream(ClientId reader, const TaskId& task, std::uint16_t attempt, std::uint32_t buffer);

    const ClientId reader;
    const TaskId task;
    std::atomic<std::uint64_t> limit;  // items at or beyond it may not be made; ~0: none
    std::atomic<bool> stopped{false};
    Mutex mutex;
    owner::StreamItems batch MANTA_GUARDED_BY(mutex);  // not sent
    std::uint64_t made = 0;  // written with the mutex held, by the thread that makes them: it reads without
    Clock::time_point sent_at MANTA_GUARDED_BY(mutex);
  };

  std::shared_ptr<Stream> open(ClientId reader, const TaskId& task, std::uint16_t attempt, std::uint32_t buffer);
  void close(Stream& stream);
  // What the reader of a stream sends. False: the packet is for something else.
  bool receive(ClientId reader, const net::PeerPacket& packet);
  void reader_died(ClientId reader);

  // No stream is being made any more: its thread ends. (A worker ends by _exit, without this.)
  void end();

  // Sends the batch.
  static void send(client::Client& client, Stream& stream) MANTA_REQUIRES(stream.mutex);
  // Something is in a batch: it is sent soon.
  void send_soon(client::Client& client);

 private:
  void send_late(client::Client& client);
  std::shared_ptr<Stream> find(ClientId reader, const TaskId& task);

  Mutex mutex_;
  std::map<std::pair<ClientId, TaskId>, std::shared_ptr<Stream>> streams_ MANTA_GUARDED_BY(mutex_);
  std::atomic<bool> armed_{false};
  bool ended_ MANTA_GUARDED_BY(mutex_) = false;
  CondVar wake_;
  std::thread thread_;
};

// One execution of a task: does nothing unless that is a generator.
class OutgoingStream final : public detail::ItemSink {
 public:
  OutgoingStream(OutgoingStreams& all, client::Client& client, ClientId reader, const TaskId& task,
                 std::uint16_t attempt)
      : all_(all), client_(client), reader_(reader), task_(task), attempt_(attempt) {}

  void begin(std::uint32_t buffer) override;
  bool put(const serial::Writer& item) override;
  void end() override;

  bool begun() const { return stream_ != nullptr; }
  std::uint64_t items() const { return stream_->made; }

 private:
  void put_object(const serial::Writer& item);

  OutgoingStreams& all_;
  client::Client& client_;
  const ClientId reader_;
  const TaskId task_;
  const std::uint16_t attempt_;
  std::shared_ptr<OutgoingStreams::Stream> stream_;
};

}  // namespace manta::worker
