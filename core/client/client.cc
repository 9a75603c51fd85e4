// Life of a process' client, its messages with the node, and what the program submits. Waiting is in waiting.cc.
#include "core/client/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include <manta/serial/writer.h>

#include "core/base/end_of_process.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/client/forked.h"
#include "core/client/function_table.h"
#include "core/client/output_printer.h"
#include "core/client/ready_list.h"
#include "core/client/task_codec.h"
#include "core/net/shared_memory.h"
#include "core/net/wire_resources.h"

namespace manta::client {

namespace {

constexpr std::size_t kReplicasTogetherBytes = 128 * 1024;
constexpr std::chrono::seconds kLastMessagesFor{1};
constexpr std::size_t kArgumentsInHeapUpTo = net::Record::kPayloadBytes;

std::string function_name(detail::FunctionId id) {
  const detail::FunctionEntry* function = detail::find_function(id);
  return function != nullptr ? std::string(function->name()) : "unknown";
}

bool names_nothing(const TaskOptions& options) {
  return std::all_of(options.resources.begin(), options.resources.end(),
                     [](const CustomResource& each) { return each.name.empty() && each.amount == 0; }) &&
         std::all_of(options.env.begin(), options.env.end(),
                     [](const EnvVariable& each) { return each.name.empty() && each.value.empty(); });
}

bool same_shape(const TaskOptions& a, const TaskOptions& b) {
  return a.priority == b.priority && a.placement == b.placement && a.node == b.node && a.node_soft == b.node_soft &&
         a.bundle == b.bundle && a.num_cpus == b.num_cpus && a.num_gpus == b.num_gpus &&
         a.memory_bytes == b.memory_bytes && names_nothing(a) && names_nothing(b);
}

TaskId random_id() {
  std::random_device device;
  const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
  return {word(), word()};
}

}  // namespace

std::atomic<Client*> Client::current_{nullptr};
std::atomic<std::uint64_t> Client::instances_{0};

Client& Client::require() {
  Client* client = current();
  if (client == nullptr) {
    Forked::check();
    throw Error(ErrorCode::unavailable,
                "Manta is not running in this process: keep the Runtime that manta::init(argc, argv) returns, as the "
                "first line of main, for as long as tasks are used");
  }
  return *client;
}

Client::Client(net::ControlSocket node, WorkerHooks* hooks)
    : node_(std::move(node)),
      hooks_(hooks),
      arenas_([this](ClientId arena) { send(net::RequestArena{arena}); }),
      remote_blocks_([this](std::uint64_t id, const owner::StoredLocation& at) {
        send(net::PullBlock{id, at});
      }),
      stalls_({[this](const net::WhyWaits& question) { send(question); },
               [](std::uint64_t function) { return function_name(detail::FunctionId{function}); }}) {
  root_.id = random_id();
}

std::unique_ptr<Client> Client::connect(net::ControlSocket node, WorkerHooks* hooks) {
  std::unique_ptr<Client> client(new Client(std::move(node), hooks));
  auto packet = client->node_.receive();
  if (!packet) throw Error(ErrorCode::unavailable, "the node process ended before it had started, without a message");
  auto message = net::decode_node_message(packet->bytes);
  if (!message) throw_error(message.error());
  if (const auto* failed = std::get_if<net::CannotStart>(&*message)) {
    throw Error(static_cast<ErrorCode>(failed->code), "the node process cannot start: " + failed->why);
  }
  const auto* welcome = std::get_if<net::Welcome>(&*message);
  if (welcome == nullptr || packet->descriptors.size() != 2) {
    throw Error(ErrorCode::internal, "the node's first message is not a welcome");
  }
  client->welcome_ = *welcome;
  auto page = net::map_memory(packet->descriptors[0].get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!page) throw_error(page.error());
  client->page_ = reinterpret_cast<net::NodePage*>(*page);
  if (client->page_->magic != net::NodePage::kMagic || welcome->slot >= net::NodePage::kSlots) {
    throw Error(ErrorCode::internal, "the node's page is of another version");
  }
  {
    const MutexLock guard(client->mutex_);
    client->nodes_ = welcome->nodes;
    client->arena_memory_ = std::move(packet->descriptors[1]);
  }
  client->start();
  return client;
}

void Client::start() {
  owner::OwnerConfig config;
  config.function_name = &function_name;
  owner_.reset(new owner::Owner(self(), config, static_cast<owner::OwnerEffects&>(*this)));
  start_output();
  const std::string process = std::to_string(::getpid());
  Timeline::start(hooks_ == nullptr ? "driver " + process : "worker " + process + " on " + host(), slot().untimed);
  send(net::Hello{::getpid()});
  Forked::watch();
  current_.store(this, std::memory_order_release);
  reader_ = std::thread([this] { read_messages(); });
}

Client::~Client() {
  stop(false);
  ring_links_.clear();
  arena_.reset();
  net::unmap_memory(page_, sizeof(net::NodePage));
}

void Client::stop(bool shut_down_node) {
  if (shut_down_node) {
    {
      const MutexLock guard(mutex_);
      if (!node_gone_) drain();
      owner_->failures().report_unread(owner_->objects().table());
      unread_.finish();
    }
    wait_for_ending_actors();
    end_output();
    if (Timeline::current() != nullptr) await_timelines();
  }
  Client* self = this;
  current_.compare_exchange_strong(self, nullptr);
  if (shut_down_node) send(net::Shutdown{});
  outbox_.flush(Clock::now() + kLastMessagesFor);
  if (reader_.joinable()) {
    ::shutdown(node_.fd(), SHUT_RDWR);
    reader_.join();  // everything has failed now: threads that still wait leave
    while (waiters_.load() > 0) {
      slot().replies.wake();
      std::this_thread::yield();
    }
  }
  {
    const MutexLock guard(background_mutex_);
    background_stop_ = true;
  }
  background_wake_.notify_all();
  if (background_.joinable()) background_.join();
}

std::vector<const detail::EntryHead*> Client::live_entries() {
  const MutexLock guard(mutex_);
  std::vector<const detail::EntryHead*> entries;
  owner_->objects().table().for_each([&](const owner::Entry& entry) { entries.push_back(&entry); });
  return entries;
}

bool Client::any_live() {
  const MutexLock guard(mutex_);
  return owner_->objects().table().live() > 0;
}

void Client::keep_own_objects() {
  const MutexLock guard(mutex_);
  page_->store.used_bytes = slot().store.used_bytes.load();  // the other processes are gone
  keep_own_arena();
}

void Client::keep_own_arena() {
  if (!arena_ || arenas_.known(self()) != nullptr) return;
  if (auto memory = arena_->reader_memory()) arenas_.arrived(self(), std::move(*memory));
}

void Client::send(const net::ClientMessage& message) {
  const auto sent = try_send(message);
  if (sent || sent.error().code() == ErrorCode::unavailable) return;  // the reading thread hears of the node's end
  log::error("a message to the node process is lost: ", sent.error().what());
}

// --- owner::OwnerEffects (locked)

void Client::set_demand(owner::DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) {
  send(net::SetDemand{index, net::wire_of(request), wanted, owner_->where_of(index)});
}

void Client::return_lease(LeaseId lease) {
  for (const auto& [worker, link] : ring_links_) {
    if (link->lease == lease) link->lease = {};
  }
  for (const auto& [worker, link] : message_links_) {
    if (link->lease == lease) link->lease = {};
  }
  send(net::ReturnLease{lease});
}

void Client::tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) {
  log::info(what, " is tried again (attempt ", attempt, "): ", why);
}

// The stack of a crash comes with the error; here is one line.
void Client::restarts(const owner::Restart& restart) {
  const bool limited = restart.max_restarts >= 0;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(restart.delay).count();
  std::string text = restart.actor + ": its process " + std::string(first_line(restart.why));
  if (restart.in_constructor) text += " while its constructor ran";
  text += "; restart " + std::to_string(restart.number);
  if (limited) text += " of " + std::to_string(restart.max_restarts);
  text += " begins ";
  text += milliseconds == 0 ? "now" : "in " + std::to_string(milliseconds) + " ms";
  if (!limited && restart.in_constructor && milliseconds > 0) {
    text += "; it is started again without end, as ActorOptions::max_restarts is -1";
  }
  milliseconds == 0 || restart.asked_for ? log::info(text) : log::warn(text);
}

void Client::send(ClientId to, owner::PeerMessage message) {
  send_to_peer(to, std::visit([](auto& m) { return net::PeerPacket(std::move(m)); }, message));
}

void Client::send_to_peer(ClientId to, const net::PeerPacket& packet) { send(net::ToPeer{to, net::encode(packet)}); }

void Client::free_stored(const owner::StoredLocation& location) {
  if (location.arena == self()) {
    if (arena_) arena_->free(location.offset);
  } else {
    send(net::ToPeer{location.arena, net::encode(net::PeerPacket(net::FreeBlock{location.offset}))});
  }
}

void Client::arena_unused(ClientId arena) {
  arenas_.forget(arena);
  send(net::ArenaUnused{arena});
}

// In messages that are not too long.
void Client::replicate(std::vector<owner::Replica> replicas) {
  net::Replicate message;
  std::size_t bytes = 0;
  for (owner::Replica& replica : replicas) {
    const std::size_t more = 128 + replica.value.bytes().size() + replica.contained.size() * sizeof(detail::WireRef);
    if (bytes + more > kReplicasTogetherBytes && bytes > 0) {
      send(std::exchange(message, {}));
      bytes = 0;
    }
    bytes += more;
    message.replicas.push_back(std::move(replica));
  }
  send(std::move(message));
}

void Client::unread_failure(const std::string& what, const Error& error) {
  if (!end_) unread_.add(what, error, Clock::now());
}

void Client::withdraw(std::vector<ObjectId> objects) { send(net::Withdraw{std::move(objects)}); }

void Client::resolved(owner::Entry& entry) {
  const auto it = watchers_.find(&entry);
  if (it != watchers_.end()) {
    for (const auto& [completions, index] : it->second) completions->add(index);
    watchers_.erase(it);
  }
  if (const auto watching = ready_watchers_.find(&entry); watching != ready_watchers_.end()) {
    const auto lists = std::move(watching->second);
    ready_watchers_.erase(watching);
    for (const auto& [list, place] : lists) list->resolved(place);
  }
  if (awaits_.any() && awaits_.resolved(entry)) slot().tasks.wake();
  slot().replies.wake();
}

// --- from the program

TaskContext& Client::context() {
  TaskContext* task = current_task();
  return task != nullptr ? *task : root_;
}

store::Arena& Client::arena() {
  if (!arena_) {
    Fd memory(::fcntl(arena_memory_.get(), F_DUPFD_CLOEXEC, 0));  // the original stays for another attempt
    if (!memory) {
      throw Error(ErrorCode::exhausted, std::string("no descriptor for the object store is left: ") +
                                            std::strerror(errno) + limit_advice(EMFILE));
    }
    auto opened = store::Arena::open(std::move(memory), page_->store_capacity_bytes, page_->store, slot().store);
    if (!opened) throw_error(opened.error());
    arena_ = std::move(*opened);
    arena_memory_.reset();
  }
  return *arena_;
}

owner::Value Client::make_value(const serial::Writer& value, std::size_t inline_limit) {
  const std::size_t size = value.encoded_size();
  if (size <= inline_limit) {
    owner::Value made = owner::Value::with_space(size, value.framed());
    value.encode_into(made.mutable_bytes());
    return made;
  }
  auto block = allocate(size);
  if (!block) throw_error(block.error());
  prepare(*block);
  value.encode_into(block->data);
  return owner::Value::at({self(), block->offset, size}, value.framed());
}

owner::ShapeIndex Client::shape_of(const TaskOptions& options) {
  if (have_last_shape_ && same_shape(options, last_options_)) return last_shape_;
  auto request = sched::request_of(options);
  if (!request) throw_error(request.error());
  last_shape_ = owner_->leases().shape_of(*request, sched::where_of(options));
  last_options_ = options;
  have_last_shape_ = true;
  return last_shape_;
}

namespace {

std::vector<owner::Entry*> held_copies(std::span<detail::EntryHead* const> heads) {
  std::vector<owner::Entry*> entries;
  entries.reserve(heads.size());
  for (detail::EntryHead* head : heads) {
    detail::retain(head);
    entries.push_back(static_cast<owner::Entry*>(head));
  }
  return entries;
}

}  // namespace

owner::NewTask Client::new_task(detail::FunctionId function, const serial::Writer& values, std::uint32_t ref_mask,
                                std::span<detail::EntryHead* const> references) {
  owner::NewTask task;
  task.arguments = make_value(values, kArgumentsInHeapUpTo);
  task.function = function;
  task.ref_mask = ref_mask;
  if (!references.empty()) {
    task.references.reserve(references.size());
    for (detail::EntryHead* head : references) task.references.push_back(static_cast<owner::Entry*>(head));
  }
  if (!values.refs().empty()) task.contained = held_copies(values.refs());
  return task;
}

owner::Entry* Client::submit(const detail::TaskCall& call) {
  Timeline* const timeline = Timeline::current();
  const auto start = timeline != nullptr ? Clock::now() : Clock::time_point();
  owner::NewTask task = new_task(call.function, call.values, call.ref_mask, call.references);
  if (call.options.max_retries < -1) [[unlikely]]
    sched::refuse_count(call.options.max_retries, "TaskOptions::max_retries");
  task.max_retries = static_cast<std::int16_t>(std::min(call.options.max_retries, 32'000));
  task.retry_exceptions = call.options.retry_exceptions;
  if (!call.options.name.empty()) task.name = call.options.name;
  if (call.streams) task.stream_buffer = call.options.stream_buffer;
  task.limit = owner::limit_of("TaskOptions::timeout", call.options.timeout);
  owner::Entry* entry = nullptr;
  {
    const MutexLock guard(mutex_);
    if (end_) throw_error(*end_);
    TaskContext& submitter = context();
    task.id = submitter.next_child();
    task.shape = shape_of(call.options);
    entry = owner_->tasks().submit(std::move(task));
  }
  if (timeline != nullptr) timeline->submitted(entry->id, start);
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();
  return entry;
}

owner::Entry* Client::put(const serial::Writer& writer) {
  owner::Value value = make_value(writer, kStoredFromBytes);
  std::vector<owner::Entry*> contained;
  if (!writer.refs().empty()) contained = held_copies(writer.refs());
  return put(std::move(value), std::move(contained));
}

owner::Entry* Client::put(owner::Value value, std::vector<owner::Entry*> contained) {
  const MutexLock guard(mutex_);
  TaskContext& putter = context();
  return owner_->objects().put(putter.id.put(putter.puts++), std::move(value), std::move(contained));
}

detail::WireRef Client::export_ref(owner::Entry& entry) {
  const MutexLock guard(mutex_);
  return owner_->borrowing().export_ref(entry);
}

owner::Entry* Client::import_ref(const detail::WireRef& ref) {
  const MutexLock guard(mutex_);
  owner::Entry* entry = owner_->borrowing().import(ref, false);
  TaskContext* task = current_task();
  if (task != nullptr && !entry->owned && (!entry->extra || entry->extra->counted_borrows == 0)) {
    detail::retain(entry);
    task->imported.push_back(entry);
  }
  return entry;
}

void Client::last_reference_gone(owner::Entry& entry) {
  const MutexLock guard(mutex_);
  owner_->objects().release_last(entry);
}

detail::ValueView Client::view_stored(const owner::StoredLocation& location, bool framed, owner::Entry* entry) {
  const std::shared_ptr<owner::Entry> hold(entry, [](owner::Entry* e) { detail::release(e); });
  if (is_remote(location.arena)) {
    detail::ValueView view = view_elsewhere(location, framed, hold);
    view.object = hold->id;
    return view;
  }
  auto view = arenas_.view(location.arena);
  if (!view) throw_error(view.error());
  auto data = (*view)->at(location.offset, location.size_bytes);
  if (!data) throw_error(data.error());
  return {{*data, location.size_bytes}, framed, pins_.pin(location, *view, hold), hold->id};
}

std::shared_ptr<const void> Client::keep_shared(const ObjectId& object, const void* type,
                                                std::shared_ptr<const void> value, std::size_t size_bytes) {
  value = shared_values_.keep(object, type, std::move(value), size_bytes, Clock::now());
  wake_background();  // it drops the object in time
  return value;
}

detail::ValueView Client::read_value(owner::Entry& entry) {
  using Kind = owner::Value::Kind;
  std::shared_ptr<const store::ArenaView> view;
  for (ClientId viewed;;) {
    MutexLock lock(mutex_);  // it may go to the spill file and back, until it is pinned
    const owner::Value& value = entry.value;
    const bool arguments = entry.phase == owner::Phase::here;             // of a task that is about to run here
    if (!arguments && !entry.resolved.load(std::memory_order_relaxed)) {  // lost since, with its node: made again
      lock.unlock();
      wait_resolved(entry, detail::Deadline::max());
      continue;
    }
    if (value.failed()) {
      entry.seen = true;
      throw_error(value.error());
    }
    if (value.kind() == Kind::spilled) {
      const std::uint64_t size_bytes = value.spilled().size_bytes;
      lock.unlock();
      restore_to_read(entry, size_bytes);
      continue;
    }
    if (value.kind() != Kind::stored) return {value.bytes(), value.framed(), nullptr};
    const owner::StoredLocation at = value.stored();
    if (is_remote(at.arena)) {
      const bool framed = value.framed();
      lock.unlock();
      detail::retain(&entry);
      try {
        return view_stored(at, framed, &entry);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::object_lost || !moved_on(entry, at)) throw;
        continue;
      }
    }
    if (viewed != at.arena || view == nullptr) view = arenas_.known(at.arena);
    if (view == nullptr) {
      lock.unlock();
      auto asked = arenas_.view(at.arena);
      if (!asked) throw_error(asked.error());
      view = std::move(*asked);
      viewed = at.arena;
      continue;
    }
    auto data = view->at(at.offset, at.size_bytes);
    if (!data) throw_error(data.error());
    owner_->objects().used(entry);
    detail::retain(&entry);  // never the last one to let go while the lock is held: the caller has one too
    const std::shared_ptr<owner::Entry> hold(&entry, [](owner::Entry* e) { detail::release(e); });
    return {{*data, at.size_bytes}, value.framed(), pins_.pin(at, view, hold), entry.id};
  }
}

}  // namespace manta::client
