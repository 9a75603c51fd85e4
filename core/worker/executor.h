// The main thread of a worker process: claims tasks from the rings of whoever leases it, runs them, writes the results.
//
//   EXEC-1  one task at a time, in order per submitter; tasks on its own stack apart (see Client::run_here)
//   EXEC-2  a result is complete, and references in it are lent, before its record says done
//   EXEC-3  a block that carries a result lives until the submitter has freed the record
//
// Threading: run() is the main thread; hooks come from the client's reading thread, except blocked(). Ownership: owns
// its ends of the rings. The process ends with the node (parent-death signal, end of the control socket).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <manta/serial/writer.h>

#include "core/client/client.h"
#include "core/client/run_task.h"
#include "core/net/task_ring.h"
#include "core/net/task_ring_inl.h"
#include "core/worker/remote_tasks.h"

namespace manta::worker {

class Executor final : public client::WorkerHooks {
 public:
  Executor() = default;
  [[noreturn]] void run(client::Client& client);

  void open_channel(const net::OpenChannel& message, Fd ring) override;
  void close_channel(ClientId submitter) override;
  void blocked(bool blocked) override;
  void run_task(ClientId submitter, net::RunTask task) override;
  void take_back_tasks(ClientId submitter) override;

 private:
  struct Channel {
    ClientId submitter;
    net::RingMemory* memory = nullptr;
    net::RingWorker ring;
    std::deque<std::pair<const net::Record*, std::uint64_t>> blocks;  // of results not yet taken, oldest first
  };
  struct News {
    net::OpenChannel opened;
    Fd ring;  // none: the channel is to be closed
  };

  void apply_news();
  bool run_ready();
  bool prepare_sleep();
  void free_taken_blocks(Channel& channel);
  void execute(Channel& channel, net::Record& record);
  void read_input(const net::Record& record, client::TaskContext& context, client::TaskInput& input);
  std::span<const std::byte> read_block(ClientId arena, std::uint64_t offset, std::uint64_t size,
                                        client::TaskInput& input);
  void write_value(Channel& channel, net::Record& record, const serial::Writer& result);
  void write_parts(Channel& channel, net::Record& record, client::ReplyParts parts);
  void write_error(Channel& channel, net::Record& record, const Error& error, bool user_exception,
                   std::vector<ObjectId> kept);
  bool write_block(Channel& channel, net::Record& record, std::size_t size, const std::function<void(std::byte*)>& fill);
  void read_parts(std::span<const std::byte> bytes, client::TaskContext& context, client::TaskInput& input);
  // remote_tasks.cc
  bool run_remote();
  void execute_remote(ClientId submitter, const net::RunTask& task);
  void remote_blocked(bool blocked);
  std::vector<ObjectId> settle_imports(client::TaskContext& context);
  void set_threads(std::uint32_t cpus);

  client::Client* client_ = nullptr;
  std::vector<std::unique_ptr<Channel>> channels_;
  Channel* current_ = nullptr;  // whose task runs
  RemoteTasks remote_;
  ClientId remote_submitter_;   // whose task runs, if it came as a message
  std::uint32_t thread_cpus_ = 0;
  std::mutex news_mutex_;
  std::vector<News> news_;
  std::atomic<bool> have_news_{false};
};

// A worker process, from its control socket to its end.
[[noreturn]] void worker_main(Fd control);

}  // namespace manta::worker
