#include "core/worker/streaming.h"

#include <algorithm>

#include <manta/serial/writer.h>

#include "core/client/client.h"
#include "core/client/task_runner.h"
#include "core/owner/stream_items.h"

namespace manta::worker {

using client::Client;

namespace {

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
constexpr std::size_t kSmallItemBytes = 16 * 1024;  // larger ones are objects of their own

}  // namespace

OutgoingStreams::Stream::Stream(ClientId its_reader, const TaskId& its_task, std::uint16_t attempt,
                                std::uint32_t buffer)
    : reader(its_reader), task(its_task), limit(buffer == 0 ? kNoLimit : buffer) {
  batch.stream = task;
  batch.attempt = attempt;
}

// --- all that are being made here

std::shared_ptr<OutgoingStreams::Stream> OutgoingStreams::open(ClientId reader, const TaskId& task,
                                                               std::uint16_t attempt, std::uint32_t buffer) {
  auto stream = std::make_shared<Stream>(reader, task, attempt, buffer);
  const MutexLock guard(mutex_);
  streams_[{reader, task}] = stream;
  return stream;
}

void OutgoingStreams::close(Stream& stream) {
  const MutexLock guard(mutex_);
  streams_.erase({stream.reader, stream.task});
}

std::shared_ptr<OutgoingStreams::Stream> OutgoingStreams::find(ClientId reader, const TaskId& task) {
  const MutexLock guard(mutex_);
  const auto it = streams_.find({reader, task});
  return it == streams_.end() ? nullptr : it->second;
}

bool OutgoingStreams::receive(ClientId reader, const net::PeerPacket& packet) {
  if (const auto* credit = std::get_if<owner::StreamCredit>(&packet)) {
    const auto stream = find(reader, credit->stream);
    if (stream != nullptr && credit->limit > stream->limit.load(std::memory_order_relaxed))
      stream->limit.store(credit->limit, std::memory_order_release);
    return true;
  }
  const auto* stop = std::get_if<owner::StreamStop>(&packet);
  if (stop == nullptr) return false;
  if (const auto stream = find(reader, stop->stream)) stream->stopped.store(true, std::memory_order_release);
  return true;
}

void OutgoingStreams::reader_died(ClientId reader) {
  const MutexLock guard(mutex_);
  for (const auto& [key, stream] : streams_) {
    if (key.first == reader) stream->stopped.store(true, std::memory_order_release);
  }
}

void OutgoingStreams::send(Client& client, Stream& stream) {
  owner::StreamItems& batch = stream.batch;
  if (batch.small.empty() && batch.objects.empty()) return;
  owner::StreamItems next{batch.stream, batch.attempt, stream.made, {}, {}};
  next.small.reserve(std::min(batch.small.size(), kBatchBytes));
  client.node().send_to_peer(stream.reader, std::exchange(batch, std::move(next)));
  stream.sent_at = Clock::now();
}

void OutgoingStreams::send_soon(Client& client) {
  if (armed_.exchange(true)) return;
  const MutexLock guard(mutex_);
  if (!thread_.joinable() && !ended_) thread_ = std::thread([this, &client] { send_late(client); });
  wake_.notify_one();
}

void OutgoingStreams::end() {
  {
    const MutexLock guard(mutex_);
    ended_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

// The thread that sends what no later item has sent.
void OutgoingStreams::send_late(Client& client) {
  MutexLock lock(mutex_);
  for (;;) {
    while (!armed_ && !ended_) wake_.wait(mutex_);
    if (ended_) return;
    armed_ = false;  // what comes into a batch from now on arms it again
    lock.unlock();
    std::this_thread::sleep_for(kBatchAfter);
    lock.lock();
    std::vector<std::shared_ptr<Stream>> streams;
    for (const auto& [key, stream] : streams_) streams.push_back(stream);
    lock.unlock();
    for (const auto& stream : streams) {
      const MutexLock guard(stream->mutex);
      send(client, *stream);
    }
    lock.lock();
  }
}

// --- one execution

void OutgoingStream::begin(std::uint32_t buffer) { stream_ = all_.open(reader_, task_, attempt_, buffer); }

bool OutgoingStream::put(const serial::Writer& item) {
  OutgoingStreams::Stream& stream = *stream_;
  if (stream.stopped.load(std::memory_order_acquire)) return false;
  const client::TaskContext* task = client::current_task();
  if (task != nullptr && task->stopped()) throw Error(ErrorCode::cancelled, "the generator has been cancelled");
  client_.node().wait_for_space();
  const std::size_t size = item.encoded_size();
  if (size > kSmallItemBytes || !item.refs().empty()) {
    put_object(item);
  } else {
    const MutexLock guard(stream.mutex);
    item.encode_into(owner::append_item(stream.batch.small, size, item.framed()).data());
    ++stream.made;
    if (stream.batch.small.size() >= OutgoingStreams::kBatchBytes ||
        OutgoingStreams::Clock::now() - stream.sent_at >= OutgoingStreams::kBatchAfter) {
      OutgoingStreams::send(client_, stream);
    } else {
      all_.send_soon(client_);
    }
  }
  const auto may_go_on = [&] {
    return stream.made < stream.limit.load(std::memory_order_acquire) || stream.stopped.load(std::memory_order_acquire);
  };
  if (!may_go_on()) {
    {
      const MutexLock guard(stream.mutex);
      OutgoingStreams::send(client_, stream);
    }
    client_.waiting().wait_for(may_go_on, detail::Deadline::max());  // OUT-2
  }
  return !stream.stopped.load(std::memory_order_acquire);
}

void OutgoingStream::put_object(const serial::Writer& item) {
  owner::StreamItems::Object object{client_.store().make_value(item, client::kStoredFromBytes), {}};
  if (!item.refs().empty()) {
    object.contained = client_.references().export_to(item.refs(), reader_);
  }
  const MutexLock guard(stream_->mutex);
  stream_->batch.objects.push_back(std::move(object));
  ++stream_->made;
  OutgoingStreams::send(client_, *stream_);
}

void OutgoingStream::end() {
  all_.close(*stream_);
  const MutexLock guard(stream_->mutex);
  OutgoingStreams::send(client_, *stream_);
}

}  // namespace manta::worker
