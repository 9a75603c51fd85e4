#include "core/node/connections.h"

#include <sys/socket.h>

#include <algorithm>
#include <new>

#include "core/base/log.h"
#include "core/net/shared_memory.h"
#include "core/sched/resources.h"
#include "core/store/arena.h"

namespace manta::node {

namespace {

constexpr auto kStuckFor = std::chrono::seconds(30);

}  // namespace

Connections::Connections(boost::asio::io_context& io, std::uint64_t store_capacity_bytes, BackPressure& pressure,
                         ConnectionEvents& events)
    : io_(io), pressure_(pressure), events_(events) {
  auto memory = net::create_shared_memory("manta-node", sizeof(net::NodePage));
  if (!memory) throw_error(memory.error());
  auto base = net::map_memory(memory->get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!base) throw_error(base.error());
  page_memory_ = std::move(*memory);
  page_ = reinterpret_cast<net::NodePage*>(*base);
  page_->magic = net::NodePage::kMagic;
  page_->store_capacity_bytes = store_capacity_bytes;
  for (std::uint32_t slot = net::NodePage::kSlots; slot-- > 0;) free_slots_.push_back(slot);
}

Connection* Connections::find(ClientId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

std::vector<ClientId> Connections::live() const {
  std::vector<ClientId> ids;
  for (const auto& [id, connection] : connections_) {
    if (connection->greeted && !connection->closed) ids.push_back(id);
  }
  return ids;
}

bool Connections::any_starting() const {
  return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return !c.second->greeted; });
}

Result<Connection*> Connections::add(ClientId id, net::ControlSocket socket) {
  if (free_slots_.empty()) return fail(ErrorCode::exhausted, "no place for another process on this node");
  auto arena = store::create_arena_memory(page_->store_capacity_bytes);
  if (!arena) return tl::unexpected<Error>(arena.error());
  auto readable = net::reopen_read_only(arena->get());
  if (!readable) return tl::unexpected<Error>(readable.error());
  auto made = std::make_unique<Connection>(io_);
  Connection& added = *made;
  added.id = id;
  added.socket = std::move(socket);
  added.slot = free_slots_.back();
  free_slots_.pop_back();
  new (&slot_of(added)) net::ClientSlot();  // a killed process may have left itself counted as a sleeper
  added.arena = std::move(*arena);
  added.arena_for_readers = std::move(*readable);
  added.events.assign(added.socket.fd());
  connections_[id] = std::move(made);
  watch(added);
  return &added;
}

void Connections::remove(Connection& connection) {
  const ClientId id = connection.id;
  free_slots_.insert(free_slots_.begin(), connection.slot);
  connections_.erase(id);
  pressure_.queued(id, 0);
}

// --- reading

void Connections::watch(Connection& connection) {
  const ClientId id = connection.id;
  connection.events.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                               [this, id](boost::system::error_code error) {
                                 Connection* c = find(id);
                                 if (error || c == nullptr) return;
                                 on_readable(*c);
                               });
}

void Connections::on_readable(Connection& connection) {
  loop_thread_.assert_current();
  const ClientId id = connection.id;
  for (int n = 0; n < 64; ++n) {  // then others get a turn
    auto packet = connection.socket.try_receive();
    if (!packet) {
      if (packet.error().code() == ErrorCode::exhausted) break;
      return events_.closed(connection);
    }
    auto message = net::decode_client_message(packet->bytes);
    if (!message) return events_.closed(connection);  // not one of ours any more: its memory is damaged
    events_.message(connection, std::move(*message));
    if (events_.stopping() || find(id) == nullptr) return;
    if (!pressure_.take_overfull()) continue;
    pressure_.wait([this, id] {
      if (Connection* waited = find(id); waited != nullptr && !waited->closed) watch(*waited);
    });
    return events_.turn_over();
  }
  watch(connection);
  events_.turn_over();
}

void Connections::read_last(Connection& connection) {
  while (!connection.closed && !events_.stopping()) {
    auto packet = connection.socket.try_receive();
    if (!packet) break;
    auto message = net::decode_client_message(packet->bytes);
    if (message) events_.message(connection, std::move(*message));
  }
}

void Connections::stop_reading(Connection& connection) {
  connection.closed = true;
  connection.events.cancel();
}

// --- sending

void Connections::welcome(Connection& connection, net::Welcome message) {
  message.client = connection.id;
  message.slot = connection.slot;
  message.env = connection.env;
  const int descriptors[] = {page_memory_.get(), connection.arena.get()};
  send(connection, message, descriptors);
  connection.arena.reset();  // from here on only the process itself can write to it
}

void Connections::send(Connection& connection, const net::NodeMessage& message, std::span<const int> descriptors) {
  send_encoded(connection, net::encode(message), descriptors);
}

std::size_t Connections::send_to_live(const net::NodeMessage& message) {
  const std::vector<std::byte> encoded = net::encode(message);
  const std::vector<ClientId> ids = live();
  for (const ClientId id : ids) send_encoded(*find(id), encoded, {});
  return ids.size();
}

void Connections::send_to_all(const net::NodeMessage& message) {
  for (const auto& [id, connection] : connections_) send(*connection, message);
}

void Connections::send_encoded(Connection& connection, std::vector<std::byte> message,
                               std::span<const int> descriptors) {
  loop_thread_.assert_current();
  const bool waits_already = !connection.queue.empty();
  const auto wait = connection.queue.send(std::move(message), descriptors);
  if (!wait) {
    // A message without its descriptors, or none, would leave the process waiting for ever: it ends like a dead one.
    if (wait.error().code() != ErrorCode::unavailable) cut_off(connection, wait.error().message());
    return;  // the end will be read from the socket soon
  }
  pressure_.queued(connection.id, connection.queue.bytes());
  if (!waits_already && *wait != net::SendQueue::Wait::nothing) flush_later(connection, *wait);
}

// Its end is read from the socket soon.
void Connections::cut_off(Connection& connection, const std::string& why) {
  log::error("process ", connection.process, " is cut off from the node process, which cannot send to it: ", why);
  ::shutdown(connection.socket.fd(), SHUT_RDWR);
}

void Connections::flush_later(Connection& connection, net::SendQueue::Wait wait) {
  const auto flush_it = [this, id = connection.id](boost::system::error_code error) {
    Connection* c = find(id);
    if (!error && c != nullptr) flush(*c);
  };
  if (connection.queue.bytes() >= BackPressure::kFullBytes && connection.process > 0 && !connection.driver) {
    connection.stuck.expires_after(kStuckFor);  // cancels the one before
    connection.stuck.async_wait([this, id = connection.id](boost::system::error_code error) {
      Connection* c = find(id);
      if (error || c == nullptr) return;
      log::error("worker process ", c->process, " has read no message for ", kStuckFor.count(), " s, and ",
                 sched::bytes_to_string(c->queue.bytes()), " wait for it: it is killed");
      events_.stuck(*c);
    });
  } else {
    connection.stuck.cancel();
  }
  if (wait == net::SendQueue::Wait::writable) {
    return connection.events.async_wait(boost::asio::posix::stream_descriptor::wait_write, flush_it);
  }
  connection.pause.expires_after(std::chrono::milliseconds(1));
  connection.pause.async_wait(flush_it);
}

void Connections::flush(Connection& connection) {
  const auto wait = connection.queue.flush();
  if (!wait) connection.queue.clear();  // the end will be read from the socket soon
  pressure_.queued(connection.id, connection.queue.bytes());
  if (wait && *wait != net::SendQueue::Wait::nothing) return flush_later(connection, *wait);
  connection.stuck.cancel();
}

}  // namespace manta::node
