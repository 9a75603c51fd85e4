// Life of a process' client, its messages with the node, and what the program submits. Waiting is in waiting.cc.
#include "core/client/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include <manta/serial/writer.h>

#include "core/client/function_table.h"
#include "core/client/task_codec.h"
#include "core/net/shared_memory.h"
#include "core/net/wire_resources.h"

namespace manta::client {

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// Longer messages to other processes travel as memory.
constexpr std::size_t kLongestInPacket = net::ControlSocket::kMaxPacketBytes - 256;
constexpr std::size_t kArgumentsInHeapUpTo = net::Record::kPayloadBytes;

std::string function_name(detail::FunctionId id) {
  const detail::FunctionEntry* function = detail::find_function(id);
  return function != nullptr ? std::string(function->name()) : "unknown";
}

bool same_shape(const TaskOptions& a, const TaskOptions& b) {
  return a.placement == b.placement && a.node == b.node && a.node_soft == b.node_soft && a.num_cpus == b.num_cpus &&
         a.num_gpus == b.num_gpus && a.memory_bytes == b.memory_bytes &&
         std::equal(a.resources.begin(), a.resources.end(), b.resources.begin(),
                    [](const CustomResource& x, const CustomResource& y) { return x.name.empty() && y.name.empty(); });
}

TaskId random_id() {
  std::random_device device;
  const auto word = [&] { return (std::uint64_t{device()} << 32) | device(); };
  return {word(), word()};
}

}  // namespace

std::atomic<Client*> Client::current_{nullptr};

Client& Client::require() {
  Client* client = current();
  if (client == nullptr) {
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
      remote_blocks_([this](std::uint64_t id, const owner::StoredLocation& at) { send(net::PullBlock{id, at}); }) {}

std::unique_ptr<Client> Client::connect(net::ControlSocket node, WorkerHooks* hooks) {
  std::unique_ptr<Client> client(new Client(std::move(node), hooks));
  auto packet = client->node_.receive();
  if (!packet) throw Error(ErrorCode::unavailable, "the node process did not come up; look above for its own message");
  auto message = net::decode_node_message(packet->bytes);
  if (!message) throw_error(message.error());
  const auto* welcome = std::get_if<net::Welcome>(&*message);
  if (welcome == nullptr || packet->descriptors.size() != 2) {
    throw Error(ErrorCode::internal, "the node's first message is not a welcome");
  }
  client->welcome_ = *welcome;
  client->nodes_ = welcome->nodes;
  auto page = net::map_memory(packet->descriptors[0].get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!page) throw_error(page.error());
  client->page_ = reinterpret_cast<net::NodePage*>(*page);
  if (client->page_->magic != net::NodePage::kMagic || welcome->slot >= net::NodePage::kSlots) {
    throw Error(ErrorCode::internal, "the node's page is of another version");
  }
  client->arena_memory_ = std::move(packet->descriptors[1]);
  client->start();
  return client;
}

void Client::start() {
  owner::OwnerConfig config;
  config.function_name = &function_name;
  owner_.reset(new owner::Owner(self(), config, static_cast<owner::OwnerEffects&>(*this)));
  root_.id = random_id();
  send(net::Hello{::getpid()});
  current_.store(this, std::memory_order_release);
  reader_ = std::thread([this] { read_messages(); });
}

Client::~Client() {
  stop(false);
  channels_.clear();
  arena_.reset();
  net::unmap_memory(page_, sizeof(net::NodePage));
}

void Client::stop(bool shut_down_node) {
  Client* self = this;
  current_.compare_exchange_strong(self, nullptr);
  if (shut_down_node) send(net::Shutdown{});
  if (reader_.joinable()) {
    ::shutdown(node_.fd(), SHUT_RDWR);
    reader_.join();  // everything has failed now: whoever still waits in another thread leaves
    while (waiters_.load() > 0) {
      slot().replies.wake();
      std::this_thread::yield();
    }
  }
  {
    const std::lock_guard guard(background_mutex_);
    background_stop_ = true;
  }
  background_wake_.notify_all();
  if (background_.joinable()) background_.join();
}

std::vector<const detail::EntryHead*> Client::live_entries() {
  const std::lock_guard guard(mutex_);
  std::vector<const detail::EntryHead*> entries;
  owner_->table().for_each([&](const owner::Entry& entry) { entries.push_back(&entry); });
  return entries;
}

bool Client::any_live() {
  const std::lock_guard guard(mutex_);
  return owner_->table().live() > 0;
}

void Client::keep_own_objects() {
  const std::lock_guard guard(mutex_);
  if (!arena_ || arenas_.known(self()) != nullptr) return;
  if (auto memory = arena_->reader_memory()) arenas_.arrived(self(), std::move(*memory));
}

void Client::send(const net::ClientMessage& message) { (void)node_.send(net::encode(message)); }

// --- messages from the node

void Client::read_messages() {
  for (;;) {
    auto packet = node_.receive();
    if (!packet) break;
    auto message = net::decode_node_message(packet->bytes);
    if (!message) break;
    handle(std::move(*message), packet->descriptors);
  }
  node_lost();
}

void Client::handle(net::NodeMessage message, std::vector<Fd>& descriptors) {
  std::visit(Overloaded{
                 [&](const net::Welcome&) {},
                 [&](const net::Granted& m) { on_granted(m, descriptors); },
                 [&](const net::LeaseEnded& m) {
                   const std::lock_guard guard(mutex_);
                   drain();
                   if (node_of(m.lease) != node_of(self())) return remote_lease_ended(m.lease, m.status);
                   owner_->lease_ended(m.lease, m.status);
                 },
                 [&](const net::Infeasible& m) {
                   const std::lock_guard guard(mutex_);
                   owner_->infeasible(static_cast<owner::ShapeIndex>(m.shape), m.why);
                 },
                 [&](const net::AskBack& m) {
                   const std::lock_guard guard(mutex_);
                   drain();
                   owner_->ask_back(static_cast<owner::ShapeIndex>(m.shape), m.count, m.node);
                 },
                 [&](const net::OpenChannel& m) {
                   if (descriptors.size() != 2 || hooks_ == nullptr) return;
                   arenas_.arrived(m.submitter, std::move(descriptors[1]));
                   hooks_->open_channel(m, std::move(descriptors[0]));
                 },
                 [&](const net::CloseChannel& m) {
                   if (hooks_ != nullptr) hooks_->close_channel(m.submitter);
                 },
                 [&](const net::ArenaOf& m) {
                   arenas_.arrived(m.client, descriptors.empty() ? Fd() : std::move(descriptors[0]));
                 },
                 [&](const net::FromPeer& m) {
                   if (descriptors.empty()) return on_peer_packet(m.client, m.message);
                   const auto size = net::fixed_size_of(descriptors[0].get());
                   const auto base = size ? net::map_memory(descriptors[0].get(), *size, net::Mapping::shared)
                                          : tl::unexpected<Error>(size.error());
                   if (!base) return;
                   on_peer_packet(m.client, {*base, *base + *size});
                   net::unmap_memory(*base, *size);
                 },
                 [&](const net::ClientDied& m) {
                   const std::lock_guard guard(mutex_);
                   drain();
                   if (is_remote(m.client)) remote_worker_died(m.client, m.status);
                   owner_->client_died(m.client, m.status);
                   const auto it = channels_.find(m.client);
                   if (it == channels_.end()) return;
                   std::erase(active_, it->second.get());
                   std::erase(groups_[net::group_of(m.client)], it->second.get());
                   channels_.erase(it);
                 },
                 [&](const net::NodeJoined& m) {
                   const std::lock_guard guard(mutex_);
                   nodes_.push_back(m.node);
                 },
                 [&](const net::NodeDied& m) {
                   const std::lock_guard guard(mutex_);
                   drain();
                   std::erase_if(nodes_, [&](const auto& node) { return node.node == m.node; });
                   owner_->node_died(m.node, "was on " + m.status);
                 },
                 [&](const net::BlockPulled& m) {
                   remote_blocks_.arrived(m.id, m.why, descriptors.empty() ? Fd() : std::move(descriptors[0]));
                 },
             },
             message);
  slot().replies.wake();  // sleepers look again: there may be new channels, or results that somebody else drained
}

void Client::on_granted(const net::Granted& granted, std::vector<Fd>& descriptors) {
  if (is_remote(granted.worker)) return on_granted_elsewhere(granted);
  if (granted.new_channel) {
    if (descriptors.size() != 2 || granted.worker_slot >= net::NodePage::kSlots) return;
    arenas_.arrived(granted.worker, std::move(descriptors[1]));
    auto ring = net::RingMemory::attach(descriptors[0].get());
    if (!ring) return send(net::ReturnLease{granted.lease});
    auto channel = std::make_unique<OutChannel>(*this, granted.worker, **ring, page_->slots[granted.worker_slot]);
    const std::lock_guard guard(mutex_);
    (void)channel->stop_looking();  // CLIENT-2: what is pushed first may be pushed while the threads that wait sleep
    groups_[net::group_of(granted.worker)].push_back(channel.get());
    channels_[granted.worker] = std::move(channel);
  }
  const std::lock_guard guard(mutex_);
  const auto it = channels_.find(granted.worker);
  if (it == channels_.end()) return send(net::ReturnLease{granted.lease});
  it->second->lease = granted.lease;
  const auto shape = static_cast<owner::ShapeIndex>(granted.shape);
  it->second->set_task_cpus(static_cast<std::uint32_t>(owner_->request_of(shape).cpus.units()));
  owner_->lease_granted(granted.lease, granted.worker, shape, *it->second);
}

void Client::on_peer_packet(ClientId from, const std::vector<std::byte>& bytes) {
  auto packet = net::decode_peer_packet(bytes);
  if (!packet) return;
  if (auto* task = std::get_if<net::RunTask>(&*packet)) {
    if (hooks_ != nullptr) hooks_->run_task(from, std::move(*task));
    return;
  }
  if (std::holds_alternative<net::TakeBackTasks>(*packet)) {
    if (hooks_ != nullptr) hooks_->take_back_tasks(from);
    return;
  }
  const std::lock_guard guard(mutex_);
  drain();  // CLIENT-3
  std::visit(Overloaded{
                 [&](const net::FreeBlock& m) {
                   if (arena_) arena_->free(m.offset);
                 },
                 [&](owner::Fetch& m) { owner_->receive(from, std::move(m)); },
                 [&](owner::Fetched& m) { owner_->receive(from, std::move(m)); },
                 [&](owner::Lent& m) { owner_->receive(from, std::move(m)); },
                 [&](owner::GivenBack& m) { owner_->receive(from, std::move(m)); },
                 [&](const net::TaskDone& m) { on_task_done(from, m); },
                 [&](const net::TasksReturned& m) { on_tasks_returned(from, m); },
                 [&](const net::WorkerBlocked& m) { on_worker_blocked(from, m.blocked); },
                 [&](const auto&) {},
             },
             *packet);
}

void Client::node_lost() {
  arenas_.close();
  remote_blocks_.close();
  {
    const std::lock_guard guard(mutex_);
    node_gone_ = true;
    drain();
    end_ = Error(ErrorCode::unavailable, current() == this ? "the node process has ended, and with it all workers"
                                                           : "the runtime has ended");
    owner_->fail_all(*end_);
    active_.clear();
    for (auto& group : groups_) group.clear();
    channels_.clear();
    remote_channels_.clear();
  }
  slot().replies.wake();
  if (hooks_ != nullptr) ::_exit(0);  // a worker without its node has nothing to live for
}

// --- owner::OwnerEffects (locked)

void Client::set_demand(owner::ShapeIndex shape, const sched::ResourceSet& request, std::uint32_t wanted) {
  send(net::SetDemand{shape, net::wire_of(request), wanted, owner_->where_of(shape)});
}

void Client::return_lease(LeaseId lease) {
  for (const auto& [worker, channel] : channels_) {
    if (channel->lease == lease) channel->lease = {};
  }
  for (const auto& [worker, channel] : remote_channels_) {
    if (channel->lease == lease) channel->lease = {};
  }
  send(net::ReturnLease{lease});
}

void Client::send(ClientId to, owner::PeerMessage message) {
  send_to_peer(to, std::visit([](auto& m) { return net::PeerPacket(std::move(m)); }, message));
}

void Client::send_to_peer(ClientId to, const net::PeerPacket& packet) {
  std::vector<std::byte> bytes = net::encode(packet);
  if (bytes.size() <= kLongestInPacket) return send(net::ToPeer{to, std::move(bytes)});
  auto memory = net::create_shared_memory("manta-message", bytes.size());
  auto base = memory ? net::map_memory(memory->get(), bytes.size(), net::Mapping::shared)
                     : tl::unexpected<Error>(memory.error());
  if (!base) throw_error(base.error());
  std::memcpy(*base, bytes.data(), bytes.size());
  net::unmap_memory(*base, bytes.size());
  const int descriptor = memory->get();
  (void)node_.send(net::encode(net::ClientMessage(net::ToPeer{to, {}})), {&descriptor, 1});
}

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

void Client::resolved(owner::Entry& entry) {
  const auto it = watchers_.find(&entry);
  if (it != watchers_.end()) {
    for (const auto& [completions, index] : it->second) completions->ready.push_back(index);
    watchers_.erase(it);
  }
  slot().replies.wake();
}

// --- from the program

TaskContext& Client::context() {
  TaskContext* task = current_task();
  return task != nullptr ? *task : root_;
}

store::Arena& Client::arena() {
  if (!arena_) {
    auto opened = store::Arena::open(std::move(arena_memory_), page_->store_capacity_bytes, page_->store_used_bytes,
                                     slot().store_used_bytes);
    if (!opened) throw_error(opened.error());
    arena_ = std::move(*opened);
  }
  return *arena_;
}

owner::Value Client::make_value(const serial::Writer& value, std::size_t inline_limit) {
  const std::size_t size = value.encoded_size();
  if (size <= inline_limit) {
    owner::Value made = owner::Value::with_room(size, value.framed());
    value.encode_into(made.mutable_bytes());
    return made;
  }
  std::unique_lock guard(mutex_);
  auto block = arena().allocate(size);
  if (!block) throw_error(block.error());
  guard.unlock();
  value.encode_into(block->data);
  return owner::Value::at({self(), block->offset, size}, value.framed());
}

owner::ShapeIndex Client::shape_of(const TaskOptions& options) {
  if (have_last_shape_ && same_shape(options, last_options_)) return last_shape_;
  auto request = sched::request_of(options);
  if (!request) throw_error(request.error());
  last_shape_ = owner_->shape_of(*request, {options.placement, options.node, options.node_soft});
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

owner::Entry* Client::submit(const detail::TaskCall& call) {
  owner::NewTask task;
  task.arguments = make_value(call.values, kArgumentsInHeapUpTo);
  task.function = call.function;
  task.max_retries = static_cast<std::int16_t>(std::clamp(call.options.max_retries, -1, 32'000));
  task.retry_exceptions = call.options.retry_exceptions;
  task.ref_mask = call.ref_mask;
  if (!call.options.name.empty()) task.name = call.options.name;
  if (!call.references.empty()) {
    task.references.reserve(call.references.size());
    for (detail::EntryHead* head : call.references) task.references.push_back(static_cast<owner::Entry*>(head));
  }
  if (!call.values.refs().empty()) task.contained = held_copies(call.values.refs());
  owner::Entry* entry = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (end_) throw_error(*end_);
    TaskContext& submitter = context();
    task.id = submitter.id.child(submitter.children++);
    task.shape = shape_of(call.options);
    entry = owner_->submit(std::move(task));
  }
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();
  return entry;
}

owner::Entry* Client::put(const serial::Writer& writer) {
  owner::Value value = make_value(writer, kStoredFromBytes);
  std::vector<owner::Entry*> contained;
  if (!writer.refs().empty()) contained = held_copies(writer.refs());
  const std::lock_guard guard(mutex_);
  TaskContext& putter = context();
  return owner_->put(putter.id.put(putter.puts++), std::move(value), std::move(contained));
}

detail::WireRef Client::export_ref(owner::Entry& entry) {
  const std::lock_guard guard(mutex_);
  return owner_->export_ref(entry);
}

owner::Entry* Client::import_ref(const detail::WireRef& ref) {
  const std::lock_guard guard(mutex_);
  owner::Entry* entry = owner_->import(ref, false);
  TaskContext* task = current_task();
  if (task != nullptr && !entry->owned && (!entry->extra || entry->extra->lent_to_us == 0)) {
    detail::retain(entry);
    task->imported.push_back(entry);
  }
  return entry;
}

void Client::last_reference_gone(owner::Entry& entry) {
  const std::lock_guard guard(mutex_);
  owner_->release_last(entry);
}

detail::ValueView Client::view_stored(const owner::StoredLocation& location, bool framed, owner::Entry* entry) {
  const std::shared_ptr<owner::Entry> hold(entry, [](owner::Entry* e) { detail::release(e); });
  if (is_remote(location.arena)) return view_elsewhere(location, framed, hold);
  auto view = arenas_.view(location.arena);
  if (!view) throw_error(view.error());
  auto data = (*view)->at(location.offset, location.size_bytes);
  if (!data) throw_error(data.error());
  return {{*data, location.size_bytes}, framed, pins_.pin(location, *view, hold)};
}

detail::ValueView Client::read_value(owner::Entry& entry) {
  const owner::Value& value = entry.value;
  if (value.failed()) throw_error(value.error());
  if (value.kind() != owner::Value::Kind::stored) return {value.bytes(), value.framed(), nullptr};
  detail::retain(&entry);
  return view_stored(value.stored(), value.framed(), &entry);
}

}  // namespace manta::client
